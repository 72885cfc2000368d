/*
 * Requests a client address may make in a window: a sliding window log for each address, local to this gate, shared by its threads.
 *
 * The memory is fixed: a set-associative table (WAYS entries a bucket). An address that finds its bucket full takes the place of the one that asked
 * longest ago; so under more addresses than the table has places the limit loosens, and never refuses anybody wrongly.
 */
#pragma once

#include "base/address.h"

struct address_limit;

/* requests in any `seconds`; both above 0. 0 or -ENOMEM. */
int address_limit_new(struct address_limit **limit, uint32_t requests, uint32_t seconds) MUST_CHECK;
void address_limit_free(struct address_limit *limit); /* NULL is fine */
/* True when this request may go on, and counts it; else *retry_after_ms says when one may. Any thread. */
bool address_limit_pass(struct address_limit *limit, const struct address *client, int64_t now_ms, int64_t *retry_after_ms);
