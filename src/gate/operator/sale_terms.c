/*
 * What a sale is told to be in a body: its terms and its lots, of a new one or of one that is
 * changed.
 */
#include "gate/operator/sale_terms.h"

#include <stdio.h>
#include <stdlib.h>
#include "gate/body.h"

enum { PATH_SIZE = 64 };

struct terms {
	struct slice name, currency;
	int64_t amount, limit, hold, opens, closes, rate_requests, rate_seconds;
	bool late_confirm, schedule, announce;
	json_t *price, *rate;
};

enum {
	TERM_NAME,
	TERM_PRICE,
	TERM_LIMIT,
	TERM_RATE,
	TERM_HOLD,
	TERM_OPENS,
	TERM_CLOSES,
	TERM_LATE,
	TERM_SCHEDULE,
	TERM_ANNOUNCE,
	TERM_COUNT
};
static const unsigned term_fields[TERM_COUNT] = {
	SALE_FIELD_NAME,  SALE_FIELD_PRICE,  SALE_FIELD_LIMIT,        SALE_FIELD_RATE,     SALE_FIELD_HOLD,
	SALE_FIELD_OPENS, SALE_FIELD_CLOSES, SALE_FIELD_LATE_CONFIRM, SALE_FIELD_SCHEDULE, SALE_FIELD_ANNOUNCE,
};

static void term_table(struct terms *terms, struct body_field fields[TERM_COUNT])
{
	const struct body_field table[TERM_COUNT] = {
		[TERM_NAME] = {.name = "name",
			       .kind = BODY_TEXT,
			       .target = &terms->name,
			       .valid = sale_name_valid,
			       .rule = "1 to 200 bytes of text without control characters"},
		[TERM_PRICE] = {.name = "price", .kind = BODY_OBJECT, .target = &terms->price},
		[TERM_LIMIT] = {.name = "limit_per_buyer", .kind = BODY_INTEGER, .target = &terms->limit, .min = 1, .max = LIMIT_MAX},
		[TERM_RATE] = {.name = "rate", .kind = BODY_OBJECT, .target = &terms->rate},
		[TERM_HOLD] = {.name = "hold_seconds", .kind = BODY_INTEGER, .target = &terms->hold, .min = 0, .max = HOLD_SECONDS_MAX},
		[TERM_OPENS] = {.name = "opens_at", .kind = BODY_TIME, .target = &terms->opens},
		[TERM_CLOSES] = {.name = "closes_at", .kind = BODY_TIME, .target = &terms->closes},
		[TERM_LATE] = {.name = "late_confirm", .kind = BODY_BOOLEAN, .target = &terms->late_confirm},
		[TERM_SCHEDULE] = {.name = "schedule", .kind = BODY_BOOLEAN, .target = &terms->schedule},
		[TERM_ANNOUNCE] = {.name = "announce", .kind = BODY_BOOLEAN, .target = &terms->announce},
	};

	memcpy(fields, table, sizeof(table));
}

static bool currency_valid(struct slice text)
{
	if (text.size != 3)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (text.data[i] < 'A' || text.data[i] > 'Z')
			return false;
	return true;
}

/* The objects inside; 0, or 1: refused. */
static int read_nested(struct terms *terms, const char *path, struct reply *reply)
{
	char price_path[PATH_SIZE], rate_path[PATH_SIZE];
	struct body_field price[] = {
		{.name = "amount", .kind = BODY_INTEGER, .target = &terms->amount, .required = true, .min = 0, .max = 1000000000000},
		{.name = "currency",
		 .kind = BODY_TEXT,
		 .target = &terms->currency,
		 .required = true,
		 .valid = currency_valid,
		 .rule = "three capital letters (ISO 4217)"},
	};
	struct body_field rate[] = {
		{.name = "requests", .kind = BODY_INTEGER, .target = &terms->rate_requests, .required = true, .min = 1, .max = RATE_REQUESTS_MAX},
		{.name = "seconds", .kind = BODY_INTEGER, .target = &terms->rate_seconds, .required = true, .min = 1, .max = RATE_SECONDS_MAX},
	};

	snprintf(price_path, sizeof(price_path), "%sprice.", path);
	snprintf(rate_path, sizeof(rate_path), "%srate.", path);
	if (terms->price && body_read(terms->price, price, 2, price_path, reply))
		return 1;
	return terms->rate ? body_read(terms->rate, rate, 2, rate_path, reply) : 0;
}

/*
 * A rate may be null: no limit. That is not an object, so it is taken out before the fields are
 * read.
 */
static bool take_null_rate(json_t *body)
{
	if (!json_is_null(json_object_get(body, "rate")))
		return false;
	json_object_del(body, "rate");
	return true;
}

