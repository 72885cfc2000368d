/* The table of a handle: each call goes there and back, and is done by the ledger inside. */
#include <stdlib.h>
#include "simulation/ledger/server.h"
#include "simulation/scheduler/scheduler.h"

/* The one statement of a call whose name and arguments these are. */
#define SIM_CALL(ledger, kind, name, ...)                 \
	struct sim_call call = {0};                       \
	int result = sim_call_begin(&call, ledger, kind); \
                                                          \
	if (result < 0)                                   \
		return result;                            \
	return sim_call_end(&call, call.inside->ops->name(call.inside, __VA_ARGS__))

/* --- Events --- */

static void say_unknown(const struct sim_call *call, struct ledger_entry *entries, size_t count)
{
	for (size_t i = 0; i < count && !call->looked_up; i++)
		entries[i].outcome = -EINPROGRESS;
}

static int sim_apply(struct ledger *ledger, struct ledger_entry *entries, size_t count)
{
	struct sim_call call = {.entries = entries, .count = count};
	int result, told;

	if (count == 0)
		return 0;
	result = sim_call_begin(&call, ledger, SIM_CHANGE);
	if (result < 0) {
		say_unknown(&call, entries, count);
		return result;
	}
	result = call.inside->ops->apply(call.inside, entries, count);
	told = sim_call_end(&call, result);
	if (told != result)
		say_unknown(&call, entries, count);
	return told;
}

static int sim_drain(struct ledger *ledger, struct ledger_drain *drain)
{
	struct sim_call call = {.entries = drain->entries, .count = drain->count, .drain = drain};
	int result = sim_call_begin(&call, ledger, SIM_CHANGE);

	return result < 0 ? result : sim_call_end(&call, call.inside->ops->drain(call.inside, drain));
}

static int sim_journal_identify(struct ledger *ledger, struct slice cluster, struct slice topic, uint32_t *partitions, char **known)
{
	struct sim_call call = {0};
	int result = sim_call_begin(&call, ledger, SIM_CHANGE);

	*known = NULL;
	if (result < 0)
		return result;
	result = sim_call_end(&call, call.inside->ops->journal_identify(call.inside, cluster, topic, partitions, known));
	if (result < 0) {
		free(*known);
		*known = NULL;
	}
	return result;
}

static int sim_journal_position(struct ledger *ledger, uint32_t partition, int64_t *next, uint64_t *mark)
{
	SIM_CALL(ledger, SIM_SETTLED, journal_position, partition, next, mark);
}

/* --- Items --- */

static int sim_item_create(struct ledger *ledger, const struct ledger_item *item, const struct ledger_actor *actor)
{
	SIM_CALL(ledger, SIM_CHANGE, item_create, item, actor);
}

static int sim_item_receive(struct ledger *ledger, struct slice sku, int64_t units, const struct uuid *movement,
			    const struct ledger_actor *actor, int64_t *on_hand)
{
	SIM_CALL(ledger, SIM_CHANGE, item_receive, sku, units, movement, actor, on_hand);
}

static int sim_item_adjust(struct ledger *ledger, struct slice sku, int64_t units, struct slice reason,
			   const struct uuid *movement, const struct ledger_actor *actor, int64_t *on_hand)
{
	SIM_CALL(ledger, SIM_CHANGE, item_adjust, sku, units, reason, movement, actor, on_hand);
}

static int sim_item_get(struct ledger *ledger, struct slice sku, struct ledger_item *item)
{
	SIM_CALL(ledger, SIM_READ, item_get, sku, item);
}

static int sim_items(struct ledger *ledger, struct slice after, struct ledger_item *items, size_t max, size_t *count)
{
	SIM_CALL(ledger, SIM_READ, items, after, items, max, count);
}

/* --- Sales --- */

static int sim_import(struct ledger *ledger, struct ledger_import *import, const struct ledger_actor *actor)
{
	SIM_CALL(ledger, SIM_CHANGE, import, import, actor);
}

