#include "stock/redis/library.h"

#include <stdlib.h>
#include "base/log.h"
#include "embedded_text.h"
#include "model/order.h"
#include "port/stock.h"
#include "stock/redis/private.h"

enum { TEXT_MAX = 1 << 20 };

static const char version_mark[] = "\nlocal VERSION = ";

/* What Lua must know of C: told, so that the two cannot drift apart. */
static void write_outcomes(struct buffer *text)
{
	static const struct {
		const char *name;
		int value;
	} outcomes[] = {
		{"REPLAY", STOCK_REPLAY},
		{"KEY_CONFLICT", STOCK_KEY_CONFLICT},
		{"NO_REPLAY", STOCK_NO_REPLAY},
		{"RATE_LIMITED", STOCK_RATE_LIMITED},
		{"BUYER_LIMIT", STOCK_BUYER_LIMIT},
		{"SOLD_OUT", STOCK_SOLD_OUT},
		{"UNKNOWN_SALE", STOCK_UNKNOWN_SALE},
		{"FENCED", STOCK_FENCED},
		{"FULL", STOCK_FULL},
		{"NO_ORDER", STOCK_NO_ORDER},
		{"ALREADY", STOCK_ALREADY},
		{"REFUSED", STOCK_REFUSED},
		{"BUSY", STOCK_BUSY},
		{"ENDED", STOCK_EXPIRED},
		{"PAUSED", STOCK_PAUSED},
		{"STALE", REDIS_STALE},
		{"OUT_OF_RANGE", REDIS_OUT_OF_RANGE},
	};

	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		buffer_printf(text, "local %s = %d\n", outcomes[i].name, outcomes[i].value);
}

/* MOVES[state][action] = {what order_next() says, the state after it} */
static void write_moves(struct buffer *text)
{
	buffer_append_literal(text, "local MOVES = {");
	for (int state = ORDER_HELD; state <= ORDER_EXPIRED; state++) {
		buffer_append_literal(text, "{");
		for (int action = ORDER_CONFIRM; action <= ORDER_EXTEND; action++) {
			enum order_state next;
			enum order_move move = order_next((enum order_state)state, (enum order_action)action, &next);

			buffer_printf(text, "{%d, %d}, ", (int)move, (int)next);
		}
		buffer_append_literal(text, "}, ");
	}
	buffer_append_literal(text, "}\n");
}

static int make_text(struct buffer *text)
{
	buffer_init(text, TEXT_MAX);
	buffer_append_literal(text, "#!lua name=penstock\n");
	write_outcomes(text);
	write_moves(text);
	buffer_append_text(text, embedded_text_redis_functions);
#ifdef PENSTOCK_TESTING
	/* A test's clock: milliseconds since 1970, standing still until it is set again; or one that goes on, so many of them away. */
	buffer_append_literal(text,
			      "register('test_clock', function(_, args) test_ms = tonumber(args[1]) return 1 end, {'allow-oom'})\n"
			      "register('test_step', function(_, args) test_step = tonumber(args[1]) return 1 end, {'allow-oom'})\n");
#endif
	return text->failed ? error_origin(-ENOMEM) : 0;
}

static int version_of(struct slice text)
{
	const char *found = text.size ? memmem(text.data, text.size, version_mark, sizeof(version_mark) - 1) : NULL;

	return found ? atoi(found + sizeof(version_mark) - 1) : 0;
}

static int load(struct redis_connection *connection, const struct buffer *text, bool replace)
{
	redisReply *reply = replace ? redis_connection_command(connection, "FUNCTION LOAD REPLACE %b", text->data, text->size)
				    : redis_connection_command(connection, "FUNCTION LOAD %b", text->data, text->size);
	int r = 0;

	if (!reply)
		return -ENOTCONN;
	if (reply->type == REDIS_REPLY_ERROR && !strstr(reply->str, "already exists")) { /* another was faster */
		r = strncmp(reply->str, "NOPERM", 6) == 0 ? -EACCES : -EIO;
		log_error("stock", "Redis does not take the functions", LOG_TEXT("redis", reply->str));
	}
	freeReplyObject(reply);
	return r;
}

/* The value of a name in a flat list of names and values. */
static struct slice value_of(const redisReply *list, const char *name)
{
	for (size_t i = 0; list->type == REDIS_REPLY_ARRAY && i + 1 < list->elements; i += 2)
		if (list->element[i]->type == REDIS_REPLY_STRING && strcmp(list->element[i]->str, name) == 0 &&
		    list->element[i + 1]->type == REDIS_REPLY_STRING)
			return (struct slice){list->element[i + 1]->str, list->element[i + 1]->len};
	return SLICE_NULL;
}

static int install(struct redis_connection *connection, const redisReply *there, const struct buffer *text)
{
	struct slice code = SLICE_NULL;
	int r;

	if (there->type == REDIS_REPLY_ERROR) {
		log_error("stock", "Redis does not list its functions", LOG_TEXT("redis", there->str));
		return strncmp(there->str, "NOPERM", 6) == 0 ? -EACCES : -EIO;
	}
	if (there->elements > 0)
		code = value_of(there->element[0], "library_code");
	if (slice_equal(code, buffer_slice(text)))
		return REDIS_LIBRARY_SAME;
	if (version_of(code) > version_of(buffer_slice(text))) {
		log_error("stock", "a newer penstock uses this Redis: run that one, or another database server");
		return -ENOTSUP;
	}
	r = load(connection, text, code.size > 0);
	if (r < 0)
		return r;
	if (code.size > 0)
		log_warn("stock", "the functions of another penstock were replaced: its sales are fenced until they are built again");
	return code.size > 0 ? REDIS_LIBRARY_REPLACED : REDIS_LIBRARY_LOADED;
}

int redis_library_install(struct redis_connection *connection)
{
	struct buffer text;
	redisReply *there;
	int r = make_text(&text);

	if (r == 0) {
		there = redis_connection_command(connection, "FUNCTION LIST LIBRARYNAME penstock WITHCODE");
		r = there ? install(connection, there, &text) : -ENOTCONN;
		if (there)
			freeReplyObject(there);
	}
	buffer_deinit(&text);
	return r;
}

int redis_library_restore(struct redis_connection *connection)
{
	struct buffer text;
	int r = make_text(&text);

	if (r == 0)
		r = load(connection, &text, false);
	buffer_deinit(&text);
	if (r == 0)
		log_warn("stock", "Redis had forgotten the functions; its sales are fenced until they are built again");
	return r;
}
