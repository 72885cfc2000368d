/*
 * The hash chain of the operator log. Each row carries the SHA-256 of the row before's hash and its
 * own fields, so that a row that was changed, removed or put between breaks every hash after it.
 * Fields go into the hash with their lengths, so that no two different rows read the same. What it
 * does not do: a person who may write the database can write the whole chain anew; against that,
 * keep a hash elsewhere from time to time.
 *
 * The canonical form is the same in every database, so a log that is copied from one to another
 * still follows. Private to the adapters.
 */
#pragma once

#include "base/sha256.h"
#include "port/ledger.h"

/* The hash before the first row. */
extern const char log_first_hash[SHA256_TEXT_SIZE];

struct log_fields {
	int64_t number, at_ms;
	struct slice actor, action, subject, detail, trace;
};
/*
 * A row's fields but its number, cut to what a row takes. A detail that does not fit is left out,
 * and said so.
 */
struct log_fields log_fields_of(const struct ledger_actor *actor, enum log_action action, struct slice subject,
				struct slice detail_json);
/* 0 or -ENOMEM. */
int log_chain_hash(struct slice before, const struct log_fields *row, char hash[static SHA256_TEXT_SIZE]) MUST_CHECK;

/*
 * The number that a page of the log begins behind, or (newest first) before: a plain bound, from
 * which a database reads on in its primary key, however many rows are on the other side.
 */
int64_t log_page_bound(const struct ledger_log_filter *filter);

/* Follows a log from its first row on. */
struct log_follower {
	char before[SHA256_TEXT_SIZE];
	int64_t last, rows, broken;
	char *first; /* gets the first fault in words if it is still empty */
	size_t first_size;
};
void log_follow_start(struct log_follower *follower, char *first, size_t first_size);
/* The next row, by number, with the hash it has. 0 or -ENOMEM. */
int log_follow(struct log_follower *follower, const struct log_fields *row, struct slice hash) MUST_CHECK;
/*
 * `given`: the highest number that was ever given, so that a log without its last rows is seen to
 * be short.
 */
void log_follow_end(struct log_follower *follower, int64_t given);
