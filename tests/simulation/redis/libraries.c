#include "simulation/redis/libraries.h"

#include <fnmatch.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/redis/bytecode.h"

enum { LIBRARY_NAME_MAX = 128 };

/*
 * What a library may see, and nothing of it may be changed: all that is there, but while it is
 * loaded `redis` alone.
 */
static const char sandbox[] =
	"local api = ...\n"
	"local error, tostring = error, tostring\n"
	"local function absent(_, name)\n"
	"  error(\"Script attempted to access nonexistent global variable '\" .. tostring(name) .. \"'\", 2) end\n"
	"return setmetatable({redis = api}, {__index = absent, __newindex = function(_, name)\n"
	"  error('Attempt to modify a readonly table: ' .. tostring(name)) end})\n";

static struct sim_scripts *scripts_of(lua_State *lua)
{
	struct sim_scripts *scripts;

	lua_getfield(lua, LUA_REGISTRYINDEX, "scripts");
	scripts = lua_touserdata(lua, -1);
	lua_pop(lua, 1);
	return scripts;
}

/* --- What a library does while it is loaded --- */

static bool has_flag(lua_State *lua, const char *flag)
{
	bool found = false;

	lua_getfield(lua, 1, "flags");
	for (int i = 1; lua_istable(lua, -1) && i <= (int)lua_objlen(lua, -1); i++) {
		lua_rawgeti(lua, -1, i);
		found |= lua_isstring(lua, -1) && strcmp(lua_tostring(lua, -1), flag) == 0;
		lua_pop(lua, 1);
	}
	lua_pop(lua, 1);
	return found;
}

/* With a name and a callback, or with a table of them and of flags. */
static int register_function(lua_State *lua)
{
	struct sim_scripts *scripts = scripts_of(lua);
	struct sim_function *function;
	struct sim_entry *entry;

	ASSERT(scripts->loading);
	if (lua_gettop(lua) == 2) {
		lua_newtable(lua);
		lua_pushvalue(lua, 1);
		lua_setfield(lua, -2, "function_name");
		lua_pushvalue(lua, 2);
		lua_setfield(lua, -2, "callback");
		lua_replace(lua, 1);
	}
	luaL_checktype(lua, 1, LUA_TTABLE);
	lua_getfield(lua, 1, "function_name");
	if (!lua_isstring(lua, -1))
		return luaL_error(lua, "redis.register_function must get a function name argument");
	entry = sim_table_put(&scripts->fresh, slice_of(lua_tostring(lua, -1)));
	if (entry->value)
		return luaL_error(lua, "Function already exists in the library");
	function = entry->value = sim_alloc(sizeof(*function));
	function->library = strdup(scripts->loading);
	function->no_writes = has_flag(lua, "no-writes");
	function->allow_oom = has_flag(lua, "allow-oom");
	lua_getfield(lua, 1, "callback");
	function->callback = luaL_ref(lua, LUA_REGISTRYINDEX);
	return 0;
}

static void push_sandbox(lua_State *lua)
{
	ASSERT(sim_load_text(lua, slice_of(sandbox), "sandbox") == 0);
	lua_newtable(lua);
	lua_pushcfunction(lua, register_function);
	lua_setfield(lua, -2, "register_function");
	lua_call(lua, 1, 1);
}

/* Runs the text, which registers functions. False, and its error is on top of the stack. */
static bool run_text(struct sim_scripts *scripts, struct slice text)
{
	lua_State *lua = scripts->lua;

	if (sim_load_text(lua, text, "@user_function") != 0)
		return false;
	push_sandbox(lua);
	lua_pushvalue(lua, -1);
	lua_insert(lua, -3); /* it stays below */
	lua_setfenv(lua, -2);
	if (lua_pcall(lua, 0, 0, 0) != 0) {
		lua_remove(lua, -2);
		return false;
	}
	lua_pushliteral(lua, "redis"); /* from now on there is redis.call(), and all else */
	lua_getfield(lua, LUA_REGISTRYINDEX, "api");
	lua_rawset(lua, -3);
	lua_getmetatable(lua, -1);
	lua_pushvalue(lua, LUA_GLOBALSINDEX);
	lua_setfield(lua, -2, "__index");
	lua_pop(lua, 2);
	return true;
}

