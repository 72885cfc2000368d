/*
 * How many requests of one client address may fail to say who asks, in a window: what has a valid
 * identity is limited by its buyer, so neighbours behind one address do not punish each other.
 * Counted when it has failed, local to this gate, shared by its threads.
 *
 * An IPv4 address has one budget. An IPv6 client is its /64, and has a budget of its own within
 * that of its /48, which is IDENTITY_BUDGET_SITE times as large: whoever has a /48 has 65,536
 * networks to ask from.
 */
#pragma once

#include "base/address.h"

enum { IDENTITY_BUDGET_SITE = 8 };

struct identity_budget;

/* requests in any `seconds`; both above 0. 0 or -ENOMEM. */
int identity_budget_new(struct identity_budget **budget, uint32_t requests, uint32_t seconds) MUST_CHECK;
void identity_budget_free(struct identity_budget *budget); /* NULL is fine */
/*
 * Whether anybody has spent a budget: one atomic read, for those who need not find out whose
 * address it is. Any thread, as all below.
 */
bool identity_budget_may_be_spent(const struct identity_budget *budget, int64_t now_ms);
/*
 * Whether this client has; then *retry_after_ms says when it has something again. Counts nothing.
 */
bool identity_budget_spent(struct identity_budget *budget, const struct address *client, int64_t now_ms, int64_t *retry_after_ms);
void identity_budget_count(struct identity_budget *budget, const struct address *client, int64_t now_ms);
