#include "cli/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "text/edit_distance.h"

int options_duration_parse(const char *text, int64_t *milliseconds)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"ms", 1}, {"", 1000}, {"s", 1000}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
	char *end;
	double value = strtod(text, &end);

	if (end == text || !isfinite(value) || value < 0 || !(text[0] >= '0' && text[0] <= '9'))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0) {
			if (value * units[i].ms > 1e15)
				return -EINVAL;
			*milliseconds = (int64_t)(value * units[i].ms + 0.5);
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_number(const char *text, double max, bool percent, double *number)
{
	char *end;
	double value = strtod(text, &end);

	if (percent && *end == '%')
		end++;
	if (end == text || *end || !isfinite(value) || value < 0 || value > max)
		return -EINVAL;
	*number = value;
	return 0;
}

static int parse_integer(const char *text, int64_t *number)
{
	char *end;
	long long value;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (*end || errno)
		return -EINVAL;
	*number = value;
	return 0;
}

static int add(struct option_list *list, const char *item)
{
	if (list->count == OPTION_LIST_MAX)
		return -EINVAL;
	list->items[list->count++] = item;
	return 0;
}

/* Cuts the text at its commas. */
static int add_several(struct option_list *list, char *text)
{
	char *item;
	int r = 0;

	while (r == 0 && (item = strsep(&text, ",")))
		r = *item ? add(list, item) : -EINVAL;
	return r;
}

/* 0, or -EINVAL with what would be right in *wanted. */
static int set(const struct option *option, char *value, const char **wanted)
{
	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)option->target = true;
		return 0;
	case OPTION_TEXT:
		/* A script's variable that is not set must not widen what was asked for. */
		*wanted = "not nothing: leave the option out where it is not meant";
		*(const char **)option->target = value;
		return *value ? 0 : -EINVAL;
	case OPTION_INTEGER:
		*wanted = "a whole number, 0 or more";
		return parse_integer(value, option->target);
	case OPTION_NUMBER:
		*wanted = "a number";
		return parse_number(value, HUGE_VAL, false, option->target);
	case OPTION_PERCENT:
		*wanted = "a percentage from 0 to 100";
		return parse_number(value, 100, true, option->target);
	case OPTION_DURATION:
		*wanted = "a time like 250ms, 2s, 5m or 24h";
		return options_duration_parse(value, option->target);
	case OPTION_LIST:
		*wanted = "no more of them: there are too many";
		return add(option->target, value);
	case OPTION_COMMAS:
		*wanted = "a list with commas";
		return add_several(option->target, value);
	}
	ASSERT(false);
	return -EINVAL;
}

static const struct option *find(const struct option *options, size_t count, const char *argument, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		if (argument[1] != '-' && argument[1] == options[i].letter && size == 2)
			return &options[i];
		if (argument[1] == '-' && strlen(options[i].name) == size - 2 && memcmp(options[i].name, argument + 2, size - 2) == 0)
			return &options[i];
	}
	return NULL;
}

/* The option that was meant, as far as that can be seen; NULL: none is near. */
static const char *nearest(const struct option *options, size_t count, const char *argument, size_t size)
{
	const char *best = NULL;
	char word[EDIT_DISTANCE_MAX];
	size_t least = EDIT_SLIPS_MAX + 1;

	if (argument[1] != '-' || size - 2 >= sizeof(word))
		return NULL;
	memcpy(word, argument + 2, size - 2);
	word[size - 2] = '\0';
	for (size_t i = 0; i < count; i++)
		if (edit_is_nearer(options[i].name, word, &least))
			best = options[i].name;
	return best;
}

int options_parse(const struct option *options, size_t count, int *argc, char **argv, struct buffer *error)
{
	int kept = 0, i;

	for (i = 0; i < *argc; i++) {
		const char *argument = argv[i], *wanted = NULL;
		char *equals = strchr(argv[i], '='), *value;
		size_t size = equals ? (size_t)(equals - argument) : strlen(argument);
		const struct option *option;

		/* No option begins with a digit: "-5" is a number. */
		if (argument[0] != '-' || argument[1] == '\0' || (argument[1] >= '0' && argument[1] <= '9')) {
			argv[kept++] = argv[i];
			continue;
		}
		if (strcmp(argument, "--") == 0) {
			i++;
			break;
		}
		option = find(options, count, argument, size);
		if (!option) {
			const char *meant = nearest(options, count, argument, size);

			buffer_printf(error, "unknown option %.*s", (int)size, argument);
			if (meant)
				buffer_printf(error, "; did you mean --%s?", meant);
			return -EINVAL;
		}
		value = equals ? equals + 1 : NULL;
		if (option->kind == OPTION_FLAG && value) {
			buffer_printf(error, "--%s takes no value", option->name);
			return -EINVAL;
		}
		if (option->kind != OPTION_FLAG && !value) {
			if (i + 1 == *argc) {
				buffer_printf(error, "--%s needs a value: %s", option->name, option->value);
				return -EINVAL;
			}
			value = argv[++i];
		}
		if (set(option, value, &wanted) < 0) {
			buffer_printf(error, "--%s %s: wanted is %s", option->name, value, wanted);
			return -EINVAL;
		}
	}
	for (; i < *argc; i++)
		argv[kept++] = argv[i];
	*argc = kept;
	return 0;
}

void options_help(const struct option *options, size_t count, struct buffer *out)
{
	for (size_t i = 0; i < count; i++) {
		char left[64];
		int width = snprintf(left, sizeof(left), "%c%c%s --%s%s%s", options[i].letter ? '-' : ' ',
				     options[i].letter ? options[i].letter : ' ', options[i].letter ? "," : " ", options[i].name,
				     options[i].value ? " " : "", options[i].value ? options[i].value : "");

		buffer_printf(out, "  %-26s%s", left, width > 26 ? "\n                            " : "");
		buffer_append_wrapped(out, options[i].help, 28, 28, 80);
		buffer_append_literal(out, "\n");
	}
}
