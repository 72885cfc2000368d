#include "simulation/redis/lua.h"

#include <lauxlib.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/redis/server.h"

enum { ARGUMENTS_MAX = 9000, FEW_ARGUMENTS = 64 };

/* --- Replies as values --- */

static const char *line_of(const char **at, size_t *size)
{
	const char *line = *at, *end = strchr(line, '\r');

	ASSERT(end && end[1] == '\n');
	*size = (size_t)(end - line);
	*at = end + 2;
	return line;
}

static void push_field(lua_State *lua, const char *name, const char *text, size_t size)
{
	lua_createtable(lua, 0, 1);
	lua_pushlstring(lua, text, size);
	lua_setfield(lua, -2, name);
}

static void push_reply(lua_State *lua, const char **at)
{
	char type = *(*at)++;
	size_t size;
	const char *line = line_of(at, &size);
	int64_t number = sim_read_whole(line);

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
		lua_createtable(lua, number > 0 ? (int)number : 0, 0);
		for (int64_t i = 1; i <= number; i++) {
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

/*
 * As Redis makes a number an argument: in the place of the number, so that its text lives as long.
 */
static struct slice argument_of(lua_State *lua, int at)
{
	char number[40];
	size_t size;
	const char *text;

	if (lua_type(lua, at) == LUA_TNUMBER) {
		struct slice written = sim_number_text(number, lua_tonumber(lua, at));

		lua_pushlstring(lua, written.data, written.size);
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

/* Each function of `redis` has it. */
static struct sim_lua_running *running_of(lua_State *lua)
{
	return lua_touserdata(lua, lua_upvalueindex(1));
}

static void run_command(lua_State *lua, int count, struct buffer *out)
{
	const struct sim_lua_running *running = running_of(lua);
	struct slice few[FEW_ARGUMENTS], *args = count <= FEW_ARGUMENTS ? few : sim_alloc((size_t)count * sizeof(*args));
	struct sim_call call = {.args = args, .count = (size_t)count, .out = out, .script = true, .roomy = running->roomy};

	ASSERT(running->call && count <= ARGUMENTS_MAX);
	call.sim = running->call->sim;
	call.peer = running->call->peer;
	call.now_ms = running->call->now_ms;
	for (int i = 0; i < count; i++)
		args[i] = argument_of(lua, i + 1);
	sim_run(&call);
	if (args != few)
		free(args);
}

static void push_answer(lua_State *lua)
{
	struct buffer *out = &running_of(lua)->reply;
	int count = lua_gettop(lua);
	const char *at;

	check_arguments(lua, count);
	buffer_clear(out);
	run_command(lua, count, out);
	buffer_append(out, "", 1);
	ASSERT(!out->failed);
	at = out->data;
	push_reply(lua, &at);
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

void sim_lua_push_api(lua_State *lua, struct sim_lua_running *running)
{
	static const luaL_Reg functions[] = {{"call", call},
					     {"pcall", call_protected},
					     {"acl_check_cmd", may},
					     {"error_reply", error_reply},
					     {"status_reply", status_reply},
					     {NULL, NULL}};

	lua_newtable(lua);
	lua_pushlightuserdata(lua, running);
	luaL_openlib(lua, NULL, functions, 1);
}
