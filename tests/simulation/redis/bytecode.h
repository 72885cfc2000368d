/*
 * Compiled texts, shared by all servers of the process: a simulation makes thousands of them, and
 * compiling the shipped library takes longer than a whole sale.
 */
#pragma once

#include <lua.h>
#include "text/slice.h"

/*
 * As luaL_loadbuffer(): the function on top of the stack, or the error. Functions behave as if
 * compiled anew.
 */
int sim_load_text(lua_State *lua, struct slice text, const char *name);
