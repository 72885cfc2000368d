#include "crowd/verdict.h"

#include <inttypes.h>
#include <stdlib.h>

int verdict_init(struct verdict *verdict, struct book *book, struct verdict_lot *lots, size_t lot_count, uint32_t limit_per_buyer)
{
	*verdict = (struct verdict){.book = book, .lots = lots, .lot_count = lot_count, .limit_per_buyer = limit_per_buyer};
	verdict->live = calloc(book->buyers ? book->buyers : 1, sizeof(verdict->live[0]));
	for (size_t i = 0; i < book->count; i++)
		book->purchases[i].seen = false;
	return verdict->live ? 0 : -ENOMEM;
}

void verdict_deinit(struct verdict *verdict)
{
	free(verdict->live);
	verdict->live = NULL;
}

static void count_units(struct verdict *verdict, const struct verdict_order *order)
{
	for (size_t i = 0; i < verdict->lot_count; i++) {
		if (slice_equal(verdict->lots[i].sku, order->sku)) {
			verdict->lots[i].live += order->quantity;
			return;
		}
	}
	book_faults_add(&verdict->faults, 1, "the ledger has an order for %.*s, which the sale does not sell",
			(int)order->sku.size, order->sku.data);
}

static void count_state(struct verdict *verdict, enum order_state state)
{
	verdict->held += state == ORDER_HELD;
	verdict->confirmed += state == ORDER_CONFIRMED;
	verdict->cancelled += state == ORDER_CANCELLED;
	verdict->expired += state == ORDER_EXPIRED;
}

/* NULL, or what differs. */
static const char *difference(const struct book *book, const struct purchase *purchase, const struct verdict_order *order)
{
	char buyer[BOOK_NAME_SIZE];

	book_buyer_name(book, purchase->buyer, buyer);
	if (!slice_equal(order->buyer, slice_of(buyer)))
		return "buyer";
	if (!slice_equal(order->sku, slice_of(book->skus[purchase->lot])))
		return "sku";
	if (order->quantity != book->quantity)
		return "quantity";
	if (order->placed_at_ms != purchase->placed_at_ms)
		return "placed_at";
	if (order->first_hold_expires_at_ms != purchase->hold_expires_at_ms)
		return "hold_expires_at";
	return NULL;
}

static void compare(struct verdict *verdict, uint32_t index, const struct verdict_order *order)
{
	struct book *book = verdict->book;
	struct purchase *purchase = &book->purchases[index];
	char key[BOOK_NAME_SIZE], id[UUID_TEXT_SIZE];
	const char *what;

	book_key(book, index, key);
	uuid_format(&order->id, id);
	if (purchase->seen)
		book_faults_add(&verdict->faults, 3, "key %s has two orders in the ledger, the second is %s", key, id);
	purchase->seen = true;
	if (purchase->told == TOLD_REFUSED && order_is_live(order->state))
		book_faults_add(&verdict->faults, 5, "key %s was refused, and the ledger has order %s (%s) for it", key, id,
				order_state_name(order->state));
	if (purchase->told != TOLD_ACCEPTED)
		return;
	if (!uuid_equal(&purchase->order, &order->id)) {
		book_faults_add(&verdict->faults, 3, "key %s was told another order than the ledger has for it, %s", key, id);
		return;
	}
	what = difference(book, purchase, order);
	if (what)
		book_faults_add(&verdict->faults, 2, "order %s: its %s is not what its buyer was told", id, what);
	if (purchase->confirm_told && order->state != ORDER_CONFIRMED)
		book_faults_add(&verdict->faults, 2, "order %s was told confirmed, and the ledger has it %s", id,
				order_state_name(order->state));
}

void verdict_order(struct verdict *verdict, const struct verdict_order *order)
{
	uint32_t index;

	verdict->orders++;
	if (order_is_live(order->state))
		count_units(verdict, order);
	if (!book_find_key(verdict->book, order->key, &index)) {
		verdict->foreign++;
		return;
	}
	verdict->ours++;
	count_state(verdict, order->state);
	if (order_is_live(order->state))
		verdict->live[verdict->book->purchases[index].buyer] += order->quantity;
	compare(verdict, index, order);
}

void verdict_finish(struct verdict *verdict)
{
	struct book *book = verdict->book;
	char text[BOOK_NAME_SIZE], id[UUID_TEXT_SIZE];

	for (size_t i = 0; i < book->count; i++) {
		const struct purchase *purchase = &book->purchases[i];

		if (purchase->told != TOLD_ACCEPTED || purchase->seen)
			continue;
		book_key(book, (uint32_t)i, text);
		uuid_format(&purchase->order, id);
		book_faults_add(&verdict->faults, 2, "order %s (key %s) was accepted, and the ledger does not have it", id, text);
	}
	for (size_t i = 0; i < book->buyers; i++) {
		if (verdict->live[i] <= verdict->limit_per_buyer)
			continue;
		book_buyer_name(book, (uint32_t)i, text);
		book_faults_add(&verdict->faults, 3, "%s has %" PRIu32 " units, the limit is %" PRIu32, text, verdict->live[i],
				verdict->limit_per_buyer);
	}
	for (size_t i = 0; i < verdict->lot_count; i++) {
		const struct verdict_lot *lot = &verdict->lots[i];

		if (lot->live > lot->units)
			book_faults_add(&verdict->faults, 1, "%.*s has %" PRId64 " units in live orders of %" PRId64,
					(int)lot->sku.size, lot->sku.data, lot->live, lot->units);
	}
}
