/*
 * A secret in a file beside the database: read where it is there, made where it is not. The
 * server's own keys (buyers' tokens, the operator's token) live so when no setting names them, and
 * the commands of the same machine find them there.
 */
#pragma once

#include "base/error.h"
#include "text/slice.h"

enum {
	KEY_FILE_RANDOM_BYTES = 32,
	KEY_FILE_SIZE_MAX = 64 * 1024, /* bytes: a PEM key fits many times */
};

/* What the names of key files end in; they stand beside the ledger's file. */
#define KEY_FILE_JWT_KEY ".jwt-key"
#define KEY_FILE_OPERATOR_TOKEN ".operator-token"

/*
 * The secret in `path`, without its last line end (LF or CRLF), malloc'd, in *key. Refuses what
 * others could have read or put there. 0; -ENOENT; -EPERM: group or others may read it, or it is
 * another user's; -EINVAL: empty, too large or no regular file; or another errno.
 */
int key_file_load(const char *path, char **key) MUST_CHECK;

/*
 * As key_file_load(), of a file that is no secret: everybody may read it, and only its owner may
 * write it.
 */
int key_file_load_public(const char *path, char **text) MUST_CHECK;

/*
 * The other way: `text` takes the file's place, whole or not at all (a rename), for everybody to
 * read, and is on disk before this returns. 0, or an errno.
 */
int key_file_put_public(const char *path, struct slice text) MUST_CHECK;

/*
 * As key_file_load(), but makes the file where it is missing: 32 random bytes in URL-safe base64,
 * mode 0600, whole or not at all, and on disk before this returns. Two processes that start at once
 * end up with the same key.
 */
int key_file_load_or_make(const char *path, char **key) MUST_CHECK;

/*
 * "LEDGER.jwt-key" for "sqlite:LEDGER", "penstock.jwt-key" in the current folder for
 * "postgresql://…", malloc'd; NULL for others, or out of memory.
 */
char *key_file_path(const char *ledger_url, const char *suffix);

/*
 * What a negative code of those above means for whoever has to mend it: one clause, static text.
 */
const char *key_file_error(int code);
