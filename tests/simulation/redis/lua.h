/*
 * What functions see of the server: the table `redis`, the library `struct`, and values as replies.
 */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include "text/buffer.h"

struct sim_call;

/* What redis.call() is part of. */
struct sim_lua_running {
	struct sim_call *call; /* the command that runs the function; NULL: none does */
	bool roomy;            /* it may where memory is full */
	struct buffer reply;   /* to redis.call(): between two it is nobody's */
};

void sim_lua_open_struct(lua_State *lua);
/* Pushes the table `redis` as functions have it while they run. */
void sim_lua_push_api(lua_State *lua, struct sim_lua_running *running);
/* The value on top of the stack as a reply. */
void sim_lua_write(lua_State *lua, struct buffer *out);