/* --- Libraries --- */

static void drop_function(struct sim_scripts *scripts, struct sim_function *function)
{
	luaL_unref(scripts->lua, LUA_REGISTRYINDEX, function->callback);
	free(function->library);
	free(function);
}

static void drop_fresh(struct sim_scripts *scripts)
{
	while (scripts->fresh.count > 0) {
		drop_function(scripts, scripts->fresh.entries[0].value);
		sim_table_remove(&scripts->fresh, &scripts->fresh.entries[0]);
	}
}

/* Whether it was there. */
bool sim_library_drop(struct sim_scripts *scripts, struct slice name)
{
	struct sim_value libraries = {.type = SIM_HASH, .fields = scripts->libraries};
	bool there;

	buffer_clear(&scripts->listed);
	for (size_t i = scripts->functions.count; i > 0; i--) {
		struct sim_entry *entry = &scripts->functions.entries[i - 1];
		struct sim_function *function = entry->value;

		if (!slice_equal(slice_of(function->library), name))
			continue;
		drop_function(scripts, function);
		sim_table_remove(&scripts->functions, entry);
	}
	there = sim_hash_remove(&libraries, name);
	scripts->libraries = libraries.fields;
	return there;
}

/* The name in "#!lua name=NAME"; false: there is none. */
static bool take_name(struct slice text, char name[LIBRARY_NAME_MAX])
{
	static const char start[] = "#!lua name=";
	const char *end = memchr(text.data, '\n', text.size);
	size_t size;

	if (!end || text.size < sizeof(start) || memcmp(text.data, start, sizeof(start) - 1) != 0)
		return false;
	size = (size_t)(end - text.data) - (sizeof(start) - 1);
	if (size == 0 || size >= LIBRARY_NAME_MAX)
		return false;
	memcpy(name, text.data + sizeof(start) - 1, size);
	name[size] = '\0';
	return true;
}

/* What stands in the way of the functions that were just registered; NULL: nothing. */
static const char *clash(const struct sim_scripts *scripts, const char *library)
{
	for (size_t i = 0; i < scripts->fresh.count; i++) {
		const struct sim_entry *there = sim_table_find(&scripts->functions, scripts->fresh.entries[i].name);

		if (there && strcmp(((const struct sim_function *)there->value)->library, library) != 0)
			return there->name.data;
	}
	return NULL;
}

static void keep_fresh(struct sim_scripts *scripts, const char *name, struct slice text)
{
	struct sim_value libraries;

	sim_library_drop(scripts, slice_of(name));
	libraries = (struct sim_value){.type = SIM_HASH, .fields = scripts->libraries};
	sim_hash_set(&libraries, slice_of(name), text);
	scripts->libraries = libraries.fields;
	for (size_t i = 0; i < scripts->fresh.count; i++)
		sim_table_put(&scripts->functions, scripts->fresh.entries[i].name)->value = scripts->fresh.entries[i].value;
	while (scripts->fresh.count > 0)
		sim_table_remove(&scripts->fresh, &scripts->fresh.entries[0]);
}

