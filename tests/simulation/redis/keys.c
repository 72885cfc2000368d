/* Commands on keys of any kind, and what commands take. */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "simulation/redis/server.h"

enum { DIGITS_SAFE = 18 };            /* so many, with a sign, are no more than an int64_t takes */
static const double WHOLE_MAX = 1e15; /* %.17g tells a whole number up to here by its digits alone */

/* snprintf of a double takes longer than most commands. */
struct slice sim_number_text(char text[SIM_NUMBER_SIZE], double value)
{
	if (value >= -WHOLE_MAX && value <= WHOLE_MAX && value == (double)(int64_t)value && !(value == 0 && signbit(value)))
		return sim_whole(text, (int64_t)value);
	snprintf(text, SIM_NUMBER_SIZE, "%.17g", value);
	return slice_of(text);
}

bool sim_take_int(struct sim_call *call, struct slice text, int64_t *value)
{
	char digits[24], again[SIM_WHOLE_SIZE];

	if (text.size > 0 && text.size < sizeof(digits)) {
		memcpy(digits, text.data, text.size);
		digits[text.size] = '\0';
		errno = 0;
		*value = text.size < DIGITS_SAFE ? sim_read_whole(digits) : strtoll(digits, NULL, 10);
		if (errno == 0 && slice_equal(sim_whole(again, *value), text)) /* Redis takes no other spelling */
			return true;
	}
	sim_reply_error(call, "ERR value is not an integer or out of range");
	return false;
}

bool sim_take_double(struct sim_call *call, struct slice text, const char *error, double *value)
{
	char digits[128], *end;

	if (text.size > 0 && text.size < sizeof(digits) && text.data[0] != ' ') {
		memcpy(digits, text.data, text.size);
		digits[text.size] = '\0';
		*value = strtod(digits, &end);
		if (end == digits + text.size && !isnan(*value))
			return true;
	}
	sim_reply_error(call, error);
	return false;
}

bool sim_take_value(struct sim_call *call, struct slice key, enum sim_type type, struct sim_value **value)
{
	*value = sim_find(sim_keys(call), key, call->now_ms);
	if (!*value || (*value)->type == type)
		return true;
	sim_reply_error(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
	return false;
}

static void delete (struct sim_call *call)
{
	int64_t gone = 0;

	for (size_t i = 1; i < call->count; i++)
		gone += sim_delete(sim_keys(call), call->args[i], call->now_ms);
	sim_reply_int(call, gone);
}

static void exists(struct sim_call *call)
{
	int64_t there = 0;

	for (size_t i = 1; i < call->count; i++)
		there += sim_find(sim_keys(call), call->args[i], call->now_ms) != NULL;
	sim_reply_int(call, there);
}

static void expire(struct sim_call *call)
{
	struct sim_value *value;
	int64_t after;

	if (!sim_take_int(call, call->args[2], &after))
		return;
	value = sim_find(sim_keys(call), call->args[1], call->now_ms);
	if (value && after <= 0)
		sim_delete(sim_keys(call), call->args[1], call->now_ms);
	else if (value)
		value->ends_ms = call->now_ms + after;
	sim_reply_int(call, value != NULL);
}

static void time_left(struct sim_call *call)
{
	const struct sim_value *value = sim_find(sim_keys(call), call->args[1], call->now_ms);

	sim_reply_int(call, !value ? -2 : value->ends_ms == 0 ? -1 : value->ends_ms - call->now_ms);
}

static void type(struct sim_call *call)
{
	static const char *const names[] = {[SIM_STRING] = "string", [SIM_HASH] = "hash", [SIM_ZSET] = "zset"};
	const struct sim_value *value = sim_find(sim_keys(call), call->args[1], call->now_ms);

	buffer_printf(call->out, "+%s\r\n", value ? names[value->type] : "none");
}

static void keys(struct sim_call *call)
{
	const char *pattern = call->args[1].data; /* with a NUL behind its end */
	struct sim_table *table = sim_keys(call);
	struct sim_entry *found = sim_alloc((table->count + 1) * sizeof(*found));
	size_t count = 0, i = 0;

	while (i < table->count) {
		struct slice name = table->entries[i].name;

		if (!sim_find(table, name, call->now_ms))
			continue; /* it was over, and another stands in its place */
		if (fnmatch(pattern, name.data, 0) == 0)
			found[count++].name = name;
		i++;
	}
	sim_reply_array(call, count);
	for (i = 0; i < count; i++)
		sim_reply_text(call, found[i].name);
	free(found);
}

static void forget_all(struct sim_call *call)
{
	for (int i = 0; i < SIM_DATABASES; i++)
		sim_forget_all(&call->sim->databases[i]);
	sim_reply_ok(call);
}

const struct sim_command sim_key_commands[] = {
	{"unlink", -2, .writes = true, .run = delete},
	{"del", -2, .writes = true, .run = delete},
	{"exists", -2, .run = exists},
	{"pexpire", 3, .writes = true, .run = expire},
	{"pttl", 2, .run = time_left},
	{"type", 2, .run = type},
	{"keys", 2, .run = keys},
	{"flushall", 1, .writes = true, .run = forget_all},
	{0},
};
