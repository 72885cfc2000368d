#include "crowd/book.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/siphash.h"
#include "model/limits.h"

void book_faults_add(struct faults *faults, int promise, const char *format, ...)
{
	va_list arguments;

	ASSERT(promise > 0 && promise < PROMISES);
	if (faults->counts[promise]++ > 0)
		return;
	va_start(arguments, format);
	vsnprintf(faults->first[promise], FAULT_TEXT_SIZE, format, arguments);
	va_end(arguments);
}

void book_faults_merge(struct faults *into, const struct faults *from)
{
	for (int i = 1; i < PROMISES; i++) {
		if (into->counts[i] == 0)
			memcpy(into->first[i], from->first[i], FAULT_TEXT_SIZE);
		into->counts[i] += from->counts[i];
	}
}

uint64_t book_faults_total(const struct faults *faults)
{
	uint64_t total = 0;

	for (int i = 1; i < PROMISES; i++)
		total += faults->counts[i];
	return total;
}

int book_init(struct book *book, size_t capacity)
{
	memset(book, 0, sizeof(*book));
	book->purchases = calloc(capacity ? capacity : 1, sizeof(book->purchases[0]));
	if (!book->purchases)
		return -ENOMEM;
	book->capacity = capacity;
	return 0;
}

void book_deinit(struct book *book)
{
	free(book->purchases);
	book->purchases = NULL;
	book->count = book->capacity = 0;
}

uint32_t book_add(struct book *book, uint32_t buyer, uint16_t lot)
{
	ASSERT(book->count < book->capacity);
	book->purchases[book->count] = (struct purchase){.buyer = buyer, .lot = lot};
	return (uint32_t)book->count++;
}

void book_buyer_name(const struct book *book, uint32_t buyer, char name[static BOOK_NAME_SIZE])
{
	bool bot = buyer >= book->people;

	snprintf(name, BOOK_NAME_SIZE, "%s-%s-%06" PRIu32, bot ? "bot" : "buyer", book->run,
		 bot ? buyer - (uint32_t)book->people : buyer);
}

void book_key(const struct book *book, uint32_t purchase, char key[static BOOK_NAME_SIZE])
{
	snprintf(key, BOOK_NAME_SIZE, "%s-%08" PRIx32, book->run, purchase);
}

bool book_find_key(const struct book *book, struct slice key, uint32_t *purchase)
{
	char text[BOOK_NAME_SIZE], again[BOOK_NAME_SIZE];
	size_t run = strlen(book->run);
	unsigned long index;

	if (key.size != run + 9 || key.size >= sizeof(text) || memcmp(key.data, book->run, run) != 0)
		return false;
	memcpy(text, key.data, key.size);
	text[key.size] = '\0';
	index = strtoul(text + run + 1, NULL, 16);
	if (index >= book->count)
		return false;
	book_key(book, (uint32_t)index, again);
	if (strcmp(again, text) != 0)
		return false;
	*purchase = (uint32_t)index;
	return true;
}

/* --- The 202 --- */

static uint64_t body_hash(struct slice body)
{
	static const struct siphash_key key = {0x70656e73746f636b, 0x63726f7764};

	return siphash64(&key, body.data, body.size);
}

static bool text_is(const json_t *object, const char *name, const char *wanted)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) && strcmp(json_string_value(value), wanted) == 0;
}

static bool read_time(const json_t *value, int64_t *wall_ms)
{
	return json_is_string(value) && clock_parse(json_string_value(value), json_string_length(value), wall_ms) == 0;
}

