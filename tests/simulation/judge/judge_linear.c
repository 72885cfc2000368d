/*
 * The history of a sale as the search wants it: what had an effect, and the refusals that speak of
 * the sale's units.
 */
#include "simulation/judge/judge_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "simulation/judge/linear.h"

enum { NOBODY = 0, SECOND_NS = 1000000000 };

/*
 * What a search is made of. Orders, requests and movements are told apart by what they were made
 * from.
 */
struct chronicle {
	struct judge *judge;
	const struct sale_book *sale;
	struct linear_event events[LINEAR_EVENTS];
	char what[LINEAR_EVENTS][160];
	size_t count;
	char buyers[LINEAR_BUYERS][TEXT_MAX];
	uint32_t buyer_count;
	bool too_long;
};

static uint32_t buyer_of(struct chronicle *chronicle, const char *name)
{
	for (uint32_t i = 1; i < chronicle->buyer_count; i++)
		if (strcmp(chronicle->buyers[i], name) == 0)
			return i;
	if (chronicle->buyer_count == LINEAR_BUYERS) {
		chronicle->too_long = true;
		return NOBODY;
	}
	judge_copy(chronicle->buyers[chronicle->buyer_count], TEXT_MAX, name);
	return chronicle->buyer_count++;
}

static struct linear_event *add(struct chronicle *chronicle, int64_t from_ns, int64_t to_ns, uint32_t lot)
{
	static struct linear_event spare;
	struct linear_event *event;

	if (chronicle->count == LINEAR_EVENTS) {
		chronicle->too_long = true;
		return &spare;
	}
	event = &chronicle->events[chronicle->count++];
	*event = (struct linear_event){.from_ns = from_ns, .to_ns = to_ns, .lot = lot, .buyer = NOBODY, .buyer_above = -1};
	return event;
}

/* What the event that was added last is, in words. */
__attribute__((format(printf, 2, 3))) static void say(struct chronicle *chronicle, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(chronicle->what[chronicle->count - 1], sizeof(chronicle->what[0]), format, arguments);
	va_end(arguments);
}

/* Whoever else was told has it in what it knows of the stock a moment later. */
static int64_t known_by_all(const struct judge *judge, int64_t at_ns)
{
	return at_ns == INT64_MAX || !judge->terms.shared ? at_ns : at_ns + judge->terms.latch_ns;
}

static void add_given_back(struct chronicle *chronicle, const struct known_order *order, const struct order_step *step, uint32_t buyer)
{
	bool ends = !life_is_live(step->life);
	int64_t told_ns = ends ? order->freed_told_ns : step->told_ns;
	struct linear_event *event =
		add(chronicle, ends ? order->freed_ns : step->at_ns, known_by_all(chronicle->judge, told_ns), order->lot);
	char id[UUID_TEXT_SIZE];

	uuid_format(&order->id, id);
	event->units = step->to == PLACE_SALE ? step->units : 0;
	event->buyer = buyer;
	event->buyer_units = -(int64_t)step->units;
	say(chronicle, "order %s of %s gives %u units back", id, order->buyer, step->units);
}

static void add_order(struct chronicle *chronicle, const struct known_order *order)
{
	char id[UUID_TEXT_SIZE];
	uint32_t buyer = buyer_of(chronicle, order->buyer);
	struct linear_event *event = add(chronicle, order->granted_from_ns, order->logged_ns, order->lot);

	uuid_format(&order->id, id);
	event->units = -(int64_t)order->granted;
	event->buyer = buyer;
	event->buyer_units = order->granted;
	event->limit = chronicle->sale->terms.limit_per_buyer;
	say(chronicle, "%s buys %u units: order %s", order->buyer, order->granted, id);
	for (uint32_t i = 0; i < order->step_count; i++)
		if (order->steps[i].units)
			add_given_back(chronicle, order, &order->steps[i], buyer);
}

/* The earliest moment at which somebody may have asked for it. */
static int64_t withdrawn_from(const struct judge *judge, const struct known_movement *movement)
{
	int64_t from = INT64_MAX;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *asked = &judge->asked[i];

		if (asked->what.sale == movement->sale && asked->invoked_ns < from &&
		    ((asked->what.kind == HISTORY_WITHDRAW && asked->what.lot == movement->lot) || asked->what.kind == HISTORY_END))
			from = asked->invoked_ns;
	}
	return from <= movement->logged_ns ? from : movement->logged_ns - 60 * (int64_t)SECOND_NS;
}

static void add_movement(struct chronicle *chronicle, const struct known_movement *movement)
{
	struct linear_event *event = add(chronicle, withdrawn_from(chronicle->judge, movement), movement->logged_ns, movement->lot);

	event->units = -(int64_t)movement->quantity;
	say(chronicle, "%u units of lot %u are withdrawn", movement->quantity, movement->lot);
}

static void add_added(struct chronicle *chronicle, const struct added *added)
{
	struct judge *judge = chronicle->judge;
	int64_t told_ns = INT64_MAX;
	struct linear_event *event;

	for (uint32_t i = 0; i < judge->asked_count && judge->stock_lost_ns < 0; i++) {
		const struct asked *asked = &judge->asked[i];

		if (asked->what.kind == HISTORY_ADD && asked->what.sale == added->sale && asked->what.lot == added->lot &&
		    asked->what.units == added->units && asked->invoked_ns <= added->at_ns && asked->ended_ns >= added->at_ns &&
		    asked_effect(asked) == EFFECT_DONE)
			told_ns = asked->ended_ns;
	}
	event = add(chronicle, added->at_ns, known_by_all(judge, told_ns), added->lot);
	event->units = added->units;
	say(chronicle, "%lld units are added to lot %u", (long long)added->units, added->lot);
}