static int sim_sale_create(struct ledger *ledger, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	SIM_CALL(ledger, SIM_CHANGE, sale_create, sale, actor, lot);
}

static int sim_sale_update(struct ledger *ledger, const struct sale *sale, const struct ledger_actor *actor)
{
	SIM_CALL(ledger, SIM_CHANGE, sale_update, sale, actor);
}

static int sim_sale_set_lots(struct ledger *ledger, const struct sale *sale, const struct sale_lot *lots, uint32_t count,
			     const struct ledger_actor *actor, uint32_t *lot)
{
	SIM_CALL(ledger, SIM_CHANGE, sale_set_lots, sale, lots, count, actor, lot);
}

static int sim_sale_release(struct ledger *ledger, uint32_t sale, const struct sale_release *release, const struct ledger_actor *actor)
{
	SIM_CALL(ledger, SIM_CHANGE, sale_release, sale, release, actor);
}

static int sim_sale_move(struct ledger *ledger, uint32_t sale, enum sale_action action, const struct ledger_actor *actor)
{
	SIM_CALL(ledger, SIM_CHANGE, sale_move, sale, action, actor);
}

static int sim_sale_disarm(struct ledger *ledger, uint32_t sale, uint32_t epoch, const struct ledger_actor *actor)
{
	SIM_CALL(ledger, SIM_CHANGE, sale_disarm, sale, epoch, actor);
}

static int sim_sale_raise_epoch(struct ledger *ledger, uint32_t sale, uint32_t above, uint32_t *epoch)
{
	SIM_CALL(ledger, SIM_CHANGE, sale_raise_epoch, sale, above, epoch);
}

static int sim_sale_get(struct ledger *ledger, uint32_t number, struct slice id, struct sale **sale)
{
	SIM_CALL(ledger, SIM_READ, sale_get, number, id, sale);
}

static int sim_sales(struct ledger *ledger, uint32_t after, int64_t live_since_ms, struct sale **sales, size_t max, size_t *count)
{
	SIM_CALL(ledger, SIM_READ, sales, after, live_since_ms, sales, max, count);
}

static int sim_sales_changed(struct ledger *ledger, uint64_t after, struct sale **sales, size_t max, size_t *count)
{
	SIM_CALL(ledger, SIM_READ, sales_changed, after, sales, max, count);
}

static int sim_lot_add(struct ledger *ledger, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *movement,
		       const struct ledger_actor *actor)
{
	SIM_CALL(ledger, SIM_CHANGE, lot_add, sale, lot, units, movement, actor);
}

static int sim_lots_armed(struct ledger *ledger, const struct sale *sale, uint32_t epoch)
{
	SIM_CALL(ledger, SIM_CHANGE, lots_armed, sale, epoch);
}

static int sim_lots_unequal(struct ledger *ledger, struct ledger_unequal_lot *lots, size_t max, size_t *count)
{
	SIM_CALL(ledger, SIM_READ, lots_unequal, lots, max, count);
}

static int sim_payments_shared(struct ledger *ledger, int64_t *count)
{
	SIM_CALL(ledger, SIM_READ, payments_shared, count);
}

/* --- Orders --- */

static int sim_order_get(struct ledger *ledger, const struct uuid *id, struct ledger_order *order)
{
	SIM_CALL(ledger, SIM_READ, order_get, id, order);
}

static int sim_orders(struct ledger *ledger, const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max,
		      size_t *count)
{
	SIM_CALL(ledger, SIM_READ, orders, filter, orders, max, count);
}

static int sim_changes(struct ledger *ledger, const struct ledger_change_filter *filter, struct ledger_change *changes,
		       size_t max, size_t *count, struct ledger_cursor *next)
{
	SIM_CALL(ledger, SIM_READ, changes, filter, changes, max, count, next);
}

/*
 * A sale's orders, of one moment: they are all here before the first page is given, so that others
 * may run between pages.
 */
struct pages {
	struct ledger_order *orders;
	size_t count;
};