static void apply_terms(struct sale *sale, const struct terms *terms)
{
	memcpy(sale->name, terms->name.data ? terms->name.data : "", terms->name.size);
	sale->price_minor = terms->amount;
	memcpy(sale->currency, terms->currency.data ? terms->currency.data : "", terms->currency.size);
	sale->limit_per_buyer = (uint32_t)terms->limit;
	sale->rate_requests = (uint32_t)terms->rate_requests;
	sale->rate_seconds = (uint32_t)terms->rate_seconds;
	sale->hold_seconds = (uint32_t)terms->hold;
	sale->opens_at_ms = terms->opens;
	sale->closes_at_ms = terms->closes;
	sale->late_confirm = terms->late_confirm;
	sale->scheduled = terms->schedule;
	sale->announced = terms->announce;
}

int operator_sale_read_lots(json_t *array, const char *path, struct sale *sale, int64_t min, struct reply *reply)
{
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		struct sale_lot *lot = &sale->lots[i];
		struct slice sku;
		struct body_field fields[] = {
			{.name = "sku", .kind = BODY_TEXT, .target = &sku, .required = true, .valid = sale_sku_valid, .rule = "the SKU of an item"},
			{.name = "units", .kind = BODY_INTEGER, .target = &lot->allocated, .required = true, .min = min, .max = UNITS_MAX},
		};
		json_t *object = json_array_get(array, i);
		char lot_path[PATH_SIZE], lots_path[PATH_SIZE];

		snprintf(lots_path, sizeof(lots_path), "%slots", path);
		snprintf(lot_path, sizeof(lot_path), "%slots[%u].", path, i);
		if (!json_is_object(object)) {
			reply_bad_field(reply, PROBLEM_INVALID_VALUE, lots_path, "lots[%u] must be an object with sku and units.", i);
			return 1;
		}
		if (body_read(object, fields, 2, lot_path, reply))
			return 1;
		if (sku.size && sale_find_lot(sale, sku) >= 0) {
			reply_bad_field(reply, PROBLEM_INVALID_VALUE, lots_path,
					"lots[%u].sku must be one that no other lot of the sale has.", i);
			return 1;
		}
		memcpy(lot->sku, sku.data, sku.size);
	}
	return 0;
}

struct sale *operator_sale_read_new(json_t *body, const char *path, struct reply *reply)
{
	struct terms terms = {
		.limit = 1, .rate_requests = 3, .rate_seconds = 60, .hold = 120, .opens = SALE_NO_TIME, .closes = SALE_NO_TIME};
	bool no_rate = take_null_rate(body);
	struct body_field fields[TERM_COUNT + 2];
	json_t *lots = NULL;
	struct slice id;
	struct sale *sale;

	term_table(&terms, fields);
	fields[TERM_NAME].required = fields[TERM_PRICE].required = true;
	fields[TERM_COUNT] = (struct body_field){.name = "id",
						 .kind = BODY_TEXT,
						 .target = &id,
						 .required = true,
						 .valid = sale_id_valid,
						 .rule = "1 to 64 of a-z, 0-9, '.', '_' or '-', beginning with a letter or digit"};
	fields[TERM_COUNT + 1] =
		(struct body_field){.name = "lots", .kind = BODY_ARRAY, .target = &lots, .required = true, .min = 1, .max = LOTS_MAX};
	if (body_read(body, fields, TERM_COUNT + 2, path, reply) || read_nested(&terms, path, reply))
		return NULL;
	if (no_rate)
		terms.rate_requests = terms.rate_seconds = 0;
	sale = calloc(1, sizeof(*sale) + json_array_size(lots) * sizeof(sale->lots[0]));
	if (!sale) {
		reply_problem(reply, PROBLEM_OVERLOADED, NULL);
		return NULL;
	}
	memcpy(sale->id, id.data, id.size);
	sale->lot_count = (uint32_t)json_array_size(lots);
	sale->ended_at_ms = SALE_NO_TIME;
	apply_terms(sale, &terms);
	if (operator_sale_read_lots(lots, path, sale, 1, reply)) {
		free(sale);
		return NULL;
	}
	return sale;
}

int operator_sale_read_change(json_t *body, struct sale *change, unsigned *given, json_t **lots, struct reply *reply)
{
	struct terms terms = {.opens = SALE_NO_TIME, .closes = SALE_NO_TIME};
	struct body_field fields[TERM_COUNT + 1];

	*given = take_null_rate(body) ? SALE_FIELD_RATE : 0;
	*lots = NULL;
	term_table(&terms, fields);
	fields[TERM_COUNT] = (struct body_field){.name = "lots", .kind = BODY_ARRAY, .target = lots, .min = 1, .max = LOTS_MAX};
	if (body_read(body, fields, TERM_COUNT + 1, "", reply) || read_nested(&terms, "", reply))
		return 1;
	for (int i = 0; i < TERM_COUNT; i++)
		if (fields[i].given)
			*given |= term_fields[i];
	if (*lots && *given) {
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "lots", "lots must be changed in a request of their own.");
		return 1;
	}
	if (!*lots && !*given) {
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "", "A change of a sale has at least one field.");
		return 1;
	}
	apply_terms(change, &terms);
	return 0;
}
