#include "identity/key_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/random.h"
#include "text/base64url.h"
#include "text/slice.h"

enum { TEXT_SIZE = (KEY_FILE_RANDOM_BYTES * 8 + 5) / 6 };

static int write_all(int file, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(file, data, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		size -= (size_t)written;
	}
	return 0;
}

/* Makes the directory entry itself durable. */
static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int file, r = 0;

	if (!folder)
		return -ENOMEM;
	file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (file < 0)
		return -errno;
	if (fsync(file) < 0)
		r = -errno;
	close(file);
	return r;
}

/*
 * A temporary file of our own is written and synced first, then linked to its name: link(2) fails
 * where another process has been quicker, and nobody ever sees half a key.
 */
static int make(const char *path)
{
	uint8_t bytes[KEY_FILE_RANDOM_BYTES];
	char text[TEXT_SIZE + 1];
	char *temporary = NULL;
	int file, r;

	random_bytes(bytes, sizeof(bytes));
	base64url_encode(bytes, sizeof(bytes), text);
	text[TEXT_SIZE] = '\n';
	if (asprintf(&temporary, "%s.%016llx", path, (unsigned long long)random_u64()) < 0)
		return -ENOMEM;
	file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0) {
		r = -errno;
		goto out;
	}
	r = fchmod(file, 0600) < 0 ? -errno : write_all(file, text, sizeof(text)); /* whatever the umask */
	if (r == 0 && fsync(file) < 0)
		r = -errno;
	close(file);
	if (r == 0 && link(temporary, path) < 0 && errno != EEXIST)
		r = -errno;
	unlink(temporary);
	if (r == 0)
		r = sync_folder(path);
out:
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(text, sizeof(text));
	free(temporary);
	return r;
}

int key_file_put_public(const char *path, struct slice text)
{
	char *beside;
	int file, r;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	file = mkostemp(beside, O_CLOEXEC);
	r = file < 0 ? -errno : write_all(file, text.data, text.size);
	if (r == 0 && (fchmod(file, 0644) < 0 || fsync(file) < 0))
		r = -errno;
	if (file >= 0)
		close(file);
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0 && file >= 0)
		unlink(beside);
	free(beside);
	return r < 0 ? r : sync_folder(path);
}

/* `others`: what of its mode nobody else may have. */
static int check(int file, mode_t others, size_t *size)
{
	struct stat status;

	if (fstat(file, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size > KEY_FILE_SIZE_MAX)
		return -EINVAL;
	if ((status.st_mode & others) != 0)
		return -EPERM;
	if (status.st_uid != geteuid() && status.st_uid != 0)
		return -EPERM;
	*size = (size_t)status.st_size;
	return 0;
}

static int load(const char *path, mode_t others, char **key)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
	size_t size = 0, have = 0;
	char *text = NULL;

	*key = NULL;
	if (file < 0)
		return -errno;
	r = check(file, others, &size);
	if (r < 0)
		goto out;
	text = calloc(1, size + 1);
	if (!text) {
		r = -ENOMEM;
		goto out;
	}
	while (have < size) {
		ssize_t part = read(file, text + have, size - have);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			r = -errno;
		if (part <= 0)
			break;
		have += (size_t)part;
	}
	have = slice_without_line_end((struct slice){text, have}).size;
	text[have] = '\0';
	if (r == 0 && (have == 0 || strlen(text) != have))
		r = -EINVAL;
out:
	close(file);
	if (r < 0) {
		if (text)
			explicit_bzero(text, size);
		free(text);
		return r;
	}
	*key = text;
	return 0;
}

int key_file_load(const char *path, char **key)
{
	return load(path, 077, key);
}

int key_file_load_public(const char *path, char **text)
{
	return load(path, 022, text);
}

int key_file_load_or_make(const char *path, char **key)
{
	int r = key_file_load(path, key);

	if (r != -ENOENT)
		return r;
	r = make(path);
	if (r < 0)
		return r;
	return key_file_load(path, key);
}

char *key_file_path(const char *ledger_url, const char *suffix)
{
	static const char file[] = "sqlite:", server[] = "postgres";
	const char *base = NULL;
	char *path;

	if (strncmp(ledger_url, file, sizeof(file) - 1) == 0 && ledger_url[sizeof(file) - 1] != '\0')
		base = ledger_url + sizeof(file) - 1;
	else if (strncmp(ledger_url, server, sizeof(server) - 1) == 0)
		base = "penstock"; /* a server has no place beside it: the folder that the program runs in */
	if (!base || asprintf(&path, "%s%s", base, suffix) < 0)
		return NULL;
	return path;
}

const char *key_file_error(int code)
{
	switch (code) {
	case -ENOENT:
		return "there is no such file";
	case -EPERM:
		return "others than its owner can reach it: make it yours alone (chown, chmod 600), or remove it and let a new one be made";
	case -EINVAL:
		return "it is empty, too large, or no text file";
	default:
		return error_text(code);
	}
}
