#include "stock/redis/library.h"

#include <stdlib.h>
#include "base/log.h"
#include "embedded_text.h"
#include "model/order.h"
#include "port/stock.h"
#include "stock/redis/redis_stock.h"

enum { TEXT_MAX = 1 << 20 };

static const char *const function_names[REDIS_FUNCTIONS] = {
	"reserve",  "settle", "find",  "orders",   "expire",           "acknowledge", "compensate", "claim",     "allocate",
	"withdraw", "brake",  "begin", "load",     "load_withdrawals", "find_loaded", "arm",        "drop",      "refresh",
	"keep",     "recall", "kept",  "keep_log", "recall_log",       "changes",     "attend",     "take_over", "check",
};

void redis_library_init(struct redis_library *library, uint32_t version)
{
	library->version = version;
	snprintf(library->name, sizeof(library->name), "penstock_%u", version);
	for (int i = 0; i < REDIS_FUNCTIONS; i++)
		snprintf(library->functions[i], sizeof(library->functions[i]), "%s_%s", library->name, function_names[i]);
}

/* --- Its text --- */

/* What Lua must know of C: told, so that the two cannot drift apart. */
static const struct {
	const char *name;
	int value;
} numbers[] = {
	/* whole answers, and those about one item */
	{"REPLAY", STOCK_REPLAY},
	{"NO_REPLAY", STOCK_NO_REPLAY},
	{"UNKNOWN_SALE", STOCK_UNKNOWN_SALE},
	{"NO_ORDER", STOCK_NO_ORDER},
	{"ALREADY", STOCK_ALREADY},
	{"REFUSED", STOCK_REFUSED},
	{"BUSY", STOCK_BUSY},
	{"ENDED", STOCK_EXPIRED},
	{"WRONG_AMOUNT", STOCK_WRONG_AMOUNT},
	{"PAID_ALREADY", STOCK_PAID_ALREADY},
	{"REFERENCE_USED", STOCK_REFERENCE_USED},
	{"STALE", REDIS_STALE},
	{"OUT_OF_RANGE", REDIS_OUT_OF_RANGE},
#define REFUSAL(name, number, ...) {#name, number},
	REFUSALS_BY_STOCK(REFUSAL)
#undef REFUSAL
	/* of an event that has come to its end */
	{"ACK_STAYS", STOCK_ACK_UNANSWERED},
	{"ACK_DONE", STOCK_ACK_DONE},
	{"ACK_ALREADY", STOCK_ACK_ALREADY},
	{"ACK_UNKNOWN", STOCK_ACK_UNKNOWN},
	{"ACK_OTHER_EPOCH", STOCK_ACK_OTHER_EPOCH},
	/* states, events, actions */
	{"HELD", ORDER_HELD},
	{"CONFIRMED", ORDER_CONFIRMED},
	{"CANCELLED", ORDER_CANCELLED},
	{"EXPIRED", ORDER_EXPIRED},
	{"RESERVED", EVENT_RESERVED},
	{"EV_CONFIRMED", EVENT_CONFIRMED},
	{"EV_CANCELLED", EVENT_CANCELLED},
	{"EV_REFUNDED", EVENT_REFUNDED},
	{"EV_EXPIRED", EVENT_EXPIRED},
	{"EV_EXTENDED", EVENT_EXTENDED},
	{"EV_WITHDRAWN", EVENT_WITHDRAWN},
	{"EV_PAID", EVENT_PAID},
	{"EV_REDUCED", EVENT_REDUCED},
	{"CONFIRM", ORDER_CONFIRM},
	{"CANCEL", ORDER_CANCEL},
	{"REFUND", ORDER_REFUND},
	{"EXPIRE", ORDER_EXPIRE},
	{"EXTEND", ORDER_EXTEND},
	{"REDUCE", ORDER_REDUCE},
	{"TO_SALE", UNITS_TO_SALE},
	/* flags, and what is to be done */
	{"SETTLING", REDIS_SETTLING},
	{"DURABLE", REDIS_DURABLE},
	{"COUNTED", REDIS_COUNTED},
	{"CLAIMED", REDIS_CLAIMED},
	{"REPLAY_ONLY", REDIS_REPLAY_ONLY},
	{"UNLIMITED", REDIS_UNLIMITED},
	{"LABELLED", REDIS_LABELLED},
	{"BROKEN.FORGET_BUYER", REDIS_FORGET_BUYER},
	{"BROKEN.RETURN_EARLY", REDIS_RETURN_EARLY},
	{"BROKEN.UNDO_CLAIMED", REDIS_UNDO_CLAIMED},
	{"BROKEN.IGNORE_FENCE", REDIS_IGNORE_FENCE},
	{"BRAKE.SET", REDIS_BRAKE_SET},
	{"BRAKE.RESTORE", REDIS_BRAKE_RESTORE},
	{"BRAKE.WRITTEN", REDIS_BRAKE_WRITTEN},
	{"BRAKE.CHANGES", STOCK_BRAKE_CHANGES},
	/* how many of a buyer's newest orders are kept */
	{"NEWEST_KEPT", STOCK_NEWEST},
};

