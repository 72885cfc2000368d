#include "cli/operator/payment_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/array.h"
#include "base/assertion.h"
#include "cli/csv.h"
#include "cli/output.h"

enum { PAGE = 1000 };

/* A payment, on either side. */
struct entry {
	struct payment_row payment; /* PAYMENT_NO_AMOUNT, empty: not told */
	int64_t price, least; /* of one whose amount was not told: of a unit, and what the units cost that the order has yet */
	char order[UUID_TEXT_SIZE]; /* empty: not told */
	char late[UUID_TEXT_SIZE];  /* of one that a late confirm has made: the order that was confirmed */
	size_t line;                /* in the list */
};

struct entries {
	struct entry *all;
	size_t count, capacity;
};

static struct entry *add(struct entries *entries)
{
	if (array_fit(&entries->all, &entries->capacity, entries->count + 1, sizeof(*entries->all)))
		return NULL;
	entries->all[entries->count] = (struct entry){.payment.amount = PAYMENT_NO_AMOUNT};
	return &entries->all[entries->count++];
}

static int by_reference(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;
	int order = strcmp(one->payment.reference, other->payment.reference);

	return order ? order : one->line > other->line ? 1 : one->line < other->line ? -1 : strcmp(one->order, other->order);
}

static void sort(struct entries *entries)
{
	if (entries->count)
		qsort(entries->all, entries->count, sizeof(*entries->all), by_reference);
}

/* --- The list --- */

struct columns {
	int reference, order, amount, currency;
};

static int fault(const char *path, size_t line, const char *what, struct slice text)
{
	return cli_error(CLI_USAGE, "%s:%zu: \"%.*s\" is no %s", path, line, (int)text.size, text.data, what);
}

/* False: it is no amount. */
static bool read_amount(struct slice text, int64_t *amount)
{
	*amount = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || *amount > PAYMENT_AMOUNT_MAX / 10)
			return false;
		*amount = 10 * *amount + (text.data[i] - '0');
	}
	return *amount <= PAYMENT_AMOUNT_MAX;
}

static int read_row(const char *path, const struct csv_row *row, const struct columns *columns, struct entries *list)
{
	struct slice reference = csv_field(row, columns->reference), order = csv_field(row, columns->order);
	struct slice amount = csv_field(row, columns->amount), currency = csv_field(row, columns->currency);
	struct payment payment = {.reference = reference, .method = SLICE(""), .amount = PAYMENT_NO_AMOUNT};
	struct entry *entry;
	struct uuid id;

	if (!payment_reference_valid(reference))
		return fault(path, row->line, "reference of a payment", reference);
	if (order.size && uuid_parse(order, &id) < 0)
		return fault(path, row->line, "order's id", order);
	if (amount.size && !read_amount(amount, &payment.amount))
		return fault(path, row->line, "amount in the currency's smallest unit", amount);
	if (currency.size && !payment_set_currency(&payment, currency))
		return fault(path, row->line, "currency", currency);
	entry = add(list);
	if (!entry)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	payment_row_set(&entry->payment, &payment);
	entry->line = row->line;
	if (order.size)
		uuid_format(&id, entry->order);
	return CLI_GO;
}

static int read_list(const char *path, struct slice text, struct entries *list)
{
	struct csv_reader reader;
	struct csv_row row = {0};
	struct columns columns = {-1, -1, -1, -1};
	int code = CLI_GO, r;

	csv_reader_init(&reader, text);
	r = csv_read(&reader, &row);
	if (r == 1)
		columns = (struct columns){csv_column(&row, "reference"), csv_column(&row, "order"), csv_column(&row, "amount"),
					   csv_column(&row, "currency")};
	if (r >= 0 && columns.reference < 0)
		code = cli_error(CLI_USAGE, "%s: wanted is a line of titles with `reference`", path);
	while (r == 1 && code == CLI_GO && (r = csv_read(&reader, &row)) == 1)
		code = read_row(path, &row, &columns, list);
	if (r == -EBADMSG)
		code = cli_error(CLI_USAGE, "%s:%zu: a quote is not closed there, or there are more fields than in the first line",
				 path, row.line);
	else if (r < 0)
		code = cli_error(CLI_FAILED, "%s", error_text(r));
	csv_row_deinit(&row);
	return code;
}

/* --- The ledger --- */

/*
 * What was not told of the payment is what the order costs. Where it has given units back since,
 * nobody knows whether that was before or after: it may be what any number of them cost that it has
 * had.
 */
static int add_known(const struct ledger_order *order, struct entries *known)
{
	static const char late[] = LATE_CONFIRM_KEY;
	struct entry *entry = add(known);

	if (!entry)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	entry->payment = order->payment;
	if (entry->payment.amount == PAYMENT_NO_AMOUNT && order->priced) {
		entry->payment.amount = order->unit_price * order->first_quantity;
		entry->least = order->unit_price * order->quantity;
		entry->price = order->unit_price;
	}
	if (!entry->payment.currency[0])
		memcpy(entry->payment.currency, order->currency, sizeof(order->currency));
	uuid_format(&order->id, entry->order);
	if (strncmp(order->key, late, sizeof(late) - 1) == 0)
		snprintf(entry->late, sizeof(entry->late), "%.*s", UUID_TEXT_SIZE - 1, order->key + sizeof(late) - 1);
	return CLI_GO;
}

