#include <stdlib.h>
#include "config/setting.h"

/*
 * What a value of each kind looks like: one function a kind reads it, and setting_describe() says
 * what would have been right.
 */

struct slice setting_trim(struct slice text)
{
	while (text.size > 0 && strchr(" \t\r\n", text.data[0]) && text.data[0]) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) && text.data[text.size - 1])
		text.size--;
	return text;
}

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {{"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000}, {"ms", 1000000}};
enum { UNITS = sizeof(units) / sizeof(units[0]) };

void setting_duration_text(int64_t ns, struct buffer *out)
{
	const struct unit *unit = &units[2];

	if (ns != 0) {
		unit = units;
		while (unit < units + UNITS - 1 && ns % unit->ns != 0)
			unit++;
	}
	buffer_append_int(out, ns / unit->ns);
	buffer_append_text(out, unit->name);
}

void setting_describe(const struct setting *setting, struct buffer *out)
{
	switch (setting->kind) {
	case SETTING_TEXT:
	case SETTING_SECRET:
		buffer_append_literal(out, "text");
		break;
	case SETTING_URL:
		buffer_append_literal(out, "a URL such as ");
		buffer_append_text(out, setting->standard);
		break;
	case SETTING_COUNT:
		buffer_append_literal(out, "a whole number from ");
		buffer_append_int(out, setting->low);
		buffer_append_literal(out, " to ");
		buffer_append_int(out, setting->high);
		break;
	case SETTING_DURATION:
		buffer_append_literal(out, "a duration from ");
		setting_duration_text(setting->low, out);
		buffer_append_literal(out, " to ");
		setting_duration_text(setting->high, out);
		buffer_append_literal(out, ", such as 250ms, 2s, 5m or 24h");
		break;
	case SETTING_RATE:
		buffer_append_literal(out, "REQUESTS/SECONDS such as 3/60, or off");
		break;
	case SETTING_LISTEN:
		buffer_append_literal(out, "ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080, comma-separated");
		break;
	case SETTING_NETWORKS:
		buffer_append_literal(out, "addresses and networks such as 10.0.0.0/8 or 2001:db8::/32, comma-separated");
		break;
	case SETTING_ORIGINS:
		buffer_append_literal(
			out, "origins such as https://shop.example or http://localhost:5173, comma-separated, or * for all");
		break;
	case SETTING_CHOICE:
		for (size_t i = 0; i < sizeof(setting->choices) / sizeof(setting->choices[0]) && setting->choices[i]; i++) {
			bool last = i + 1 == sizeof(setting->choices) / sizeof(setting->choices[0]) || !setting->choices[i + 1];

			buffer_append_text(out, i == 0 ? "" : last ? " or " : ", ");
			buffer_append_text(out, setting->choices[i]);
		}
		break;
	}
}

/* Decimal digits and nothing else, up to INT64_MAX. */
static bool parse_integer(struct slice text, int64_t *value)
{
	*value = 0;
	if (text.size == 0)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		char digit = text.data[i];

		if (digit < '0' || digit > '9' || __builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, digit - '0', value))
			return false;
	}
	return true;
}

static bool parse_count(const struct setting *setting, struct slice text, int64_t *value)
{
	return parse_integer(text, value) && *value >= setting->low && *value <= setting->high;
}

static bool parse_duration(const struct setting *setting, struct slice text, int64_t *ns)
{
	size_t digits = 0;

	while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	if (!parse_integer((struct slice){text.data, digits}, ns))
		return false;
	for (size_t i = 0; i < UNITS; i++)
		if (slice_equal((struct slice){text.data + digits, text.size - digits}, slice_of(units[i].name)))
			return !__builtin_mul_overflow(*ns, units[i].ns, ns) && *ns >= setting->low && *ns <= setting->high;
	return false;
}