void sim_library_load(struct sim_call *call)
{
	struct sim_scripts *scripts = call->sim->scripts;
	struct slice text = call->args[call->count - 1], code;
	bool replace = call->count == 4 && sim_is(call->args[2], "REPLACE"), fine;
	char name[LIBRARY_NAME_MAX];
	const char *other;

	if (!take_name(text, name)) {
		sim_reply_error(call, "ERR Missing library metadata");
		return;
	}
	if (!replace && sim_table_find(&scripts->libraries, slice_of(name))) {
		buffer_printf(call->out, "-ERR Library '%s' already exists\r\n", name);
		return;
	}
	code.data = memchr(text.data, '\n', text.size); /* from the first line's end on, so that lines keep their numbers */
	code.size = text.size - (size_t)(code.data - text.data);
	scripts->loading = name;
	fine = run_text(scripts, code);
	scripts->loading = NULL;
	other = fine ? clash(scripts, name) : NULL;
	if (!fine) {
		buffer_printf(call->out, "-ERR Error registering functions: ERR %s\r\n", lua_tostring(scripts->lua, -1));
		lua_pop(scripts->lua, 1);
	} else if (other) {
		buffer_printf(call->out, "-ERR Function %s already exists\r\n", other);
	} else if (scripts->fresh.count == 0) {
		sim_reply_error(call, "ERR No functions registered");
	} else {
		keep_fresh(scripts, name, text);
		sim_reply_text(call, slice_of(name));
		return;
	}
	drop_fresh(scripts);
}

static void list_functions(struct sim_call *call, struct slice library)
{
	const struct sim_table *functions = &call->sim->scripts->functions;
	size_t count = 0;

	for (int told = 0; told < 2; told++) {
		if (told)
			sim_reply_array(call, count);
		for (size_t i = 0; i < functions->count; i++) {
			const struct sim_function *function = functions->entries[i].value;

			if (!slice_equal(slice_of(function->library), library))
				continue;
			count++;
			if (!told)
				continue;
			sim_reply_array(call, 6);
			sim_reply_text(call, SLICE("name"));
			sim_reply_text(call, functions->entries[i].name);
			sim_reply_text(call, SLICE("description"));
			sim_reply_nil(call);
			sim_reply_text(call, SLICE("flags"));
			sim_reply_array(call, (size_t)function->no_writes + function->allow_oom);
			if (function->no_writes)
				buffer_append_literal(call->out, "+no-writes\r\n");
			if (function->allow_oom)
				buffer_append_literal(call->out, "+allow-oom\r\n");
		}
	}
}

static void list_libraries(struct sim_call *call, const char *pattern, bool code)
{
	const struct sim_table *libraries = &call->sim->scripts->libraries;
	size_t count = 0;

	for (size_t i = 0; i < libraries->count; i++)
		count += fnmatch(pattern, libraries->entries[i].name.data, 0) == 0;
	sim_reply_array(call, count);
	for (size_t i = 0; i < libraries->count; i++) {
		if (fnmatch(pattern, libraries->entries[i].name.data, 0) != 0)
			continue;
		sim_reply_array(call, code ? 8 : 6);
		sim_reply_text(call, SLICE("library_name"));
		sim_reply_text(call, libraries->entries[i].name);
		sim_reply_text(call, SLICE("engine"));
		sim_reply_text(call, SLICE("LUA"));
		sim_reply_text(call, SLICE("functions"));
		list_functions(call, libraries->entries[i].name);
		if (code) {
			sim_reply_text(call, SLICE("library_code"));
			sim_reply_text(call, *(const struct slice *)libraries->entries[i].value);
		}
	}
}

void sim_library_list(struct sim_call *call)
{
	struct buffer *listed = &call->sim->scripts->listed;
	const char *pattern = "*";
	size_t from = call->out->size;
	bool code = false, usual;

	for (size_t i = 2; i < call->count; i++) {
		if (sim_is(call->args[i], "WITHCODE"))
			code = true;
		else if (sim_is(call->args[i], "LIBRARYNAME") && i + 1 < call->count)
			pattern = call->args[++i].data;
	}
	usual = !code && strcmp(pattern, "penstock_*") == 0;
	if (usual && listed->size > 0) {
		buffer_append(call->out, listed->data, listed->size);
		return;
	}
	list_libraries(call, pattern, code);
	if (usual && !call->out->failed)
		buffer_append(listed, call->out->data + from, call->out->size - from);
}

void sim_libraries_forget(struct sim_scripts *scripts)
{
	while (scripts->libraries.count > 0)
		sim_library_drop(scripts, scripts->libraries.entries[0].name);
}