static int keep_page(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count)
{
	struct pages *pages = context;

	(void)snapshot;
	pages->orders = realloc(pages->orders, (pages->count + count) * sizeof(*orders));
	ASSERT(pages->orders != NULL);
	memcpy(pages->orders + pages->count, orders, count * sizeof(*orders));
	pages->count += count;
	return 0;
}

static int give_pages(const struct pages *pages, const struct ledger_snapshot *snapshot, ledger_orders_fn *page, void *context)
{
	enum { PAGE = 4 };
	int result = 0;

	for (size_t at = 0, count; at < pages->count && result == 0; at += count) {
		count = pages->count - at < PAGE ? pages->count - at : PAGE;
		result = page(context, snapshot, pages->orders + at, count);
		scheduler_yield("ledger.page");
	}
	return result;
}

static int sim_sale_snapshot(struct ledger *ledger, uint32_t sale, struct ledger_snapshot *snapshot, ledger_orders_fn *page,
			     void *context)
{
	struct sim_call call = {0};
	struct pages pages = {0};
	int result = sim_call_begin(&call, ledger, SIM_READ);

	*snapshot = (struct ledger_snapshot){0};
	if (result < 0)
		return result;
	result = sim_call_end(&call, call.inside->ops->sale_snapshot(call.inside, sale, snapshot, keep_page, &pages));
	if (result == 0)
		result = give_pages(&pages, snapshot, page, context);
	free(pages.orders);
	return result;
}

/* --- Records --- */

static int sim_request_find(struct ledger *ledger, struct ledger_request *request)
{
	SIM_CALL(ledger, SIM_READ, request_find, request);
}

static int sim_request_note(struct ledger *ledger, struct ledger_request *request, int64_t at_ms)
{
	SIM_CALL(ledger, SIM_CHANGE, request_note, request, at_ms);
}

static int sim_log_append(struct ledger *ledger, const struct ledger_actor *actor, enum log_action action, struct slice subject,
			  struct slice detail_json)
{
	SIM_CALL(ledger, SIM_CHANGE, log_append, actor, action, subject, detail_json);
}

static int sim_log_rows(struct ledger *ledger, const struct ledger_log_filter *filter, struct ledger_log_row *rows, size_t max,
			size_t *count)
{
	SIM_CALL(ledger, SIM_READ, log_rows, filter, rows, max, count);
}

static int sim_dead_letter(struct ledger *ledger, const struct event *event, const char *reason, int64_t now_ms)
{
	SIM_CALL(ledger, SIM_CHANGE, dead_letter, event, reason, now_ms);
}

static int sim_dead_letters(struct ledger *ledger, int64_t after, struct ledger_dead_letter *rows, size_t max, size_t *count)
{
	SIM_CALL(ledger, SIM_READ, dead_letters, after, rows, max, count);
}

static int sim_dead_letter_remove(struct ledger *ledger, int64_t number)
{
	SIM_CALL(ledger, SIM_CHANGE, dead_letter_remove, number);
}

static int sim_relay_get(struct ledger *ledger, struct slice name, struct ledger_relay *relay)
{
	SIM_CALL(ledger, SIM_READ, relay_get, name, relay);
}

static int sim_relay_put(struct ledger *ledger, struct ledger_relay *relay)
{
	SIM_CALL(ledger, SIM_CHANGE, relay_put, relay);
}

static int sim_relay_skip(struct ledger *ledger, struct slice name, struct slice change, const struct ledger_actor *actor,
			  struct slice detail_json)
{
	SIM_CALL(ledger, SIM_CHANGE, relay_skip, name, change, actor, detail_json);
}

static int sim_dead_letter_forget(struct ledger *ledger, const struct ledger_actor *actor, int64_t number, struct slice detail_json)
{
	SIM_CALL(ledger, SIM_CHANGE, dead_letter_forget, actor, number, detail_json);
}

static int sim_audit(struct ledger *ledger, struct ledger_audit *audit)
{
	SIM_CALL(ledger, SIM_READ, audit, audit);
}

