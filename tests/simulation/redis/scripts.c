/* FUNCTION and FCALL, and the interpreter. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/redis/libraries.h"

/* Says where an error came from, as Redis does. */
static const char error_handler[] = "local dbg = debug\n"
				    "return function(err)\n"
				    "  local i = dbg.getinfo(2, 'nSl')\n"
				    "  if i and i.what == 'C' then i = dbg.getinfo(3, 'nSl') end\n"
				    "  if type(err) ~= 'table' then err = {err = 'ERR ' .. tostring(err)} end\n"
				    "  if i then err.source, err.line = i.source, i.currentline end\n"
				    "  return err\n"
				    "end\n";

static void forget_libraries(struct sim_call *call)
{
	sim_libraries_forget(call->sim->scripts);
	sim_reply_ok(call);
}

static void drop_library(struct sim_call *call)
{
	if (sim_library_drop(call->sim->scripts, call->args[2]))
		sim_reply_ok(call);
	else
		sim_reply_error(call, "ERR Library not found");
}

/* What replicas do too. */
static void change_libraries(struct sim_call *call, sim_handler *change)
{
	size_t from = call->out->size;

	if (sim_refuses_write(call))
		return;
	change(call);
	if (call->out->data[from] != '-')
		sim_record_command(call);
}

static void function(struct sim_call *call)
{
	if (sim_is(call->args[1], "LOAD") && call->count >= 3)
		change_libraries(call, sim_library_load);
	else if (sim_is(call->args[1], "LIST"))
		sim_library_list(call);
	else if (sim_is(call->args[1], "FLUSH"))
		change_libraries(call, forget_libraries);
	else if (sim_is(call->args[1], "DELETE") && call->count == 3)
		change_libraries(call, drop_library);
	else
		sim_reply_error(call, "ERR unknown subcommand or wrong number of arguments for FUNCTION");
}

/* --- FCALL --- */

static void push_texts(lua_State *lua, const struct slice *texts, size_t count)
{
	lua_createtable(lua, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushlstring(lua, texts[i].data, texts[i].size);
		lua_rawseti(lua, -2, (int)i + 1);
	}
}

/* The error on top of the stack, as the handler has left it. */
static void reply_failure(struct sim_call *call, lua_State *lua)
{
	lua_getfield(lua, -1, "err");
	lua_getfield(lua, -2, "source");
	lua_getfield(lua, -3, "line");
	buffer_printf(call->out, "-%s script: %s", lua_tostring(lua, -3), call->args[1].data);
	if (lua_isstring(lua, -2) && lua_isnumber(lua, -1))
		buffer_printf(call->out, ", on %s:%d.", lua_tostring(lua, -2), (int)lua_tointeger(lua, -1));
	buffer_append_literal(call->out, "\r\n");
	lua_pop(lua, 3);
}

static void run_function(struct sim_call *call, const struct sim_function *function, size_t keys)
{
	struct sim_lua_running *running = &call->sim->scripts->running;
	lua_State *lua = call->sim->scripts->lua;

	lua_getfield(lua, LUA_REGISTRYINDEX, "error_handler");
	lua_rawgeti(lua, LUA_REGISTRYINDEX, function->callback);
	push_texts(lua, call->args + 3, keys);
	push_texts(lua, call->args + 3 + keys, call->count - 3 - keys);
	running->call = call;
	running->roomy = function->allow_oom;
	if (lua_pcall(lua, 2, 1, -4) == 0)
		sim_lua_write(lua, call->out);
	else
		reply_failure(call, lua);
	running->call = NULL;
	lua_settop(lua, 0);
}

