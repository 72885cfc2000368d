/*
 * A blocking caller of the journal: puts one event into the journal's lane and waits until its end
 * is known. It tells no success too late (rule 3).
 */
#pragma once

#include "workers/message.h"
#include "core/order_control.h"

struct journal_client;

/*
 * `lane`: the journal worker's; borrowed. ack_deadline_ns: a success that is known later is none to
 * tell. 0 or negative.
 */
int journal_client_new(struct journal_client **client, struct lane *lane, int64_t ack_deadline_ns) MUST_CHECK;
/*
 * After the journal worker has stopped: until then its thread may still be in the lane that answers
 * come back by.
 */
void journal_client_free(struct journal_client *client);
/*
 * The event's outbox entry must be in the stock already; the worker tells the stock.
 * JOURNAL_UNKNOWN too where the lane had no room or is closed: the entry then waits to be driven
 * again; and where it is durable, but may not be told. started_ns and *no_stock as in struct
 * journal_commit. Any thread; callers wait for each other.
 */
enum journal_end journal_client_append(struct journal_client *client, const struct event *event, int64_t started_ns, bool *no_stock);
/* The client as the core sees it. */
struct journal_commit journal_client_commit(struct journal_client *client);
