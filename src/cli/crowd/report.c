#include "cli/crowd/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/pause.h"
#include "cli/audit_print.h"
#include "cli/output.h"
#include "cli/style.h"

enum { PAGE = 1000, LOOKS_MAX = 5, LOOK_AGAIN_NS = 100000000 };

/* --- The judgement --- */

static int feed(struct verdict *verdict, struct ledger *ledger, uint32_t sale)
{
	struct ledger_order *orders = calloc(PAGE, sizeof(orders[0]));
	struct ledger_order_filter filter = {.sale = sale};
	size_t count = PAGE;
	int r = orders ? 0 : -ENOMEM;

	while (r == 0 && count == PAGE) {
		r = ledger->ops->orders(ledger, &filter, orders, PAGE, &count);
		for (size_t i = 0; r == 0 && i < count; i++) {
			const struct ledger_order *order = &orders[i];

			verdict_order(verdict, &(struct verdict_order){
						       .id = order->id,
						       .sku = slice_of(order->sku),
						       .buyer = slice_of(order->buyer),
						       .key = slice_of(order->key),
						       .quantity = order->quantity,
						       .state = order->state,
						       .placed_at_ms = order->placed_at_ms,
						       .first_hold_expires_at_ms = order->first_hold_expires_at_ms,
					       });
		}
		if (r == 0 && count > 0)
			filter.after = orders[count - 1].id;
	}
	if (r == 0)
		verdict_finish(verdict);
	free(orders);
	return r;
}

static int look(struct verdict *verdict, struct book *book, struct ledger *ledger, const struct sale *sale)
{
	struct verdict_lot lots[LOTS_MAX];
	int r;

	for (uint32_t i = 0; i < sale->lot_count; i++)
		lots[i] = (struct verdict_lot){slice_of(sale->lots[i].sku), sale->lots[i].allocated - sale->lots[i].withdrawn, 0};
	r = verdict_init(verdict, book, lots, sale->lot_count, sale->limit_per_buyer);
	if (r == 0)
		r = feed(verdict, ledger, sale->number);
	verdict_deinit(verdict);
	return r;
}

/*
 * Orders are read a page at a time while the sale goes on: a unit that came back after its order
 * was read, and was sold again before the last page, is counted twice. Such a shadow is gone at the
 * next look; so is what a drain has still to bring. A broken promise stays.
 */
static int look_until_clear(struct verdict *verdict, struct book *book, struct ledger *ledger, const char *id, int64_t settle_ms)
{
	int64_t until_ms = clock_mono_ms() + settle_ms;
	int r = 0;

	for (int i = 0; i < LOOKS_MAX || clock_mono_ms() < until_ms; i++) {
		struct sale *sale;

		if (i >= LOOKS_MAX)
			pause_sleep(LOOK_AGAIN_NS);
		r = ledger->ops->sale_get(ledger, 0, slice_of(id), &sale);
		if (r != 0)
			return r;
		r = look(verdict, book, ledger, sale);
		free(sale);
		if (r != 0 || book_faults_total(&verdict->faults) == 0)
			break;
	}
	return r;
}

int crowd_judge(struct crowd_judgement *judgement, struct crowd *crowd, struct ledger *ledger, const char *sale, int64_t settle_ms)
{
	struct book *book = crowd_book(crowd);
	struct ledger_audit before = judgement->audit, *audit = &judgement->audit;
	struct verdict verdict;
	int r = look_until_clear(&verdict, book, ledger, sale, settle_ms);

	if (r == LEDGER_NOT_FOUND)
		return cli_error(CLI_FAILED, "the ledger has no sale %s: is it the ledger of this server?", sale);
	if (r == 0)
		r = ledger->ops->audit(ledger, audit);
	if (r != 0)
		return cli_error(CLI_FAILED, "the ledger could not be read: %s", error_text(r));
	book_faults_merge(&judgement->faults, &book->faults);
	book_faults_merge(&judgement->faults, &verdict.faults);
	/* The audit is of the whole ledger: only what it found new is added. */
	for (int64_t i = before.p1_broken; i < audit->p1_broken; i++)
		book_faults_add(&judgement->faults, 1, "audit: %s", audit->first);
	for (int64_t i = before.p2_broken; i < audit->p2_broken; i++)
		book_faults_add(&judgement->faults, 2, "audit: %s", audit->first);
	for (int64_t i = before.p3_broken; i < audit->p3_broken; i++)
		book_faults_add(&judgement->faults, 3, "audit: %s", audit->first);
	for (int64_t i = before.p4_broken; i < audit->p4_broken; i++)
		book_faults_add(&judgement->faults, 4, "audit: %s", audit->first);
	for (size_t i = 0; i < book->count; i++)
		judgement->told += book->purchases[i].told == TOLD_ACCEPTED;
	judgement->held += verdict.held;
	judgement->confirmed += verdict.confirmed;
	judgement->cancelled += verdict.cancelled;
	judgement->expired += verdict.expired;
	return CLI_GO;
}

