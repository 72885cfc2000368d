#include "simulation/redis/bytecode.h"

#include <lauxlib.h>
#include <pthread.h>
#include "base/assertion.h"
#include "simulation/redis/table.h"
#include "text/buffer.h"

enum { TEXTS_MAX = 8, SIZE_MOST = 1 << 24 };

/* Never held where another thread may be chosen, so it is no seam. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct compiled {
	struct slice text;
	struct buffer code;
} compiled[TEXTS_MAX];
static size_t count;

static int write_code(lua_State *lua, const void *data, size_t size, void *code)
{
	(void)lua;
	buffer_append(code, data, size);
	return 0;
}

static const struct buffer *find(struct slice text)
{
	const struct buffer *code = NULL;

	pthread_mutex_lock(&mutex);
	for (size_t i = 0; i < count && !code; i++)
		if (sim_compare(compiled[i].text, text) == 0)
			code = &compiled[i].code;
	pthread_mutex_unlock(&mutex);
	return code;
}

/* The function on top of the stack. What is kept stays where it is until the process ends. */
static void keep(lua_State *lua, struct slice text)
{
	pthread_mutex_lock(&mutex);
	if (count < TEXTS_MAX) {
		compiled[count].text = sim_copy(text);
		buffer_init(&compiled[count].code, SIZE_MOST);
		ASSERT(lua_dump(lua, write_code, &compiled[count].code) == 0);
		ASSERT(!compiled[count].code.failed);
		count++;
	}
	pthread_mutex_unlock(&mutex);
}

int sim_load_text(lua_State *lua, struct slice text, const char *name)
{
	const struct buffer *code = find(text);
	int r;

	if (code)
		return luaL_loadbuffer(lua, code->data, code->size, name);
	r = luaL_loadbuffer(lua, text.data, text.size, name);
	if (r == 0)
		keep(lua, text);
	return r;
}