/* Lua counts the names of a text, 200 at most: those that few functions use share one. */
static void write_numbers(struct buffer *text)
{
	buffer_append_literal(text, "local BROKEN, BRAKE = {}, {}\n");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		buffer_printf(text, "%s%s = %d\n", strchr(numbers[i].name, '.') ? "" : "local ", numbers[i].name, numbers[i].value);
}

/* MOVES[state][action] = {what order_next() says, the state after it} */
static void write_moves(struct buffer *text)
{
	buffer_append_literal(text, "local MOVES = {");
	for (int state = ORDER_HELD; state <= ORDER_EXPIRED; state++) {
		buffer_append_literal(text, "{");
		for (int action = ORDER_CONFIRM; action <= ORDER_REDUCE; action++) {
			enum order_state next;
			enum order_move move = order_next((enum order_state)state, (enum order_action)action, &next);

			buffer_printf(text, "{%d, %d}, ", (int)move, (int)next);
		}
		buffer_append_literal(text, "}, ");
	}
	buffer_append_literal(text, "}\n");
}

static int make_text(const struct redis_library *library, struct buffer *text)
{
	buffer_init(text, TEXT_MAX);
	buffer_printf(text, "#!lua name=%s\nlocal VERSION = %u\n", library->name, library->version);
	write_numbers(text);
	write_moves(text);
	buffer_append_text(text, embedded_text_redis_functions);
#ifdef PENSTOCK_TESTING
	/*
	 * A test's clock: milliseconds since 1970, standing still until it is set again; or one
	 * that goes on, so many of them away.
	 */
	buffer_append_literal(text,
			      "register('test_clock', function(_, args) test_ms = tonumber(args[1]) return 1 end, {'allow-oom'})\n"
			      "register('test_step', function(_, args) test_step = tonumber(args[1]) return 1 end, {'allow-oom'})\n");
#endif
	return text->failed ? error_origin(-ENOMEM) : 0;
}

/*
 * What takes the place of the first version's: that program compares the number in this text with
 * its own when it starts, and knows the refusal when it runs. It never changes, and is there for
 * good: nobody knows when the last such gate is gone.
 */
static const char retired_text[] =
	"#!lua name=penstock\n"
	"local VERSION = 2\n"
	"local function refuse() return redis.error_reply('PSVERSION a newer penstock sells from this Redis') end\n"
	"local names = {'reserve', 'settle', 'find', 'expire', 'acknowledge', 'compensate', 'claim', 'allocate', 'withdraw', 'begin',\n"
	"\t'load', 'arm', 'drop', 'refresh', 'check'}\n"
	"for i = 1, #names do\n"
	"\tredis.register_function{function_name = 'penstock_' .. names[i], callback = refuse, flags = {'allow-oom'}}\n"
	"end\n";

/* --- Commands --- */

static int to_error(const redisReply *reply)
{
	return strncmp(reply->str, "NOPERM", 6) == 0 ? -EACCES : -EIO;
}