/* --- For people --- */

static const char *const promise_names[PROMISES] = {
	NULL, "never oversold", "never lost", "never twice", "never leaked", "never unclear",
};
static const char *const promise_details[PROMISES] = {
	NULL,
	"no lot has more units in live orders than it was given",
	"every 202 has its order in the ledger, as it was told",
	"one order a key, no buyer above the limit",
	"allocated = available + held + confirmed + withdrawn",
	"every request got its one answer, none is open",
};

int crowd_report_promises(const struct crowd_judgement *judgement)
{
	for (int i = 1; i < PROMISES; i++) {
		uint64_t count = judgement->faults.counts[i];

		printf("  %sP%d%s %-16s", style(STYLE_BOLD), i, style(STYLE_END), promise_names[i]);
		if (count == 0)
			printf("%sholds%s   %s%s%s\n", style(STYLE_GREEN), style(STYLE_END), style(STYLE_DIM), promise_details[i],
			       style(STYLE_END));
		else
			printf("%sBROKEN%s  %s times; first: %s\n", style(STYLE_RED), style(STYLE_END), output_thousands(count),
			       judgement->faults.first[i]);
	}
	return book_faults_total(&judgement->faults) == 0 ? CLI_OK : CLI_FAILED;
}

void crowd_report_answers(const struct tally *tally)
{
	for (size_t i = 0; i < tally->outcome_count; i++)
		printf("  %d %-24s %12s\n", tally->outcomes[i].status, tally->outcomes[i].code,
		       output_thousands(tally->outcomes[i].count));
	if (tally->kinds[TALLY_LOST] > 0)
		printf("  connection lost, sent again %10s\n", output_thousands(tally->kinds[TALLY_LOST]));
}

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
enum { QUANTILES = 5 };

void crowd_report_latency(const char *name, const struct histogram *latency)
{
	if (latency->total == 0)
		return;
	printf("  %-10s", name);
	for (int i = 0; i < QUANTILES; i++)
		printf("%10.2f", (double)histogram_quantile(latency, quantiles[i]) / 1e6);
	printf("%10.2f\n", (double)latency->max / 1e6);
}

static void bar(enum tally_kind kind, uint64_t count, uint64_t most, int columns)
{
	static const struct {
		char sign;
		enum style style;
	} looks[TALLY_KINDS] = {
		[TALLY_ACCEPTED] = {'#', STYLE_GREEN}, [TALLY_REPLAYED] = {'=', STYLE_BLUE},
		[TALLY_SOLD_OUT] = {'.', STYLE_DIM},   [TALLY_LIMITED] = {'+', STYLE_YELLOW},
		[TALLY_NOT_NOW] = {'-', STYLE_DIM},    [TALLY_UNAVAILABLE] = {'!', STYLE_RED},
		[TALLY_LOST] = {'x', STYLE_RED},       [TALLY_OTHER] = {'?', STYLE_RED},
	};
	uint64_t width = most ? (count * (uint64_t)columns + most / 2) / most : 0;

	if (count > 0 && width == 0)
		width = 1; /* what is rare is still to be seen */
	if (width == 0)
		return;
	fputs(style(looks[kind].style), stdout);
	for (uint64_t i = 0; i < width; i++)
		fputc(looks[kind].sign, stdout);
	fputs(style(STYLE_END), stdout);
}

void crowd_report_picture(const struct tally *tally, int64_t step_ms, const struct crowd_mark *marks, size_t mark_count)
{
	size_t step = (size_t)(step_ms / TALLY_SLICE_MS);
	int columns = style_columns() - 69;
	uint64_t most = 1;

	if (columns > 80)
		columns = 80;
	if (columns < 20)
		columns = 20;
	for (size_t i = 0; i < tally->slice_count; i += step) {
		uint64_t sum = 0;

		for (size_t j = i; j < i + step && j < tally->slice_count; j++)
			for (int kind = 0; kind < TALLY_KINDS; kind++)
				sum += tally->slices[j].counts[kind];
		most = sum > most ? sum : most;
	}
	printf("  %8s %9s %9s %9s %12s %9s\n", "seconds", "accepted", "sold out", "limited", "unavailable", "lost");
	for (size_t i = 0; i < tally->slice_count; i += step) {
		uint64_t counts[TALLY_KINDS] = {0};

		for (size_t j = i; j < i + step && j < tally->slice_count; j++)
			for (int kind = 0; kind < TALLY_KINDS; kind++)
				counts[kind] += tally->slices[j].counts[kind];
		printf("  %8.1f %9s %9s %9s %12s %9s  ", (double)i * TALLY_SLICE_MS / 1000, output_thousands(counts[TALLY_ACCEPTED]),
		       output_thousands(counts[TALLY_SOLD_OUT]), output_thousands(counts[TALLY_LIMITED]),
		       output_thousands(counts[TALLY_UNAVAILABLE]), output_thousands(counts[TALLY_LOST]));
		for (int kind = 0; kind < TALLY_KINDS; kind++)
			bar((enum tally_kind)kind, counts[kind], most, columns);
		for (size_t mark = 0; mark < mark_count; mark++)
			if (marks[mark].at_ns > 0 && marks[mark].at_ns / (step_ms * 1000000) == (int64_t)(i / step))
				printf("  %s<- %s%s", style(STYLE_BOLD), marks[mark].text, style(STYLE_END));
		putchar('\n');
	}
	printf("  %s# accepted  = replayed  . sold out  + limited  - not now  ! unavailable  x lost%s\n", style(STYLE_DIM),
	       style(STYLE_END));
}

