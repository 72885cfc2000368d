#include "simulation/redis/lua.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/redis/server.h"

enum { ARGUMENTS_MAX = 9000, FEW_ARGUMENTS = 64 };
static const lua_Number WHOLE_MAX = 1e15; /* %.17g tells a whole number up to here by its digits alone */

/* What redis.call() is part of: a userdata in the registry. */
struct context {
	struct sim_call *call;
	bool roomy;
};
static const char context_name[] = "context";

static struct context *context_of(lua_State *lua)
{
	struct context *context;

	lua_getfield(lua, LUA_REGISTRYINDEX, context_name);
	context = lua_touserdata(lua, -1);
	lua_pop(lua, 1);
	return context;
}

void sim_lua_set_call(lua_State *lua, struct sim_call *call, bool roomy)
{
	*context_of(lua) = (struct context){call, roomy};
}

/* --- Replies as values --- */

static const char *line_of(const char **at, size_t *size)
{
	const char *line = *at, *end = strstr(line, "\r\n");

	ASSERT(end);
	*size = (size_t)(end - line);
	*at = end + 2;
	return line;
}

static void push_field(lua_State *lua, const char *name, const char *text, size_t size)
{
	lua_newtable(lua);
	lua_pushlstring(lua, text, size);
	lua_setfield(lua, -2, name);
}

static void push_reply(lua_State *lua, const char **at)
{
	char type = *(*at)++;
	size_t size;
	const char *line = line_of(at, &size);
	long number = strtol(line, NULL, 10);

	luaL_checkstack(lua, 4, "too deep");
	switch (type) {
	case '+':
	case '-':
		push_field(lua, type == '+' ? "ok" : "err", line, size);
		break;
	case ':':
		lua_pushnumber(lua, (lua_Number)number);
		break;
	case '$':
		if (number < 0) {
			lua_pushboolean(lua, 0);
			break;
		}
		lua_pushlstring(lua, *at, (size_t)number);
		*at += number + 2;
		break;
	default:
		ASSERT(type == '*');
		lua_newtable(lua);
		for (long i = 1; i <= number; i++) {
			push_reply(lua, at);
			lua_rawseti(lua, -2, (int)i);
		}
	}
}

/* A field of the table on top as text; false: it has none. */
static bool take_field(lua_State *lua, const char *name, struct buffer *out, const char *mark)
{
	bool there;

	lua_getfield(lua, -1, name);
	there = lua_type(lua, -1) == LUA_TSTRING;
	if (there)
		buffer_printf(out, "%s%s\r\n", mark, lua_tostring(lua, -1));
	lua_pop(lua, 1);
	return there;
}

static void write_table(lua_State *lua, struct buffer *out)
{
	int count = 0;

	if (take_field(lua, "err", out, "-") || take_field(lua, "ok", out, "+"))
		return;
	for (lua_rawgeti(lua, -1, count + 1); !lua_isnil(lua, -1); lua_rawgeti(lua, -1, count + 1)) {
		count++;
		lua_pop(lua, 1);
	}
	lua_pop(lua, 1);
	sim_write_number(out, '*', count);
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(lua, -1, i);
		sim_lua_write(lua, out);
		lua_pop(lua, 1);
	}
}

void sim_lua_write(lua_State *lua, struct buffer *out)
{
	size_t size;
	const char *text;

	switch (lua_type(lua, -1)) {
	case LUA_TSTRING:
		text = lua_tolstring(lua, -1, &size);
		sim_write_number(out, '$', (int64_t)size);
		buffer_append(out, text, size);
		buffer_append_literal(out, "\r\n");
		break;
	case LUA_TNUMBER:
		sim_write_number(out, ':', (int64_t)lua_tonumber(lua, -1));
		break;
	case LUA_TBOOLEAN:
		buffer_append_text(out, lua_toboolean(lua, -1) ? ":1\r\n" : "$-1\r\n");
		break;
	case LUA_TTABLE:
		write_table(lua, out);
		break;
	default:
		buffer_append_literal(out, "$-1\r\n");
	}
}

/* --- The table `redis` --- */

