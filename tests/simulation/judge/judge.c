/*
 * The judge's assertions, by the names that it says them with:
 *
 *   p1-log            the log's live orders and withdrawals of a lot are more than its allocated units
 *   p1-counter        they and a counter that sells are; or the counter is below zero
 *   p2-not-durable    success was told of what the log does not have
 *   p2-void           success was told of what lies behind a barrier of a newer epoch
 *   p2-lost           what was told is gone from the log, or is not in the ledger at the end
 *   p3-limit          the log's live orders of a buyer are more than the limit
 *   p3-key            a key has two orders
 *   p3-rate           the log has more purchases of a buyer within a window than the sale's rate allows
 *   dishonest-429     too often, while the buyer had bought less than the rate allows
 *   key-forgotten     a confirm that was done, or a purchase, asked for again with its key, is refused
 *   p3-replay         a key was answered with two orders, or with two texts
 *   p4-counter        a stock's counters do not add up to what is allocated
 *   p4-rest           at the end counters, ledger and movements differ
 *   unasked           an order that nobody can have asked for, or that was told as refused
 *   wrong-answer      an answer is not of what was asked, or not of what the log has
 *   payment-lost      a payment was told, or is in the log, and the log or the ledger does not have it
 *   payment-swallowed a payment was told as taken of an order that has another one
 *   payment-amount    another amount than the order's was taken
 *   payment-refused   a payment was refused for a reason that does not hold
 *   reference-twice   a payment has two orders of one sale
 *   feed-untrue       the feed has told what the log does not have
 *   feed-order        the feed has told the changes of an order in another order than they happened, or left one out
 *   feed-skipped      the feed is at its end, and has left out something
 *   dishonest-410     sold out, while there were units enough the whole time
 *   hold-early        a hold ended before it was told, or before its length was over
 *   hold-late         a hold that is over has not ended, though nothing goes wrong
 *   hold-for-ever     a hold that was long over at the end has not ended
 *   extended-twice    a hold was moved more often than anybody has asked for
 *   wrong-reduction   a reduction in the log is not of what the order had
 *   units-astray      units that an order gave back went where nobody has sent them
 *   reduced-twice     units were given back more often than anybody has asked for
 *   refund-unmeant    a cancel that was sent while the order was held has refunded it, or some of its units
 *   disarmed-sold     a sale was told as disarmed, and the log had an order of it
 *   version-twice     one version of a sale was shown in two states
 *   dishonest-409     a sale is not open, says an answer, and nobody has stopped it who has not let it go on
 *   position-back     a drain's position in the ledger has fallen
 *   sold-while-paused an order that was asked for after a stop was told
 *   not-logged        an operator's doing that the operator log does not have
 *   logged-twice      one stop or release that the operator log has more than once
 *   dead-letter       the drain could not apply a record
 *   outbox            something is on its way at the end
 *   unanswered        a request has no answer at the end
 *   unresolved        a request that was sent at the end did not learn its outcome
 *   not-linear        the history of a sale is none of a sale of one thread
 */
#include "simulation/judge/judge_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"

static const int64_t rest_ns = 60 * INT64_C(1000000000);

void *judge_more(void *array, uint32_t count, uint32_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room ? *room * 2 : 64;
	array = realloc(array, *room * size);
	ASSERT(array);
	return array;
}

void judge_copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
}

struct judge *judge_new(const struct judge_terms *terms)
{
	struct judge *judge = calloc(1, sizeof(*judge));

	ASSERT(judge);
	judge->terms = *terms;
	if (judge->terms.latch_ns == 0)
		judge->terms.latch_ns = 100 * INT64_C(1000000);
	judge->faults_end_ns = judge->stock_lost_ns = -1;
	return judge;
}

void judge_free(struct judge *judge)
{
	if (!judge)
		return;
	for (uint32_t i = 0; i <= HISTORY_SALES; i++)
		free(judge->sales[i].versions);
	for (uint32_t i = 0; i <= HISTORY_SALES; i++)
		for (uint32_t lot = 0; lot < HISTORY_LOTS; lot++)
			free(judge->sales[i].lots[lot].steps);
	free(judge->asked);
	free(judge->orders);
	free(judge->movements);
	free(judge->added);
	free(judge);
}

void judge_broken(struct judge *judge, const char *name, const char *format, ...)
{
	size_t size;
	va_list arguments;

	if (judge->breach[0])
		return;
	size = (size_t)snprintf(judge->breach, sizeof(judge->breach), "%s: at %.6f s: ", name, (double)judge->now_ns / 1e9);
	va_start(arguments, format);
	vsnprintf(judge->breach + size, sizeof(judge->breach) - size, format, arguments);
	va_end(arguments);
}