static bool parse_rate(struct slice text, struct settings_rate *rate)
{
	enum { REQUESTS_MAX = 1000000, SECONDS_MAX = 3600 };
	const char *slash = text.size > 0 ? memchr(text.data, '/', text.size) : NULL;
	int64_t requests, seconds;

	if (slice_equal(text, SLICE("off"))) {
		*rate = (struct settings_rate){0, 0};
		return true;
	}
	if (!slash || !parse_integer((struct slice){text.data, (size_t)(slash - text.data)}, &requests) ||
	    !parse_integer((struct slice){slash + 1, (size_t)(text.data + text.size - slash - 1)}, &seconds))
		return false;
	if (requests < 1 || requests > REQUESTS_MAX || seconds < 1 || seconds > SECONDS_MAX)
		return false;
	*rate = (struct settings_rate){(uint32_t)requests, (uint32_t)seconds};
	return true;
}

static bool parse_choice(const struct setting *setting, struct slice text, void *target)
{
	for (unsigned i = 0; i < sizeof(setting->choices) / sizeof(setting->choices[0]) && setting->choices[i]; i++)
		if (slice_equal(text, slice_of(setting->choices[i]))) {
			memcpy(target, &i, sizeof(i)); /* an enum is an unsigned int here; its members are numbered in the table's order */
			return true;
		}
	return false;
}
_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "see parse_choice()");

static bool is_plain_text(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
			return false;
	return true;
}

static bool is_url(struct slice text)
{
	const char *colon = text.size > 0 ? memchr(text.data, ':', text.size) : NULL;

	return colon && colon > text.data && is_plain_text(text);
}

static int set_text(char **target, struct slice text)
{
	char *copy = strndup(text.size > 0 ? text.data : "", text.size);

	if (!copy)
		return error_origin(-ENOMEM);
	if (*target)
		explicit_bzero(*target, strlen(*target)); /* it may be a secret */
	free(*target);
	*target = copy;
	return 0;
}

static void explain(const struct setting *setting, struct slice value, struct buffer *error)
{
	if (setting->kind == SETTING_URL)
		buffer_append_literal(error, "its value"); /* which may hold a password */
	else
		buffer_append_json_string(error, value);
	buffer_append_literal(error, " is not ");
	if (setting->kind == SETTING_CHOICE)
		buffer_append_literal(error, "one of ");
	setting_describe(setting, error);
}

int setting_parse(const struct setting *setting, struct slice value, struct settings *settings, struct buffer *error)
{
	void *target = (char *)settings + setting->offset;
	struct slice bad = value;
	int outcome = 0, most = 0; /* of a list */
	bool fine = false;

	switch (setting->kind) {
	case SETTING_SECRET:
		if (value.size == 0 || !memchr(value.data, '\0', value.size))
			return set_text(target, value);
		buffer_append_literal(error, "the secret has a NUL byte in it");
		return -EINVAL;
	case SETTING_TEXT:
		fine = is_plain_text(value);
		if (fine)
			return set_text(target, value);
		break;
	case SETTING_URL:
		fine = is_url(value);
		if (fine)
			return set_text(target, value);
		break;
	case SETTING_COUNT:
		fine = parse_count(setting, value, target);
		break;
	case SETTING_DURATION:
		fine = parse_duration(setting, value, target);
		break;
	case SETTING_RATE:
		fine = parse_rate(value, target);
		break;
	case SETTING_LISTEN:
		outcome = listen_list_parse(value, target, &bad);
		most = LISTEN_MAX;
		break;
	case SETTING_NETWORKS:
		outcome = network_list_parse(value, target, &bad);
		most = NETWORKS_MAX;
		if (outcome == 0 && network_list_is_everybody(target)) {
			buffer_append_literal(error, "this is everybody: whoever is trusted must be named");
			return -EINVAL;
		}
		break;
	case SETTING_ORIGINS:
		outcome = web_origin_list_parse(value, target, &bad);
		most = WEB_ORIGINS_MAX;
		break;
	case SETTING_CHOICE:
		fine = parse_choice(setting, value, target);
		break;
	}
	if (fine || (most > 0 && outcome == 0))
		return 0;
	if (outcome == -E2BIG)
		buffer_printf(error, "there are more than %d", most);
	else
		explain(setting, bad, error);
	return -EINVAL;
}

void setting_release(const struct setting *setting, struct settings *settings)
{
	char **text = (char **)((char *)settings + setting->offset);

	if (setting->kind != SETTING_TEXT && setting->kind != SETTING_SECRET && setting->kind != SETTING_URL)
		return;
	free(*text);
	*text = NULL;
}
