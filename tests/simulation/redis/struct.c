/*
 * Lua's library `struct`, as Redis has it in its sandbox: the part that the functions use, which is
 * integers and texts without alignment. Errors read as they do there.
 */
#include "simulation/redis/lua.h"

#include <ctype.h>
#include <limits.h>
#include <lauxlib.h>
#include <stdbool.h>

enum { INTEGER_MAX = 32 };

static size_t take_size(const char **format, size_t otherwise)
{
	size_t size = 0;

	if (!isdigit((unsigned char)**format))
		return otherwise;
	while (isdigit((unsigned char)**format))
		size = size * 10 + (size_t)(*(*format)++ - '0');
	return size;
}

static bool is_integer(int option)
{
	return option == 'b' || option == 'B' || option == 'h' || option == 'H' || option == 'i' || option == 'I';
}

static size_t size_of(lua_State *lua, int option, const char **format)
{
	size_t size;

	switch (option) {
	case 'b':
	case 'B':
		return 1;
	case 'h':
	case 'H':
		return sizeof(short);
	case 'c':
		return take_size(format, 1);
	case 'i':
	case 'I':
		size = take_size(format, sizeof(int));
		if (size > INTEGER_MAX)
			luaL_error(lua, "integral size %d is larger than limit of %d", (int)size, INTEGER_MAX);
		return size;
	default:
		return 0;
	}
}

static void take_order(lua_State *lua, int option, bool *big)
{
	const char *message;

	switch (option) {
	case ' ':
		break;
	case '<':
	case '>':
		*big = option == '>';
		break;
	default:
		message = lua_pushfstring(lua, "invalid format option '%c'", option);
		luaL_argerror(lua, 1, message);
	}
}

static void pack_integer(lua_State *lua, luaL_Buffer *out, int argument, bool big, size_t size)
{
	lua_Number number = luaL_checknumber(lua, argument);
	unsigned long value = number < 0 ? (unsigned long)(long)number : (unsigned long)number;
	char bytes[INTEGER_MAX];

	for (size_t i = 0; i < size; i++) {
		bytes[big ? size - 1 - i : i] = (char)(value & 0xff);
		value >>= 8;
	}
	luaL_addlstring(out, bytes, size);
}

static void pack_text(lua_State *lua, luaL_Buffer *out, int argument, size_t size)
{
	size_t length;
	const char *text = luaL_checklstring(lua, argument, &length);

	size = size ? size : length;
	luaL_argcheck(lua, length >= size, argument + 1, "string too short");
	luaL_addlstring(out, text, size);
}

static int pack(lua_State *lua)
{
	const char *format = luaL_checkstring(lua, 1);
	int argument = 2;
	bool big = false;
	luaL_Buffer out;

	lua_pushnil(lua); /* between the arguments and what the buffer keeps here */
	luaL_buffinit(lua, &out);
	while (*format) {
		int option = *format++;
		size_t size = size_of(lua, option, &format);

		if (is_integer(option))
			pack_integer(lua, &out, argument++, big, size);
		else if (option == 'c')
			pack_text(lua, &out, argument++, size);
		else
			take_order(lua, option, &big);
	}
	luaL_pushresult(&out);
	return 1;
}

static lua_Number integer_of(const char *bytes, size_t size, bool big, bool is_signed)
{
	unsigned long value = 0, sign;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | (unsigned char)bytes[big ? i : size - 1 - i];
	if (!is_signed)
		return (lua_Number)value;
	sign = size >= sizeof(value) ? 1UL << (sizeof(value) * CHAR_BIT - 1) : ~0UL << (size * CHAR_BIT - 1);
	if (value & sign)
		value |= sign;
	return (lua_Number)(long)value;
}

/* The number on top of the stack as a size; one that is none is beyond the end. */
static size_t size_before(lua_State *lua, size_t length)
{
	lua_Number size = lua_tonumber(lua, -1);

	return size > -1 && size <= (lua_Number)length ? (size_t)size : length + 1;
}

static int unpack(lua_State *lua)
{
	const char *format = luaL_checkstring(lua, 1), *data;
	size_t length, at;
	bool big = false;
	int results = 0;

	data = luaL_checklstring(lua, 2, &length);
	at = (size_t)luaL_optinteger(lua, 3, 1);
	luaL_argcheck(lua, at > 0, 3, "offset must be 1 or greater"); /* below 0 it is beyond the end */
	at--;
	while (*format) {
		int option = *format++;
		size_t size = size_of(lua, option, &format);

		luaL_argcheck(lua, size <= length && at <= length - size, 2, "data string too short");
		luaL_checkstack(lua, 2, "too many results");
		if (is_integer(option)) {
			lua_pushnumber(lua, integer_of(data + at, size, big, islower(option)));
			results++;
		} else if (option == 'c') {
			if (size == 0) {
				if (results == 0 || !lua_isnumber(lua, -1))
					return luaL_error(lua, "format 'c0' needs a previous size");
				size = size_before(lua, length);
				lua_pop(lua, 1);
				results--;
				luaL_argcheck(lua, size <= length && at <= length - size, 2, "data string too short");
			}
			lua_pushlstring(lua, data + at, size);
			results++;
		} else {
			take_order(lua, option, &big);
		}
		at += size;
	}
	lua_pushinteger(lua, (lua_Integer)at + 1);
	return results + 1;
}

void sim_lua_open_struct(lua_State *lua)
{
	static const luaL_Reg functions[] = {{"pack", pack}, {"unpack", unpack}, {NULL, NULL}};

	luaL_register(lua, "struct", functions);
	lua_pop(lua, 1);
}