static double seconds(const struct crowd_progress *progress)
{
	return (double)progress->elapsed_ns / 1e9;
}

/* How long the answers took to come in, without the payments behind them. */
static double busy_seconds(const struct tally *tally)
{
	return (double)(tally->slice_count ? tally->slice_count : 1) * TALLY_SLICE_MS / 1000;
}

static const char *loop_name(const struct crowd_options *options)
{
	static const char *const names[] = {
		[ARRIVAL_AT_ONCE] = "closed loop",
		[ARRIVAL_STEADY] = "steady",
		[ARRIVAL_SPIKE] = "a spike",
		[ARRIVAL_RAMP] = "a ramp",
	};

	return names[options->arrival];
}

/* Answers that say the crowd was sent to the wrong place. */
static const struct tally_outcome *misled(const struct tally *tally)
{
	for (size_t i = 0; i < tally->outcome_count; i++) {
		int status = tally->outcomes[i].status;

		if (status == 400 || status == 401 || status == 403 || status == 404 || status == 422)
			return &tally->outcomes[i];
	}
	return NULL;
}

static uint64_t count_of(const struct tally *tally, int status, const char *code)
{
	for (size_t i = 0; i < tally->outcome_count; i++)
		if (tally->outcomes[i].status == status && strcmp(tally->outcomes[i].code, code) == 0)
			return tally->outcomes[i].count;
	return 0;
}

int crowd_report(const struct crowd *crowd, const struct crowd_options *options, const struct crowd_judgement *judgement)
{
	const struct tally *tally = crowd_tally(crowd);
	const struct tally_outcome *wrong = misled(tally);
	struct crowd_progress progress;
	int code;

	crowd_progress(crowd, &progress);
	printf("%sCrowd%s     %s people, %s bots; %s", style(STYLE_BOLD), style(STYLE_END), output_thousands(options->buyers),
	       output_thousands(options->bots), loop_name(options));
	if (options->over_ns)
		printf(" over %.1f s", (double)options->over_ns / 1e9);
	printf("; up to %u connections; seed %" PRIu64 "\n", options->connections, crowd_seed(crowd));
	printf("%sRequests%s  %s sent, %s answered, %s lost and sent again, %s open; %s a second\n\n", style(STYLE_BOLD),
	       style(STYLE_END), output_thousands(progress.sent), output_thousands(progress.answered),
	       output_thousands(progress.lost), output_thousands(progress.open),
	       output_thousands((uint64_t)((double)progress.answered / busy_seconds(tally))));
	printf("%sAnswers%s\n", style(STYLE_BOLD), style(STYLE_END));
	crowd_report_answers(tally);
	printf("\n%sLatency%s, ms      p50       p90       p99     p99.9    p99.99       max\n", style(STYLE_BOLD), style(STYLE_END));
	crowd_report_latency("answers", crowd_latency(crowd));
	crowd_report_latency("accepted", crowd_latency_accepted(crowd));
	crowd_report_latency("paid", crowd_latency_paid(crowd));
	printf("\n%sOrders%s    %s accepted; in the ledger now: %s held, %s confirmed, %s cancelled, %s expired\n\n",
	       style(STYLE_BOLD), style(STYLE_END), output_thousands(judgement->told), output_thousands(judgement->held),
	       output_thousands(judgement->confirmed), output_thousands(judgement->cancelled), output_thousands(judgement->expired));
	printf("%sPromises%s\n", style(STYLE_BOLD), style(STYLE_END));
	code = crowd_report_promises(judgement);
	if (wrong && wrong->count == progress.answered)
		return cli_error(CLI_FAILED, "every request was answered %d %s: nothing was rehearsed", wrong->status, wrong->code);
	if (count_of(tally, 429, "address-rate-limited") * 10 > progress.answered)
		cli_error(CLI_OK,
			  "many requests were refused by their address (gate.address_rate); with --addresses the crowd comes from more of them");
	if (wrong)
		cli_error(CLI_OK, "%" PRIu64 " requests were answered %d %s", wrong->count, wrong->status, wrong->code);
	return code;
}

