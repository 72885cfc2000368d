#include "cli/operator/sale_terms.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"

const struct sale_terms sale_no_terms = {.price = -1, .limit = -1, .hold_ms = -1, .opens_in_ms = -1, .closes_in_ms = -1};

static void set_moment(json_t *body, const char *name, int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(wall_ms, text);
	json_object_set_new(body, name, json_string(text));
}

static int set_time(const struct cli *cli, json_t *body, const char *option, const char *name, const char *at, int64_t in_ms)
{
	int64_t wall_ms;

	if (in_ms < 0 && (!at || strcmp(at, "none") == 0)) {
		if (at)
			json_object_set_new(body, name, json_null());
		return CLI_GO;
	}
	wall_ms = clock_wall_ms() + in_ms;
	if (in_ms < 0) {
		int code = output_moment(cli, option, at, "", &wall_ms);

		if (code != CLI_GO)
			return code;
	}
	set_moment(body, name, wall_ms);
	return CLI_GO;
}

static int set_rate(const struct cli *cli, json_t *body, const char *rate)
{
	unsigned requests, seconds;
	char rest;

	if (strcmp(rate, "off") == 0)
		return json_object_set_new(body, "rate", json_null()), CLI_GO;
	if (sscanf(rate, "%u/%u%c", &requests, &seconds, &rest) != 2)
		return cli_usage(cli, "--rate %s: wanted is REQUESTS/SECONDS, like 3/60, or off", rate);
	json_object_set_new(body, "rate", json_pack("{s:I, s:I}", "requests", (json_int_t)requests, "seconds", (json_int_t)seconds));
	return CLI_GO;
}

/* "SKU=UNITS" */
int sale_set_lots(const struct cli *cli, json_t *body, const struct option_list *lots, int64_t least)
{
	json_t *array = json_array();

	json_object_set_new(body, "lots", array);
	for (size_t i = 0; i < lots->count; i++) {
		const char *equals = strchr(lots->items[i], '=');
		int64_t units;
		int code;

		if (!equals)
			return cli_usage(cli, "--lot %s: wanted is SKU=UNITS", lots->items[i]);
		if (least == 0 && strcmp(equals + 1, "0") == 0)
			units = 0;
		else if ((code = output_units(cli, equals + 1, &units)) != CLI_GO)
			return code;
		json_array_append_new(array, json_pack("{s:s%, s:I}", "sku", lots->items[i], (size_t)(equals - lots->items[i]),
						       "units", (json_int_t)units));
	}
	return CLI_GO;
}

int sale_set_terms(const struct cli *cli, json_t *body, const struct sale_terms *terms)
{
	int code;

	if (terms->name)
		json_object_set_new(body, "name", json_string(terms->name));
	if (terms->price >= 0)
		json_object_set_new(body, "price",
				    json_pack("{s:I, s:s*}", "amount", (json_int_t)terms->price, "currency", terms->currency));
	else if (terms->currency)
		return cli_usage(cli, "--currency goes with --price");
	if (terms->limit >= 0)
		json_object_set_new(body, "limit_per_buyer", json_integer(terms->limit));
	if (terms->hold_ms % 1000 > 0)
		return cli_usage(cli, "--hold: wanted are whole seconds");
	if (terms->hold_ms >= 0)
		json_object_set_new(body, "hold_seconds", json_integer(terms->hold_ms / 1000));
	if (terms->late_confirm || terms->no_late_confirm)
		json_object_set_new(body, "late_confirm", json_boolean(!terms->no_late_confirm));
	if (terms->schedule || terms->no_schedule)
		json_object_set_new(body, "schedule", json_boolean(!terms->no_schedule));
	if (terms->announce || terms->no_announce)
		json_object_set_new(body, "announce", json_boolean(!terms->no_announce));
	code = set_time(cli, body, "opens-at", "opens_at", terms->opens_at, terms->opens_in_ms);
	if (code == CLI_GO)
		code = set_time(cli, body, "closes-at", "closes_at", terms->closes_at, terms->closes_in_ms);
	if (code != CLI_GO)
		return code;
	return terms->rate ? set_rate(cli, body, terms->rate) : CLI_GO;
}

bool sale_lacks_currency(const json_t *body)
{
	const json_t *price = json_object_get(body, "price");

	return price && !json_object_get(price, "currency");
}

void sale_set_currency(json_t *body, const json_t *other)
{
	json_t *currency = json_object_get(json_object_get(other, "price"), "currency");

	if (!sale_lacks_currency(body))
		return;
	if (json_is_string(currency))
		json_object_set(json_object_get(body, "price"), "currency", currency);
	else
		json_object_set_new(json_object_get(body, "price"), "currency", json_string("EUR"));
}

void sale_set_like(json_t *body, const json_t *other, const struct sale_terms *terms)
{
	static const char *const same[] = {"name",         "price",        "limit_per_buyer", "rate",
					   "hold_seconds", "late_confirm", "announce"};
	const char *opened = output_field_text(other, "opens_at"), *closed = output_field_text(other, "closes_at");
	json_t *lots = json_array(), *lot;
	int64_t opened_ms, closed_ms, opens_ms;
	const char *opens;
	size_t index;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (!json_object_get(body, same[i]))
			json_object_set(body, same[i], json_object_get(other, same[i]));
	json_array_foreach(json_object_get(other, "lots"), index, lot) json_array_append_new(
		lots, json_pack("{s:O, s:O}", "sku", json_object_get(lot, "sku"), "units", json_object_get(lot, "units")));
	if (terms->lots.count == 0)
		json_object_set(body, "lots", lots);
	sale_set_currency(body, other);
	json_decref(lots);
	opens = output_field_text(body, "opens_at");
	if (json_object_get(body, "closes_at") || clock_parse(opens, strlen(opens), &opens_ms) < 0 ||
	    clock_parse(opened, strlen(opened), &opened_ms) < 0 || clock_parse(closed, strlen(closed), &closed_ms) < 0)
		return;
	set_moment(body, "closes_at", opens_ms + closed_ms - opened_ms);
}