/* NULL, or what is wrong with it. */
static const char *read_order(const struct book *book, struct purchase *purchase, const json_t *order)
{
	char buyer[BOOK_NAME_SIZE];
	const json_t *id = json_object_get(order, "id"), *hold = json_object_get(order, "hold_expires_at");
	const json_t *state = json_object_get(order, "state");
	enum order_state told_state;

	book_buyer_name(book, purchase->buyer, buyer);
	if (!json_is_string(id) || uuid_parse(slice_of(json_string_value(id)), &purchase->order) < 0)
		return "its id is no UUIDv7";
	if (!text_is(order, "buyer", buyer))
		return "it is another buyer's";
	if (!text_is(order, "sale", book->sale) || !text_is(order, "sku", book->skus[purchase->lot]))
		return "it is of another sale or item";
	if (json_integer_value(json_object_get(order, "quantity")) != book->quantity)
		return "its quantity is another";
	if (!json_is_string(state) || order_state_parse(slice_of(json_string_value(state)), &told_state) < 0)
		return "its state is none that an order has";
	purchase->told_state = (uint8_t)told_state;
	if (!read_time(json_object_get(order, "placed_at"), &purchase->placed_at_ms))
		return "placed_at is no time";
	purchase->hold_expires_at_ms = 0;
	if (hold && !json_is_null(hold) && !read_time(hold, &purchase->hold_expires_at_ms))
		return "hold_expires_at is no time";
	return NULL;
}

static void accepted(struct book *book, uint32_t index, const struct answer *answer, enum tally_kind *kind)
{
	struct purchase *purchase = &book->purchases[index];
	uint64_t hash = body_hash(answer->body);
	char key[BOOK_NAME_SIZE];
	const char *fault;
	json_t *order;

	book_key(book, index, key);
	*kind = TALLY_REPLAYED;
	if (purchase->told == TOLD_ACCEPTED) {
		book->replays++;
		if (hash != purchase->body)
			book_faults_add(&book->faults, 3, "key %s was answered 202 twice with different bytes, the second time: %.*s",
					key, (int)(answer->body.size < 200 ? answer->body.size : 200), answer->body.data);
		return;
	}
	*kind = TALLY_ACCEPTED; /* new to its buyer: where the first answer was lost, a replay brings the news */
	order = json_loadb(answer->body.data, answer->body.size, JSON_REJECT_DUPLICATES, NULL);
	fault = json_is_object(order) ? read_order(book, purchase, order) : "it is no JSON object";
	json_decref(order);
	if (fault) {
		book_faults_add(&book->faults, 5, "the 202 for key %s is not the order that was asked for: %s", key, fault);
		return;
	}
	purchase->body = hash;
	purchase->told = TOLD_ACCEPTED;
}

/* --- Every other answer --- */

/*
 * The table of answers: what may come, how it is counted, and whether it speaks of the order or of
 * the moment only.
 */
static const struct rule {
	int status;
	const char *code;
	enum tally_kind kind;
	bool final;       /* it resolves the purchase */
	bool retry_after; /* the answer must say when to come again */
} rules[] = {
	{410, "sold-out", TALLY_SOLD_OUT, true, false},
	{410, "sale-ended", TALLY_SOLD_OUT, true, false},
	{409, "sale-not-open", TALLY_NOT_NOW, true, false},
	{409, "buyer-limit-reached", TALLY_NOT_NOW, true, false},
	{409, "request-in-flight", TALLY_NOT_NOW, false, true},
	{429, "rate-limited", TALLY_LIMITED, true, true},
	{429, "address-rate-limited", TALLY_LIMITED, false, true},
	{503, "overloaded", TALLY_UNAVAILABLE, false, true},
	{503, "fenced", TALLY_UNAVAILABLE, false, true},
	{503, "journal-unavailable", TALLY_UNAVAILABLE, false, true},
	{503, "stock-unavailable", TALLY_UNAVAILABLE, false, true},
	{503, "ledger-unavailable", TALLY_UNAVAILABLE, false, true},
	{503, "shutting-down", TALLY_UNAVAILABLE, false, true},
	{503, "outcome-unknown", TALLY_UNAVAILABLE, false, true},
	/*
	 * Ours is a well-formed request: these say that the crowd was sent to the wrong place or
	 * without a right to buy.
	 */
	{401, "unauthorized", TALLY_OTHER, true, false},
	{403, "forbidden", TALLY_OTHER, true, false},
	{404, "unknown-sale", TALLY_OTHER, true, false},
	{422, "invalid-value", TALLY_OTHER, true, false},
};