static void fcall(struct sim_call *call)
{
	const struct sim_entry *entry = sim_table_find(&call->sim->scripts->functions, call->args[1]);
	const struct sim_function *function = entry ? entry->value : NULL;
	char *end;
	long keys;

	if (!function) {
		sim_reply_error(call, "ERR Function not found");
		return;
	}
	keys = strtol(call->args[2].data, &end, 10);
	if (*end || end == call->args[2].data)
		sim_reply_error(call, "ERR Bad number of keys provided");
	else if (keys > (long)call->count - 3)
		sim_reply_error(call, "ERR Number of keys can't be greater than number of args");
	else if (keys < 0)
		sim_reply_error(call, "ERR Number of keys can't be negative");
	else if (!function->no_writes && call->sim->replica)
		sim_reply_error(call, "READONLY You can't write against a read only replica.");
	else if (!function->no_writes && !sim_has_good_replicas(call->sim))
		sim_reply_error(call, "NOREPLICAS Not enough good replicas to write.");
	else if (!function->no_writes && !function->allow_oom && sim_is_full(call->sim))
		sim_reply_error(call, "OOM allow-oom flag is not set on the function, can not run it when used memory > 'maxmemory'");
	else
		run_function(call, function, (size_t)keys);
}

const struct sim_command sim_script_commands[] = {
	{"function", -2, .apart = true, .run = function},
	{"fcall", -3, .apart = true, .run = fcall},
	{0},
};

/* --- The interpreter --- */

static void open_libraries(lua_State *lua)
{
	static const luaL_Reg libraries[] = {{"", luaopen_base},
					     {LUA_TABLIBNAME, luaopen_table},
					     {LUA_STRLIBNAME, luaopen_string},
					     {LUA_MATHLIBNAME, luaopen_math},
					     {LUA_DBLIBNAME, luaopen_debug}};
	static const char *const hidden[] = {"dofile", "loadfile", "print", LUA_DBLIBNAME};

	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		lua_pushcfunction(lua, libraries[i].func);
		lua_pushstring(lua, libraries[i].name);
		lua_call(lua, 1, 0);
	}
	ASSERT(luaL_loadstring(lua, error_handler) == 0);
	lua_call(lua, 0, 1);
	lua_setfield(lua, LUA_REGISTRYINDEX, "error_handler");
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		lua_pushnil(lua);
		lua_setglobal(lua, hidden[i]);
	}
}

struct sim_scripts *sim_scripts_new(void)
{
	struct sim_scripts *scripts = sim_alloc(sizeof(*scripts));
	lua_State *lua;

	scripts->heap = sim_heap_new();
	lua = lua_newstate(sim_heap_resize, scripts->heap);
	ASSERT(lua);
	scripts->lua = lua;
	open_libraries(lua);
	sim_lua_open_struct(lua);
	lua_pushlightuserdata(lua, scripts);
	lua_setfield(lua, LUA_REGISTRYINDEX, "scripts");
	buffer_init(&scripts->running.reply, 1 << 30);
	buffer_init(&scripts->listed, 1 << 30);
	sim_lua_push_api(lua, &scripts->running);
	lua_setfield(lua, LUA_REGISTRYINDEX, "api");
	return scripts;
}

void sim_scripts_free(struct sim_scripts *scripts)
{
	sim_libraries_forget(scripts);
	free(scripts->libraries.entries);
	free(scripts->functions.entries);
	free(scripts->fresh.entries);
	lua_close(scripts->lua);
	sim_heap_free(scripts->heap);
	buffer_deinit(&scripts->running.reply);
	buffer_deinit(&scripts->listed);
	free(scripts);
}

void sim_scripts_renew(struct redis_sim *sim, struct sim_scripts *model)
{
	struct sim_scripts *former = sim->scripts;
	struct buffer out;

	sim->scripts = sim_scripts_new();
	buffer_init(&out, 1 << 16);
	for (size_t i = 0; model && i < model->libraries.count; i++) {
		struct slice args[] = {SLICE("FUNCTION"), SLICE("LOAD"), *(const struct slice *)model->libraries.entries[i].value};
		struct sim_call call = {.sim = sim, .args = args, .count = 3, .out = &out};

		sim_library_load(&call);
	}
	buffer_deinit(&out);
	sim_scripts_free(former);
}
