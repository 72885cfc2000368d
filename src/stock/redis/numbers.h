/*
 * Numbers that this side and the functions in Redis both know, beside those of the model and the
 * port. They are said here alone: library.c writes them in front of the text of the functions. One
 * that was released never changes.
 */
#pragma once

/* Whole answers that are no stock_outcome. */
enum { REDIS_STALE = 100, REDIS_OUT_OF_RANGE = 101 };
/* Flags of an order's record. */
enum { REDIS_SETTLING = 1, REDIS_DURABLE = 2, REDIS_COUNTED = 4, REDIS_CLAIMED = 8 };
/* Flags of a request. */
enum {
	REDIS_REPLAY_ONLY = 1,
	REDIS_UNLIMITED = 2,
	REDIS_LABELLED = 4
}; /* the last: labels, and their fingerprint, are at its end */
enum { REDIS_NO_PRICE = -1 };
/* Rules that a test build breaks on purpose. */
enum { REDIS_FORGET_BUYER = 1, REDIS_RETURN_EARLY = 2, REDIS_UNDO_CLAIMED = 4, REDIS_IGNORE_FENCE = 8 };
/* What is to be done with an operator's stop. */
enum { REDIS_BRAKE_SET = 1, REDIS_BRAKE_RESTORE = 2, REDIS_BRAKE_WRITTEN = 3 };
