/* Commands on strings. */
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/redis/server.h"

enum { STRING_MAX = 512 << 20 };

static void get(struct sim_call *call)
{
	struct sim_value *value;

	if (!sim_take_value(call, call->args[1], SIM_STRING, &value))
		return;
	if (value)
		sim_reply_text(call, value->text);
	else
		sim_reply_nil(call);
}

/* Without options: nobody uses one. */
static void set(struct sim_call *call)
{
	if (call->count > 3) {
		sim_reply_error(call, "ERR syntax error");
		return;
	}
	sim_delete(sim_keys(call), call->args[1], call->now_ms);
	sim_set_text(sim_make(sim_keys(call), call->args[1], SIM_STRING), call->args[2]);
	sim_reply_ok(call);
}

static void length(struct sim_call *call)
{
	struct sim_value *value;

	if (sim_take_value(call, call->args[1], SIM_STRING, &value))
		sim_reply_int(call, value ? (int64_t)value->text.size : 0);
}

static void append(struct sim_call *call)
{
	struct sim_value *value;
	struct buffer text;

	if (!sim_take_value(call, call->args[1], SIM_STRING, &value))
		return;
	if (!value)
		value = sim_make(sim_keys(call), call->args[1], SIM_STRING);
	buffer_init(&text, STRING_MAX);
	buffer_append_slice(&text, value->text);
	buffer_append_slice(&text, call->args[2]);
	ASSERT(!text.failed);
	sim_set_text(value, buffer_slice(&text));
	buffer_deinit(&text);
	sim_reply_int(call, (int64_t)value->text.size);
}

static void get_range(struct sim_call *call)
{
	struct sim_value *value;
	int64_t first, last, size;

	if (!sim_take_int(call, call->args[2], &first) || !sim_take_int(call, call->args[3], &last) ||
	    !sim_take_value(call, call->args[1], SIM_STRING, &value))
		return;
	size = value ? (int64_t)value->text.size : 0;
	if (first < 0 && last < 0 && first > last) {
		sim_reply_text(call, SLICE(""));
		return;
	}
	first = first < 0 ? first + size : first;
	last = last < 0 ? last + size : last;
	first = first < 0 ? 0 : first;
	last = last < 0 ? 0 : last;
	last = last >= size ? size - 1 : last;
	if (first > last || size == 0)
		sim_reply_text(call, SLICE(""));
	else
		sim_reply_text(call, (struct slice){value->text.data + first, (size_t)(last - first + 1)});
}

static void set_range(struct sim_call *call)
{
	struct slice part = call->args[3], text;
	struct sim_value *value;
	int64_t from;
	size_t end;

	if (!sim_take_int(call, call->args[2], &from))
		return;
	if (from < 0) {
		sim_reply_error(call, "ERR offset is out of range");
		return;
	}
	if (!sim_take_value(call, call->args[1], SIM_STRING, &value))
		return;
	if (part.size > 0 && from + (int64_t)part.size > STRING_MAX) {
		sim_reply_error(call, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
		return;
	}
	if (part.size > 0) {
		if (!value)
			value = sim_make(sim_keys(call), call->args[1], SIM_STRING);
		end = (size_t)from + part.size;
		text.size = end > value->text.size ? end : value->text.size;
		text.data = sim_alloc(text.size + 1);
		if (value->text.size)
			memcpy((char *)text.data, value->text.data, value->text.size);
		memcpy((char *)text.data + from, part.data, part.size);
		free((char *)value->text.data);
		value->text = text;
	}
	sim_reply_int(call, value ? (int64_t)value->text.size : 0);
}

const struct sim_command sim_string_commands[] = {
	{"get", 2, .run = get},
	{"set", -3, .grows = true, .writes = true, .run = set},
	{"strlen", 2, .run = length},
	{"append", 3, .grows = true, .writes = true, .run = append},
	{"getrange", 4, .run = get_range},
	{"setrange", 4, .grows = true, .writes = true, .run = set_range},
	{0},
};