static const struct rule *find_rule(int status, struct slice code)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].status == status && slice_equal(slice_of(rules[i].code), code))
			return &rules[i];
	}
	return NULL;
}

static enum book_next refused(struct book *book, uint32_t index, bool after_accept, const struct answer *answer, int64_t now_ns,
			      enum tally_kind *kind)
{
	struct purchase *purchase = &book->purchases[index];
	struct slice code = answer_code(answer->body);
	const struct rule *rule = find_rule(answer->status, code);
	char key[BOOK_NAME_SIZE];

	book_key(book, index, key);
	if (!rule) {
		*kind = TALLY_OTHER;
		book_faults_add(&book->faults, 5, "key %s was answered %d \"%.*s\", which is no answer to a purchase", key,
				answer->status, (int)(code.size < 40 ? code.size : 40), code.data ? code.data : "");
		return BOOK_SETTLED;
	}
	*kind = rule->kind;
	if (rule->retry_after && answer->retry_after_s < 0)
		book_faults_add(&book->faults, 5, "key %s was answered %d %s without Retry-After", key, rule->status, rule->code);
	if (!rule->final) {
		if (slice_equal(code, SLICE("outcome-unknown")) && purchase->open_since_ns == 0)
			purchase->open_since_ns = now_ns;
		return BOOK_AGAIN;
	}
	/*
	 * An order that was promised cannot be refused any more. An attempt that crossed the 202 on
	 * its way may have been.
	 */
	if (after_accept)
		book_faults_add(&book->faults, 3, "key %s has an order, and a retry was answered %d %s", key, rule->status,
				rule->code);
	if (purchase->told != TOLD_ACCEPTED)
		purchase->told = TOLD_REFUSED;
	purchase->open_since_ns = 0;
	return answer->status == 409 && answer->retry_after_s >= 0 ? BOOK_AGAIN : BOOK_SETTLED;
}

enum book_next book_answer(struct book *book, uint32_t index, bool after_accept, const struct answer *answer, int64_t now_ns,
			   enum tally_kind *kind)
{
	if (answer->status != 202)
		return refused(book, index, after_accept, answer, now_ns, kind);
	accepted(book, index, answer, kind);
	book->purchases[index].open_since_ns = 0;
	return BOOK_SETTLED;
}

void book_lost(struct book *book, uint32_t index, bool sent, int64_t now_ns)
{
	struct purchase *purchase = &book->purchases[index];

	if (sent && purchase->open_since_ns == 0 && purchase->told != TOLD_ACCEPTED)
		purchase->open_since_ns = now_ns;
}

enum book_next book_confirm_answer(struct book *book, uint32_t index, const struct answer *answer)
{
	struct purchase *purchase = &book->purchases[index];
	struct slice code = answer_code(answer->body);
	char id[UUID_TEXT_SIZE];

	uuid_format(&purchase->order, id);
	if (answer->status == 200) {
		purchase->confirm_told = true;
		return BOOK_SETTLED;
	}
	if (answer->status == 409) {
		purchase->confirm_late = true;
		return BOOK_SETTLED;
	}
	if (answer->status == 404) {
		book_faults_add(&book->faults, 2, "order %s was accepted, and its confirmation was answered 404", id);
		return BOOK_SETTLED;
	}
	if (answer->status == 503 || answer->status == 429)
		return BOOK_AGAIN;
	book_faults_add(&book->faults, 5, "the confirmation of order %s was answered %d \"%.*s\"", id, answer->status,
			(int)(code.size < 40 ? code.size : 40), code.data ? code.data : "");
	return BOOK_SETTLED;
}

void book_abandon(struct book *book, uint32_t index, const char *why)
{
	char key[BOOK_NAME_SIZE];

	book_key(book, index, key);
	book_faults_add(&book->faults, 5, "key %s never got its answer: %s", key, why);
}