static int read_known(struct ledger *ledger, struct entries *known)
{
	struct ledger_order *orders = calloc(PAGE, sizeof(*orders));
	struct ledger_order_filter filter = {0};
	size_t count = PAGE;
	int code = CLI_GO, r;

	if (!orders)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	while (code == CLI_GO && count == PAGE) {
		r = ledger->ops->orders(ledger, &filter, orders, PAGE, &count);
		if (r < 0)
			code = cli_error(CLI_FAILED, "the ledger's orders could not be read: %s", error_text(r));
		for (size_t i = 0; code == CLI_GO && i < count; i++)
			if (orders[i].payment.reference[0])
				code = add_known(&orders[i], known);
		if (code == CLI_GO && count)
			filter.after = orders[count - 1].id;
	}
	free(orders);
	return code;
}

/* --- Both --- */

static void find(json_t *findings, const struct entry *listed, const struct entry *known, const char *what)
{
	const struct entry *one = listed ? listed : known;
	json_t *finding = json_pack("{s:s, s:s}", "reference", one->payment.reference, "what", what);

	if (listed)
		json_object_set_new(finding, "line", json_integer((json_int_t)listed->line));
	if (known)
		json_object_set_new(finding, "order", json_string(known->order));
	json_array_append_new(findings, finding);
}

static bool same_order(const struct entry *listed, const struct entry *known)
{
	return !listed->order[0] || strcmp(listed->order, known->order) == 0 || strcmp(listed->order, known->late) == 0;
}

static bool same_amount(const struct entry *listed, const struct entry *known)
{
	int64_t one = listed->payment.amount, other = known->payment.amount;

	if (one == PAYMENT_NO_AMOUNT || other == PAYMENT_NO_AMOUNT || one == other)
		return true;
	return known->price > 0 && one >= known->least && one < other && one % known->price == 0;
}

static void compare_pair(json_t *findings, const struct entry *listed, const struct entry *known)
{
	const struct payment_row *one = &listed->payment, *other = &known->payment;

	if (!same_order(listed, known))
		find(findings, listed, known, "another order in the ledger");
	if (!same_amount(listed, known))
		find(findings, listed, known, "another amount in the ledger");
	if (one->currency[0] && other->currency[0] && strcmp(one->currency, other->currency) != 0)
		find(findings, listed, known, "another currency in the ledger");
}

/* All of one reference: `l` lines of the list, `k` orders of the ledger. */
static void compare_group(json_t *findings, const struct entry *listed, size_t l, const struct entry *known, size_t k)
{
	const struct entry *match = known;

	for (size_t i = k; i-- > 0 && l;)
		if (same_order(listed, &known[i]))
			match = &known[i];
	for (size_t i = 1; i < k; i++)
		find(findings, l ? listed : NULL, &known[i], "pays for several orders in the ledger");
	for (size_t i = 1; i < l; i++)
		find(findings, &listed[i], NULL, "more than once in the list");
	if (k == 0)
		find(findings, listed, NULL, "not in the ledger");
	else if (l == 0)
		find(findings, NULL, known, "not in the list");
	else
		compare_pair(findings, listed, match);
}

static size_t group_size(const struct entries *entries, size_t from, const char *reference)
{
	size_t size = 0;

	while (from + size < entries->count && strcmp(entries->all[from + size].payment.reference, reference) == 0)
		size++;
	return size;
}

static void compare(json_t *findings, const struct entries *list, const struct entries *known)
{
	for (size_t i = 0, j = 0; i < list->count || j < known->count;) {
		const struct entry *one = i < list->count ? &list->all[i] : NULL, *other = j < known->count ? &known->all[j] : NULL;
		const struct entry *next = one;
		size_t l, k;

		if (!one || (other && strcmp(other->payment.reference, one->payment.reference) < 0))
			next = other;
		ASSERT(next != NULL);
		l = group_size(list, i, next->payment.reference);
		k = group_size(known, j, next->payment.reference);
		ASSERT(l == 0 || list->all != NULL);
		compare_group(findings, list->all + i, l, known->all + j, k);
		i += l;
		j += k;
	}
}

int payment_list_compare(const char *path, struct ledger *ledger, json_t *findings, size_t *listed, size_t *known_count)
{
	struct entries list = {0}, known = {0};
	struct buffer text;
	int code = output_read_file(path, &text);

	if (code == CLI_GO)
		code = read_list(path, buffer_slice(&text), &list);
	buffer_deinit(&text);
	if (code == CLI_GO)
		code = read_known(ledger, &known);
	if (code == CLI_GO) {
		sort(&list);
		sort(&known);
		compare(findings, &list, &known);
	}
	*listed = list.count;
	*known_count = known.count;
	free(list.all);
	free(known.all);
	return code;
}
