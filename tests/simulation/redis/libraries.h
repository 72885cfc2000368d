/* Libraries of functions, and the interpreter that runs them. */
#pragma once

#include <lua.h>
#include "simulation/redis/heap.h"
#include "simulation/redis/lua.h"
#include "simulation/redis/server.h"

struct sim_function {
	char *library;
	int callback; /* in Lua's registry */
	bool no_writes, allow_oom;
};

struct sim_scripts {
	struct sim_heap *heap;
	lua_State *lua;
	struct sim_lua_running running;
	struct sim_table libraries, functions; /* slices: their text; struct sim_function */
	struct buffer listed; /* the reply to FUNCTION LIST as gates ask it each second; empty: it is made anew */
	/* While a library is loaded. */
	struct sim_table fresh;
	const char *loading;
};

/* FUNCTION LOAD, LIST. */
void sim_library_load(struct sim_call *call);
void sim_library_list(struct sim_call *call);
/* Whether it was there. */
bool sim_library_drop(struct sim_scripts *scripts, struct slice name);
void sim_libraries_forget(struct sim_scripts *scripts);
