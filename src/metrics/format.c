#include "metrics/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* What stands before the next `end`, without blanks around it; `rest` goes on behind that. */
static struct slice take(struct slice *rest, char end)
{
	const char *at = rest->size > 0 ? memchr(rest->data, end, rest->size) : NULL;
	size_t size = at ? (size_t)(at - rest->data) : rest->size;
	struct slice taken = {rest->data, size};

	size += at != NULL;
	*rest = (struct slice){rest->data + size, rest->size - size};
	return slice_trim(taken);
}

/* A weight in thousandths: 0 to 1 with at most three digits. What is none counts as 0. */
static int weight_of(struct slice text)
{
	int weight = 0, digit = 1000;

	if (text.size == 0 || text.size > 5 || text.data[0] < '0' || text.data[0] > '1' || (text.size > 1 && text.data[1] != '.'))
		return 0;
	for (size_t i = 0; i < text.size; i++) {
		if (i == 1)
			continue;
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		weight += (text.data[i] - '0') * digit;
		digit /= 10;
	}
	return weight <= 1000 ? weight : 0;
}

struct range {
	struct slice type, version;
	int weight;
};

static struct range read_range(struct slice text)
{
	struct range range = {.type = take(&text, ';'), .weight = 1000};

	while (text.size > 0) {
		struct slice value = take(&text, ';'), name = take(&value, '=');

		value = slice_trim(value);
		if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
			value = (struct slice){value.data + 1, value.size - 2};
		if (slice_equal_any_case(name, SLICE("q")))
			range.weight = weight_of(value);
		else if (slice_equal_any_case(name, SLICE("version")))
			range.version = value;
	}
	return range;
}

static bool is_openmetrics(const struct range *range)
{
	return slice_equal_any_case(range->type, SLICE("application/openmetrics-text")) &&
	       (range->version.size == 0 || slice_equal(range->version, SLICE("1.0.0")));
}

static bool is_text(const struct range *range)
{
	return slice_equal_any_case(range->type, SLICE("text/plain")) &&
	       (range->version.size == 0 || slice_equal(range->version, SLICE("0.0.4")));
}

enum metrics_format metrics_format_asked(struct slice accept)
{
	int openmetrics = 0, text = 0;
	struct slice item;

	while (slice_next_item(&accept, &item)) {
		struct range range = read_range(item);

		if (is_openmetrics(&range) && range.weight > openmetrics)
			openmetrics = range.weight;
		if (is_text(&range) && range.weight > text)
			text = range.weight;
	}
	return openmetrics > 0 && openmetrics >= text ? METRICS_OPENMETRICS : METRICS_TEXT;
}

struct slice metrics_content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ? SLICE("application/openmetrics-text; version=1.0.0; charset=utf-8")
					     : SLICE("text/plain; version=0.0.4; charset=utf-8");
}
