/*
 * Requests a client address may make in a window: a sliding window log for each address, local to
 * this gate, shared by its threads.
 *
 * The memory is fixed: a set-associative table (WAYS entries a bucket). An address that finds its
 * bucket full takes the place of the one that asked longest ago; so under more addresses than the
 * table has places the limit loosens, and never refuses anybody wrongly.
 */
#pragma once

#include "base/address.h"

struct address_limit;

/*
 * How many addresses there are places for. An entry has 40 bytes and 8 for each request; pages are
 * touched as addresses come.
 */
enum address_limit_size { ADDRESS_LIMIT_CLIENTS = 131072, ADDRESS_LIMIT_SITES = 8192 };

/* requests in any `seconds`; both above 0. 0 or -ENOMEM. */
int address_limit_new(struct address_limit **limit, uint32_t requests, uint32_t seconds, enum address_limit_size size) MUST_CHECK;
void address_limit_free(struct address_limit *limit); /* NULL is fine */
/*
 * True when this request may go on, and counts it; else *retry_after_ms says when one may. Any
 * thread.
 */
bool address_limit_pass(struct address_limit *limit, const struct address *client, int64_t now_ms, int64_t *retry_after_ms);
/*
 * What was counted at counted_ms is not to count after all. Nothing where it is gone. Any thread.
 */
void address_limit_give_back(struct address_limit *limit, const struct address *client, int64_t counted_ms);
/* Whether the next would not pass; *retry_after_ms as above. Counts nothing. Any thread. */
bool address_limit_full(struct address_limit *limit, const struct address *client, int64_t now_ms, int64_t *retry_after_ms);
/* False: it is full for nobody. One atomic read. Any thread. */
bool address_limit_may_be_full(const struct address_limit *limit, int64_t now_ms);
