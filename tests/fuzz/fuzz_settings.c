/*
 * Any bytes as a settings file: a fault is told in one line; what loads is printed, loads again,
 * and is printed the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory; its name in `path`. */
static int make_file(const void *data, size_t size, char path[static 64])
{
	int fd = memfd_create("settings", MFD_CLOEXEC);

	ASSERT(fd >= 0);
	ASSERT(write(fd, data, size) == (ssize_t)size);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static int load(const void *data, size_t size, struct settings **settings, struct buffer *message)
{
	char path[64];
	int fd = make_file(data, size, path);
	struct settings_sources sources = {.file = path};
	int error = settings_load(settings, &sources, message);

	close(fd);
	return error;
}

/* Where a value comes from is told in comments, which differ. */
static void drop_comments(struct buffer *text)
{
	struct buffer kept;

	buffer_init(&kept, 1 << 22);
	for (size_t at = 0; at < text->size;) {
		const char *newline = memchr(text->data + at, '\n', text->size - at);
		size_t size = newline ? (size_t)(newline - text->data) - at + 1 : text->size - at;

		if (text->data[at] != '#')
			buffer_append(&kept, text->data + at, size);
		at += size;
	}
	buffer_deinit(text);
	*text = kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings *settings;
	struct buffer message, first, second;

	log_set_level(LOG_OFF);
	buffer_init(&message, 1 << 22);
	/* A file of secrets could be any file of this machine: "_file" leads out of the input. */
	if (memmem(data, size, "_file", 5) || load(data, size, &settings, &message) < 0) {
		ASSERT(message.size == 0 || !memchr(message.data, '\n', message.size));
		buffer_deinit(&message);
		return 0;
	}
	ASSERT(message.size == 0);
	buffer_init(&first, 1 << 22);
	buffer_init(&second, 1 << 22);
	settings_print(settings, &first);
	settings_free(settings);
	ASSERT(load(first.data, first.size, &settings, &message) == 0);
	settings_print(settings, &second);
	settings_free(settings);
	drop_comments(&first);
	drop_comments(&second);
	/* A URL with a password is printed as a comment, and so falls back to its default. */
	if (!memchr(data, '@', size))
		ASSERT(slice_equal(buffer_slice(&first), buffer_slice(&second)));
	buffer_deinit(&first);
	buffer_deinit(&second);
	buffer_deinit(&message);
	return 0;
}