/* snprintf of a double takes longer than most commands. */
static void write_whole(char *text, int64_t value)
{
	char digits[24];
	size_t count = 0;
	uint64_t left = value < 0 ? (uint64_t)-value : (uint64_t)value;

	do
		digits[count++] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (value < 0)
		*text++ = '-';
	while (count > 0)
		*text++ = digits[--count];
	*text = '\0';
}

/* As Redis makes a number an argument: in the place of the number, so that its text lives as long. */
static struct slice argument_of(lua_State *lua, int at)
{
	lua_Number value;
	char number[40];
	size_t size;
	const char *text;

	if (lua_type(lua, at) == LUA_TNUMBER) {
		value = lua_tonumber(lua, at);
		if (value >= -WHOLE_MAX && value <= WHOLE_MAX && value == (lua_Number)(int64_t)value &&
		    !(value == 0 && signbit(value)))
			write_whole(number, (int64_t)value);
		else
			snprintf(number, sizeof(number), "%.17g", (double)value);
		lua_pushstring(lua, number);
		lua_replace(lua, at);
	}
	text = lua_tolstring(lua, at, &size);
	return (struct slice){text, size};
}

static void check_arguments(lua_State *lua, int count)
{
	if (count == 0) {
		push_field(lua, "err", "ERR Please specify at least one argument for this redis.lib call", 63);
		lua_error(lua);
	}
	for (int i = 1; i <= count; i++)
		if (lua_type(lua, i) != LUA_TSTRING && lua_type(lua, i) != LUA_TNUMBER) {
			push_field(lua, "err", "ERR Lua redis lib command arguments must be strings or integers", 63);
			lua_error(lua);
		}
}

static void run_command(lua_State *lua, int count, struct buffer *out)
{
	const struct context *context = context_of(lua);
	struct slice few[FEW_ARGUMENTS], *args = count <= FEW_ARGUMENTS ? few : sim_alloc((size_t)count * sizeof(*args));
	struct sim_call call = {.args = args, .count = (size_t)count, .out = out, .script = true, .roomy = context->roomy};

	ASSERT(context->call && count <= ARGUMENTS_MAX);
	call.sim = context->call->sim;
	call.peer = context->call->peer;
	call.now_ms = context->call->now_ms;
	for (int i = 0; i < count; i++)
		args[i] = argument_of(lua, i + 1);
	sim_run(&call);
	if (args != few)
		free(args);
}

static void push_answer(lua_State *lua)
{
	int count = lua_gettop(lua);
	struct buffer out;
	const char *at;

	check_arguments(lua, count);
	buffer_init(&out, 1 << 30);
	run_command(lua, count, &out);
	buffer_append(&out, "", 1);
	ASSERT(!out.failed);
	at = out.data;
	push_reply(lua, &at);
	buffer_deinit(&out);
}

static bool is_error(lua_State *lua)
{
	bool error = false;

	if (lua_istable(lua, -1)) {
		lua_getfield(lua, -1, "err");
		error = lua_isstring(lua, -1);
		lua_pop(lua, 1);
	}
	return error;
}

static int call(lua_State *lua)
{
	push_answer(lua);
	return is_error(lua) ? lua_error(lua) : 1;
}

static int call_protected(lua_State *lua)
{
	push_answer(lua);
	return 1;
}

/* There is one user, who may everything. */
static int may(lua_State *lua)
{
	check_arguments(lua, lua_gettop(lua));
	lua_pushboolean(lua, 1);
	return 1;
}

static int error_reply(lua_State *lua)
{
	const char *text = luaL_checkstring(lua, 1);

	text += *text == '-';
	push_field(lua, "err", text, strlen(text));
	return 1;
}

static int status_reply(lua_State *lua)
{
	const char *text = luaL_checkstring(lua, 1);

	push_field(lua, "ok", text, strlen(text));
	return 1;
}

void sim_lua_push_api(lua_State *lua)
{
	static const luaL_Reg functions[] = {{"call", call},
					     {"pcall", call_protected},
					     {"acl_check_cmd", may},
					     {"error_reply", error_reply},
					     {"status_reply", status_reply},
					     {NULL, NULL}};
	struct context *context = lua_newuserdata(lua, sizeof(*context));

	*context = (struct context){0};
	lua_setfield(lua, LUA_REGISTRYINDEX, context_name);
	lua_newtable(lua);
	luaL_register(lua, NULL, functions);
}
