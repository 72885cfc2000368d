/*
 * `penstock jwks`: fetches a login's keys into a file. A process of its own, for a server calls
 * nobody: it reads identity.jwks_file again when that changes.
 *
 * What comes is judged as the server would judge it before it takes the old file's place, and takes
 * it whole (a rename): a login that answers with an error page, or with nothing, changes nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/pause.h"
#include "cli/commands.h"
#include "cli/https.h"
#include "identity/key_file.h"
#include "identity/key_set.h"

enum { FETCH_TIMEOUT_MS = 30000, EVERY_LEAST_MS = 10000, AGAIN_MS = 60000 };

static bool take_part(void *context, const char *data, size_t size)
{
	struct buffer *text = context;

	buffer_append(text, data, size);
	return !text->failed;
}

/* CLI_GO and the text of a set that the server would take; or the exit code. */
static int fetch(struct https *https, const char *url, struct buffer *text)
{
	const struct https_request request = {
		.method = "GET",
		.path = "",
		.headers = "Accept: application/jwk-set+json, application/json\r\n",
		.take = take_part,
		.context = text,
		.timeout_ms = FETCH_TIMEOUT_MS,
	};
	struct key_set *set = NULL;
	const char *reason;
	int status, r;

	buffer_clear(text);
	r = https_call(https, &request, &status);
	if (r == -EMSGSIZE)
		return cli_error(CLI_FAILED, "%s: the answer has more than %d bytes", url, KEY_FILE_SIZE_MAX);
	if (r < 0)
		return cli_error(CLI_FAILED, "%s: %s", url, https_reason(https)[0] ? https_reason(https) : error_text(r));
	if (status != 200)
		return cli_error(CLI_FAILED, "%s: the answer is %d", url, status);
	r = key_set_of_jwks(&set, buffer_slice(text), &reason);
	key_set_free(set);
	return r < 0 ? cli_error(CLI_FAILED, "%s: no JWK Set that can be used: %s", url, reason) : CLI_GO;
}

/* Whether the file has this text already. */
static bool is_there(const char *path, const struct buffer *text)
{
	char have[KEY_FILE_SIZE_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && size < sizeof(have)) {
		got = read(fd, have + size, sizeof(have) - size);
		size += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0 && got == 0 && slice_equal((struct slice){have, size}, buffer_slice(text));
}

static int fetch_into(struct https *https, const char *url, const char *path)
{
	struct buffer text;
	int code, r = 0;
	bool there;

	buffer_init(&text, KEY_FILE_SIZE_MAX);
	code = fetch(https, url, &text);
	there = code == CLI_GO && is_there(path, &text);
	if (code == CLI_GO && !there)
		r = key_file_put_public(path, buffer_slice(&text));
	if (r < 0)
		code = cli_error(CLI_FAILED, "%s: %s", path, error_text(r));
	else if (code == CLI_GO)
		printf("%s: %s\n", path, there ? "the keys are the same" : "new keys");
	fflush(stdout);
	buffer_deinit(&text);
	return code == CLI_GO ? CLI_OK : code;
}

static int jwks_run(struct cli *cli)
{
	const char *path = NULL, *cacert = NULL, *reason = "";
	int64_t every_ms = 0;
	const struct option table[] = {
		{"to", 0, OPTION_TEXT, &path, "FILE", "where the keys are put; what identity.jwks_file names"},
		{"every", 0, OPTION_DURATION, &every_ms, "TIME", "go on, and fetch them again so often (at least 10s)"},
		{"cacert", 0, OPTION_TEXT, &cacert, "FILE", "CAs that the login is known by (the system's)"},
	};
	struct https *https;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 1, 1), r;

	if (code != CLI_GO)
		return code;
	if (!path)
		return cli_usage(cli, "where to? --to FILE");
	if (every_ms && every_ms < EVERY_LEAST_MS)
		return cli_usage(cli, "--every: wanted is a time of at least 10s");
	r = https_new(&https, cli->argv[0], cacert, &reason);
	if (r == -EINVAL)
		return cli_usage(cli, "%s: wanted is https://...: keys that come otherwise could be anybody's", cli->argv[0]);
	if (r < 0)
		return cli_error(CLI_FAILED, "%s", r == -ENOENT ? reason : error_text(r));
	code = fetch_into(https, cli->argv[0], path);
	while (every_ms) {
		pause_sleep(1000000 * (code == CLI_OK || every_ms < AGAIN_MS ? every_ms : AGAIN_MS));
		code = fetch_into(https, cli->argv[0], path);
	}
	https_free(https);
	return code;
}

const struct command command_jwks = {
	.name = "jwks",
	.synopsis = "URL --to FILE [--every TIME] [--cacert FILE]",
	.summary = "Fetch a login's public keys (JWK Set) into a file",
	.details =
		"The server calls nobody: it reads the file of identity.jwks_file again when that changes. What comes is judged first and "
		"takes the file's place whole; what is no JWK Set, and a login that does not answer, changes nothing. Run it from a timer "
		"(deploy/systemd/penstock-jwks.timer), or with --every: a fetch that failed is then tried again within a minute.\n",
	.run = jwks_run,
};
