/* What functions see of the server: the table `redis`, the library `struct`, and values as replies. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include "base/buffer.h"

struct sim_call;

void sim_lua_open_struct(lua_State *lua);
/* Pushes the table `redis` as functions have it while they run. */
void sim_lua_push_api(lua_State *lua);
/* The command that runs the function from here on; NULL: none does. `roomy`: it may where memory is full. */
void sim_lua_set_call(lua_State *lua, struct sim_call *call, bool roomy);
/* The value on top of the stack as a reply. */
void sim_lua_write(lua_State *lua, struct buffer *out);