const char *judge_breach(const struct judge *judge)
{
	return judge->breach[0] ? judge->breach : NULL;
}

struct sale_book *judge_sale(struct judge *judge, uint32_t number)
{
	return number >= 1 && number <= HISTORY_SALES && judge->sales[number].terms.number ? &judge->sales[number] : NULL;
}

struct lot_book *judge_lot(struct judge *judge, uint32_t number, uint32_t lot)
{
	struct sale_book *sale = judge_sale(judge, number);

	return sale && lot < sale->terms.lot_count ? &sale->lots[lot] : NULL;
}

struct known_order *judge_order(struct judge *judge, const struct uuid *id)
{
	for (uint32_t i = 0; i < judge->order_count; i++)
		if (uuid_equal(&judge->orders[i].id, id))
			return &judge->orders[i];
	return NULL;
}

int64_t judge_wall_ms(const struct judge *judge)
{
	return judge->terms.wall_ms + judge->now_ns / 1000000;
}

void history_time(struct judge *judge, int64_t now_ns)
{
	ASSERT(now_ns >= judge->now_ns);
	judge->now_ns = now_ns;
	judge_holds(judge);
}

void history_sale(struct judge *judge, const struct history_sale *told)
{
	struct sale_book *sale;

	ASSERT(told->number >= 1 && told->number <= HISTORY_SALES);
	ASSERT(told->lot_count >= 1 && told->lot_count <= HISTORY_LOTS);
	sale = &judge->sales[told->number];
	if (sale->terms.number == 0)
		sale->paused_ns = sale->taken_ns = sale->armed_ns = sale->built_ns = -1;
	sale->terms = *told;
	judge_copy(sale->id, sizeof(sale->id), told->id);
	sale->terms.id = sale->id;
	for (uint32_t lot = 0; lot < told->lot_count; lot++)
		sale->lots[lot].allocated = told->allocated[lot];
}

void history_clock(struct judge *judge, uint32_t node, int64_t ahead_ms)
{
	(void)node;
	if (ahead_ms > judge->ahead_ms)
		judge->ahead_ms = ahead_ms;
	if (-ahead_ms > judge->behind_ms)
		judge->behind_ms = -ahead_ms;
}

void history_stood(struct judge *judge, uint32_t node, int64_t for_ns)
{
	ASSERT(judge->stood_count < STOOD_MAX);
	judge->stood[judge->stood_count++] = (struct stood){node, judge->now_ns - for_ns, judge->now_ns};
}

void history_faults_end(struct judge *judge)
{
	judge->faults_end_ns = judge->now_ns;
}

int64_t judge_known_since(const struct judge *judge, uint32_t node, int64_t at_ns)
{
	return judge_before(judge, node, at_ns, judge->terms.latch_ns + judge->terms.latch_ns / 1000000 * judge->terms.drift_ppm);
}

int64_t judge_before(const struct judge *judge, uint32_t node, int64_t at_ns, int64_t length_ns)
{
	int64_t left = length_ns, since = at_ns;

	for (uint32_t i = judge->stood_count; i-- > 0;) {
		const struct stood *stood = &judge->stood[i];

		if (stood->node != node || stood->from_ns >= since)
			continue;
		if (stood->to_ns <= since - left)
			break;
		left -= since > stood->to_ns ? since - stood->to_ns : 0;
		since = stood->from_ns;
	}
	return since - left;
}

/*
 * Nobody may be left without an answer, and who asks when all is well again must learn how things
 * stand.
 */
static void judge_answers(struct judge *judge)
{
	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *asked = &judge->asked[i];

		if (asked->end == ASKED_OPEN)
			judge_broken(judge, "unanswered", "request %u of %s, asked at %.6f s", i,
				     asked->what.buyer ? asked->buyer : asked->actor, (double)asked->invoked_ns / 1e9);
		else if (judge->faults_end_ns >= 0 && asked->invoked_ns >= judge->faults_end_ns + rest_ns &&
			 (asked->end == ASKED_NOTHING || asked->status >= 500 || strcmp(asked->code, "request-in-flight") == 0))
			judge_broken(judge, "unresolved", "request %u of %s, asked at %.6f s when all was well, ended with %d %s",
				     i, asked->what.buyer ? asked->buyer : asked->actor, (double)asked->invoked_ns / 1e9,
				     asked->status, asked->code);
	}
}

const char *judge_end(struct judge *judge)
{
	judge_answers(judge);
	for (uint32_t i = 1; i <= HISTORY_SALES && !judge->breach[0]; i++)
		if (judge_sale(judge, i))
			judge_linear(judge, &judge->sales[i]);
	return judge_breach(judge);
}