static int load(struct redis_connection *connection, struct slice text, bool replace)
{
	redisReply *reply = replace ? redis_connection_command(connection, "FUNCTION LOAD REPLACE %b", text.data, text.size)
				    : redis_connection_command(connection, "FUNCTION LOAD %b", text.data, text.size);
	int r = 0;

	if (!reply)
		return -ENOTCONN;
	if (reply->type == REDIS_REPLY_ERROR && !strstr(reply->str, "already exists")) { /* another was faster */
		r = to_error(reply);
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

/* Takes the reply over where it is an error. 0 or negative. */
static int check_list(redisReply *list)
{
	int r;

	if (!list)
		return -ENOTCONN;
	if (list->type == REDIS_REPLY_ARRAY)
		return 0;
	r = list->type == REDIS_REPLY_ERROR ? to_error(list) : -EIO;
	log_error("stock", "Redis does not list its functions", LOG_TEXT("redis", list->str ? list->str : ""));
	freeReplyObject(list);
	return r;
}

/*
 * 0 or negative; *list is then the caller's. *code: the library's text, SLICE_NULL where it is not
 * there.
 */
static int find_code(struct redis_connection *connection, const char *name, redisReply **list, struct slice *code)
{
	int r;

	*list = redis_connection_command(connection, "FUNCTION LIST LIBRARYNAME %s WITHCODE", name);
	r = check_list(*list);
	*code = r == 0 && (*list)->elements > 0 ? value_of((*list)->element[0], "library_code") : SLICE_NULL;
	return r;
}

int redis_library_install(struct redis_connection *connection, const struct redis_library *library)
{
	redisReply *there;
	struct buffer text;
	struct slice code;
	int r = make_text(library, &text);

	if (r == 0)
		r = find_code(connection, library->name, &there, &code);
	if (r == 0) {
		if (!slice_equal(code, buffer_slice(&text)))
			r = load(connection, buffer_slice(&text), code.size > 0);
		if (r == 0 && code.size > 0 && !slice_equal(code, buffer_slice(&text)))
			log_warn("stock",
				 "functions of this version with another text were replaced: sales are fenced until they are rebuilt",
				 LOG_INT("version", library->version));
		freeReplyObject(there);
	}
	buffer_deinit(&text);
	return r;
}

int redis_library_restore(struct redis_connection *connection, const struct redis_library *library)
{
	struct buffer text;
	int r = make_text(library, &text);

	if (r == 0)
		r = load(connection, buffer_slice(&text), false);
	buffer_deinit(&text);
	if (r == 0)
		log_warn("stock", "Redis had forgotten the functions; its sales are fenced until they are rebuilt");
	return r;
}

/* --- Those of others --- */

int redis_library_has_first(struct redis_connection *connection)
{
	redisReply *list;
	struct slice code;
	int r = find_code(connection, "penstock", &list, &code);

	if (r < 0)
		return r;
	r = code.size > 0 && !slice_equal(code, slice_of(retired_text));
	freeReplyObject(list);
	return r;
}

int redis_library_retire_first(struct redis_connection *connection)
{
	return load(connection, slice_of(retired_text), true);
}

/* penstock_VERSION and nothing else; 0: it is no such name. */
static uint32_t version_of(struct slice name, const struct redis_library *own)
{
	char text[sizeof(own->name)], again[sizeof(own->name)];
	uint32_t version;

	if (name.size >= sizeof(text))
		return 0;
	snprintf(text, sizeof(text), "%.*s", (int)name.size, name.data);
	if (sscanf(text, "penstock_%u", &version) != 1)
		return 0;
	snprintf(again, sizeof(again), "penstock_%u", version);
	return strcmp(text, again) == 0 && version != own->version ? version : 0;
}

int redis_library_list(struct redis_connection *connection, const struct redis_library *library, uint32_t *versions, size_t max)
{
	redisReply *list = redis_connection_command(connection, "FUNCTION LIST LIBRARYNAME penstock_*");
	int r = check_list(list), count = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < list->elements && (size_t)count < max; i++) {
		uint32_t version = version_of(value_of(list->element[i], "library_name"), library);

		if (version)
			versions[count++] = version;
	}
	freeReplyObject(list);
	return count;
}

int redis_library_delete(struct redis_connection *connection, uint32_t version)
{
	redisReply *reply = redis_connection_command(connection, "FUNCTION DELETE penstock_%u", version);
	int r;

	if (!reply)
		return -ENOTCONN;
	r = reply->type == REDIS_REPLY_ERROR && !strstr(reply->str, "not found") ? to_error(reply) : 0;
	freeReplyObject(reply);
	return r;
}