/* --- Life --- */

static void sim_free(struct ledger *ledger)
{
	struct sim_handle *handle;
	struct ledger_sim *sim;
	struct node *before;

	if (!ledger)
		return;
	handle = sim_handle_of(ledger);
	sim = handle->sim;
	before = sim_server_enter(sim);
	sim_sessions_end(sim, handle);
	sim_handle_remove(handle);
	sim_server_leave(sim, before);
	reader_pool_deinit(&handle->readers);
	fair_lock_deinit(&handle->writer);
	lock_deinit(&handle->elector);
	sim_handle_free(handle);
}

/* It has the place of a server, which does that by itself. */
static void sim_tidy(struct ledger *ledger)
{
	(void)ledger;
}

const struct ledger_ops sim_ops = {
	.name = "simulated",
	.apply = sim_apply,
	.drain = sim_drain,
	.journal_identify = sim_journal_identify,
	.journal_position = sim_journal_position,
	.elect = sim_elect,
	.item_create = sim_item_create,
	.item_receive = sim_item_receive,
	.item_adjust = sim_item_adjust,
	.item_get = sim_item_get,
	.items = sim_items,
	.import = sim_import,
	.sale_create = sim_sale_create,
	.sale_update = sim_sale_update,
	.sale_set_lots = sim_sale_set_lots,
	.sale_move = sim_sale_move,
	.sale_release = sim_sale_release,
	.sale_disarm = sim_sale_disarm,
	.sale_raise_epoch = sim_sale_raise_epoch,
	.sale_get = sim_sale_get,
	.sales = sim_sales,
	.sales_changed = sim_sales_changed,
	.lot_add = sim_lot_add,
	.order_get = sim_order_get,
	.orders = sim_orders,
	.changes = sim_changes,
	.sale_snapshot = sim_sale_snapshot,
	.lots_armed = sim_lots_armed,
	.lots_unequal = sim_lots_unequal,
	.payments_shared = sim_payments_shared,
	.request_find = sim_request_find,
	.request_note = sim_request_note,
	.log_append = sim_log_append,
	.log_rows = sim_log_rows,
	.dead_letter = sim_dead_letter,
	.dead_letters = sim_dead_letters,
	.dead_letter_remove = sim_dead_letter_remove,
	.relay_get = sim_relay_get,
	.relay_put = sim_relay_put,
	.relay_skip = sim_relay_skip,
	.dead_letter_forget = sim_dead_letter_forget,
	.audit = sim_audit,
	.health = sim_health,
	.recover = sim_recover,
	.tidy = sim_tidy,
	.free = sim_free,
};

static void close_nothing(void *owner, size_t which, bool in_doubt)
{
	(void)owner;
	(void)which;
	(void)in_doubt;
}

int ledger_sim_open(struct ledger_sim *sim, struct ledger **ledger, int flags)
{
	bool later = flags == (LEDGER_OPEN_SHARED | LEDGER_OPEN_LATER);
	struct sim_handle *handle;
	int result;

	if (flags != LEDGER_OPEN_LEASE && flags != LEDGER_OPEN_SHARED && flags != LEDGER_OPEN_READ_ONLY && !later)
		return error_origin(-EINVAL);
	handle = calloc(1, sizeof(*handle));
	ASSERT(handle != NULL);
	handle->base.ops = &sim_ops;
	handle->sim = sim;
	handle->node = node_current;
	handle->read_only = flags == LEDGER_OPEN_READ_ONLY;
	handle->shared = flags & LEDGER_OPEN_SHARED;
	fair_lock_init(&handle->writer);
	lock_init(&handle->elector);
	reader_pool_init(&handle->readers, close_nothing, handle);
	result = sim_handle_open(handle, later);
	if (result != 0) {
		reader_pool_deinit(&handle->readers);
		fair_lock_deinit(&handle->writer);
		lock_deinit(&handle->elector);
		sim_handle_free(handle);
		return result;
	}
	*ledger = &handle->base;
	return 0;
}