/*
 * Whether a stock has forgotten, between the refusal that was decided at from_ns at the earliest
 * and the order, what the request had until then: the order is another grant.
 */
static bool is_granted_anew(const struct asked *asked, const struct known_order *order, int64_t from_ns)
{
	int64_t forgotten_ns = order->built_ns > order->lost_ns ? order->built_ns : order->lost_ns;

	return forgotten_ns >= asked->invoked_ns && forgotten_ns >= from_ns;
}

/* Whether the units that the request had at from_ns or later are in the history by its order. */
static bool has_order(const struct judge *judge, const struct asked *asked, int64_t from_ns)
{
	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *order = &judge->orders[i];

		if (!order->is_void && asked_may_have(asked, order) && !is_granted_anew(asked, order, from_ns))
			return true;
	}
	return false;
}

/*
 * What a request that came to nothing may have had for a while: from when it was sent to its
 * answer, or to the end where it has none.
 */
static int64_t had_meanwhile(const struct judge *judge, const struct asked *asked, const struct asked *refused, int64_t from_ns)
{
	bool is_open = asked_effect(asked) == EFFECT_OPEN;

	if (asked == refused || asked->what.sale != refused->what.sale ||
	    (asked->what.kind != HISTORY_BUY && asked->what.kind != HISTORY_WITHDRAW) || asked_effect(asked) == EFFECT_DONE)
		return 0;
	if (asked->invoked_ns > refused->ended_ns || (!is_open && (asked->status < 500 || asked->ended_ns < from_ns)))
		return 0;
	return is_open && asked->what.kind == HISTORY_BUY && has_order(judge, asked, from_ns) ? 0 : asked->what.units;
}

static void add_refusal(struct chronicle *chronicle, const struct asked *asked)
{
	struct judge *judge = chronicle->judge;
	bool sold_out = strcmp(asked->code, "sold-out") == 0;
	int64_t from_ns = sold_out ? judge_known_since(judge, asked->what.node, asked->invoked_ns) : asked->invoked_ns, spare = 0;
	uint32_t buyer = buyer_of(chronicle, asked->buyer);
	struct linear_event *event;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if (sold_out ? its->what.lot == asked->what.lot : strcmp(its->buyer, asked->buyer) == 0)
			spare += had_meanwhile(judge, its, asked, from_ns);
	}
	event = add(chronicle, from_ns, asked->ended_ns, asked->what.lot);
	event->buyer = buyer;
	event->spare = spare;
	if (sold_out)
		event->free_below = asked->what.units;
	else
		event->buyer_above = (int64_t)chronicle->sale->terms.limit_per_buyer - asked->what.units;
	say(chronicle, "%s asked for %u units of lot %u at %.6f s and heard %s", asked->buyer, asked->what.units, asked->what.lot,
	    (double)asked->invoked_ns / 1e9, asked->code);
}

static bool speaks_of_units(const struct asked *asked)
{
	return asked->what.kind == HISTORY_BUY && asked->end == ASKED_ANSWERED &&
	       (strcmp(asked->code, "sold-out") == 0 || strcmp(asked->code, "buyer-limit-reached") == 0);
}

static void gather(struct chronicle *chronicle)
{
	struct judge *judge = chronicle->judge;
	uint32_t number = chronicle->sale->terms.number;

	for (uint32_t i = 0; i < judge->order_count; i++)
		if (judge->orders[i].sale == number && !judge->orders[i].is_void)
			add_order(chronicle, &judge->orders[i]);
	for (uint32_t i = 0; i < judge->movement_count; i++)
		if (judge->movements[i].sale == number)
			add_movement(chronicle, &judge->movements[i]);
	for (uint32_t i = 0; i < judge->added_count; i++)
		if (judge->added[i].sale == number)
			add_added(chronicle, &judge->added[i]);
	for (uint32_t i = 0; i < judge->asked_count; i++)
		if (judge->asked[i].what.sale == number && speaks_of_units(&judge->asked[i]) &&
		    judge->asked[i].what.lot < chronicle->sale->terms.lot_count)
			add_refusal(chronicle, &judge->asked[i]);
}

void judge_linear(struct judge *judge, const struct sale_book *sale)
{
	static struct chronicle chronicle;
	int64_t units[LINEAR_LOTS] = {0};
	size_t stuck;

	chronicle.judge = judge;
	chronicle.sale = sale;
	chronicle.count = 0;
	chronicle.buyer_count = 1;
	chronicle.too_long = false;
	for (uint32_t lot = 0; lot < sale->terms.lot_count; lot++)
		units[lot] = sale->lots[lot].allocated;
	for (uint32_t i = 0; i < judge->added_count; i++)
		if (judge->added[i].sale == sale->terms.number)
			units[judge->added[i].lot] -= judge->added[i].units;
	gather(&chronicle);
	if (!chronicle.too_long && linear_check(chronicle.events, chronicle.count, units, &stuck) == LINEAR_NO)
		judge_broken(judge, "not-linear", "sale %u: no order of %zu effects explains that %s (between %.6f s and %.6f s)",
			     sale->terms.number, chronicle.count, chronicle.what[stuck],
			     (double)chronicle.events[stuck].from_ns / 1e9, (double)chronicle.events[stuck].to_ns / 1e9);
}