/* --- The line that shows how far it is --- */

void crowd_report_progress(const struct crowd *crowd)
{
	struct crowd_progress progress;

	crowd_progress(crowd, &progress);
	fprintf(stderr, "\r\033[K%6.1f s  %s of %s sent, %s answered, %s accepted, %s sold out, %s in flight%s",
		seconds(&progress), output_thousands(progress.sent), output_thousands(progress.planned),
		output_thousands(progress.answered), output_thousands(progress.accepted), output_thousands(progress.sold_out),
		output_thousands(progress.in_flight), progress.server_down ? ", server is down" : "");
}

void crowd_report_progress_end(void)
{
	fputs("\r\033[K", stderr);
}

/* --- For programs --- */

static json_t *latency_to_json(const struct histogram *latency)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)latency->total, "p50",
			 (double)histogram_quantile(latency, 0.5) / 1e6, "p90", (double)histogram_quantile(latency, 0.9) / 1e6, "p99",
			 (double)histogram_quantile(latency, 0.99) / 1e6, "p99.9", (double)histogram_quantile(latency, 0.999) / 1e6,
			 "p99.99", (double)histogram_quantile(latency, 0.9999) / 1e6, "max", (double)latency->max / 1e6);
}

static json_t *answers_to_json(const struct tally *tally)
{
	json_t *answers = json_array();

	for (size_t i = 0; i < tally->outcome_count; i++)
		json_array_append_new(answers, json_pack("{s:i, s:s, s:I}", "status", tally->outcomes[i].status, "code",
							 tally->outcomes[i].code, "count", (json_int_t)tally->outcomes[i].count));
	return answers;
}

static json_t *promises_to_json(const struct faults *faults)
{
	json_t *promises = json_object();
	char name[3] = "p0";

	for (int i = 1; i < PROMISES; i++) {
		name[1] = (char)('0' + i);
		json_object_set_new(promises, name,
				    json_pack("{s:I, s:s?}", "broken", (json_int_t)faults->counts[i], "first",
					      faults->counts[i] ? faults->first[i] : NULL));
	}
	return promises;
}

static json_t *timeline_to_json(const struct tally *tally)
{
	json_t *timeline = json_array();

	for (size_t i = 0; i < tally->slice_count; i++) {
		json_t *slice = json_object();

		for (int kind = 0; kind < TALLY_KINDS; kind++)
			if (tally->slices[i].counts[kind] > 0)
				json_object_set_new(slice, tally_kind_name((enum tally_kind)kind),
						    json_integer(tally->slices[i].counts[kind]));
		json_array_append_new(timeline, slice);
	}
	return timeline;
}

int crowd_report_json(const struct crowd *crowd, const struct crowd_options *options, const struct crowd_judgement *judgement)
{
	const struct tally *tally = crowd_tally(crowd);
	const struct tally_outcome *wrong = misled(tally);
	struct crowd_progress progress;
	bool holds = book_faults_total(&judgement->faults) == 0;
	json_t *json;
	char *text;

	crowd_progress(crowd, &progress);
	if (wrong && wrong->count == progress.answered)
		holds = false;
	json = json_pack("{s:b, s:s, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:f, s:f}, s:o, s:{s:o, s:o, s:o}, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:o, "
			 "s:o, s:i, s:o}",
			 "ok", holds, "sale", options->sale, "seed", (json_int_t)crowd_seed(crowd), "requests", "planned",
			 (json_int_t)progress.planned, "sent", (json_int_t)progress.sent, "answered",
			 (json_int_t)progress.answered, "lost", (json_int_t)progress.lost, "open", (json_int_t)progress.open,
			 "seconds", seconds(&progress), "per_second", (double)progress.answered / busy_seconds(tally), "answers",
			 answers_to_json(tally), "latency_ms", "answers", latency_to_json(crowd_latency(crowd)), "accepted",
			 latency_to_json(crowd_latency_accepted(crowd)), "paid", latency_to_json(crowd_latency_paid(crowd)),
			 "orders", "told", (json_int_t)judgement->told, "paid", (json_int_t)progress.paid, "paid_late",
			 (json_int_t)progress.paid_late, "held", (json_int_t)judgement->held, "confirmed",
			 (json_int_t)judgement->confirmed, "cancelled", (json_int_t)judgement->cancelled, "expired",
			 (json_int_t)judgement->expired, "promises", promises_to_json(&judgement->faults), "audit",
			 audit_to_json(&judgement->audit), "slice_ms", TALLY_SLICE_MS, "timeline", timeline_to_json(tally));
	text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	json_decref(json);
	if (!text)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	puts(text);
	free(text);
	return holds ? CLI_OK : CLI_FAILED;
}
