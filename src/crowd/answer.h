/*
 * Reads one HTTP/1.1 answer from the start of some bytes: the client's side of the crowd.
 * Stateless. It takes what a server of ours sends (Content-Length, or no body at all); anything
 * else is a fault, since to the crowd an unclear answer is a broken promise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "text/slice.h"

enum { ANSWER_HEAD_MAX = 16 * 1024, ANSWER_BODY_MAX = 64 * 1024 * 1024 /* bytes; a page of 1,000 orders fits many times */ };

struct answer {
	int status;
	bool close;            /* the server closes after it */
	bool replayed;         /* Idempotent-Replayed: true */
	int64_t retry_after_s; /* -1: none */
	struct slice body;     /* points into the bytes */
};

enum answer_outcome {
	ANSWER_WHOLE = 0, /* *used bytes belong to it */
	ANSWER_MORE = 1,
	ANSWER_FAULT = 2, /* *reason: static text */
};
int answer_read(const char *data, size_t size, struct answer *answer, size_t *used, const char **reason);

/*
 * The value of "code" in a problem body (RFC 9457 with our extension), or an empty slice. No JSON
 * reader: it runs once an answer.
 */
struct slice answer_code(struct slice body);
