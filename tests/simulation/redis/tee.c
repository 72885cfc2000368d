#include "simulation/redis/tee.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"
#include "simulation/redis/table.h"

/* A link's peer: the way to the server in the process. */
static struct redis_link *other_of(const struct redis_link *link)
{
	return link->peer;
}

static struct tee *tee_of(const struct redis_link *link)
{
	return (struct tee *)link->transport;
}

static int open_both(struct redis_link *link, const struct redis_address *address, const struct redis_timeouts *timeouts)
{
	struct redis_link *other = sim_alloc(sizeof(*other));
	const struct redis_transport *transport = redis_sim_transport(tee_of(link)->sim);

	*other = (struct redis_link){.transport = transport};
	link->peer = other;
	assert_int_equal(transport->open(other, address, timeouts), REDIS_OK);
	return redis_sockets.open(link, address, timeouts);
}

static void keep_last(struct tee *tee, const char *bytes, size_t size)
{
	free(tee->last);
	tee->last = sim_alloc(size + 1);
	memcpy(tee->last, bytes, size);
	tee->last_size = size;
}

static int write_both(struct redis_link *link, int *done)
{
	redisContext *context = link->context;
	struct redis_link *other = other_of(link);
	size_t size = sdslen(context->obuf);
	int r = REDIS_OK;

	*done = size == 0;
	if (*done)
		return r;
	keep_last(tee_of(link), context->obuf, size);
	assert_int_equal(redisAppendFormattedCommand(other->context, context->obuf, size), REDIS_OK);
	while (!*done && r == REDIS_OK)
		r = redis_sockets.write(link, done);
	*done = 0;
	assert_int_equal(other->transport->write(other, done), REDIS_OK);
	return r;
}

bool tee_same(const redisReply *a, const redisReply *b)
{
	bool same = a->type == b->type && a->integer == b->integer && a->len == b->len && a->elements == b->elements;

	if (same && a->len > 0)
		same = memcmp(a->str, b->str, a->len) == 0;
	for (size_t i = 0; same && i < a->elements; i++)
		same = tee_same(a->element[i], b->element[i]);
	return same;
}

static void print_bytes(const char *what, const char *bytes, size_t size)
{
	print_error("%s (%zu): ", what, size);
	for (size_t i = 0; i < size && i < 600; i++)
		print_error(bytes[i] >= ' ' && bytes[i] <= '~' ? "%c" : "\\x%02x", (unsigned char)bytes[i]);
	print_error("\n");
}

static void print_reply(const char *what, const redisReply *reply)
{
	print_error("%s: type %d number %lld elements %zu\n", what, reply->type, reply->integer, reply->elements);
	if (reply->str)
		print_bytes("  bytes", reply->str, reply->len);
	for (size_t i = 0; i < reply->elements; i++)
		print_reply("  element", reply->element[i]);
}

static redisReply *reply_of_both(struct redis_link *link, bool compared)
{
	struct redis_link *other = other_of(link);
	struct tee *tee = tee_of(link);
	void *real = NULL, *ours = NULL;
	int done;

	assert_int_equal(write_both(link, &done), REDIS_OK);
	assert_int_equal(redis_sockets.reply(link, &real), REDIS_OK);
	assert_int_equal(other->transport->reply(other, &ours), REDIS_OK);
	tee->replies++;
	if (compared && !tee_same(real, ours)) {
		print_bytes("after", tee->last, tee->last_size);
		print_reply("Redis", real);
		print_reply("in the process", ours);
		fail_msg("reply %llu differs", (unsigned long long)tee->replies);
	}
	freeReplyObject(ours);
	return real;
}

/* Lists of settings and of functions have no order, and who the server is differs. */
static int reply_to_adapter(struct redis_link *link, void **reply)
{
	struct tee *tee = tee_of(link);
	int done;

	assert_int_equal(write_both(link, &done), REDIS_OK);
	*reply = reply_of_both(link, tee->last_size > 0 && strstr(tee->last, "FCALL") != NULL);
	return REDIS_OK;
}

static bool both_are_quiet(const struct redis_link *link)
{
	const struct redis_link *other = other_of(link);

	return redis_sockets.is_quiet(link) && other->transport->is_quiet(other);
}

static void close_both(struct redis_link *link)
{
	struct redis_link *other = other_of(link);

	other->transport->close(other);
	free(other);
	redis_sockets.close(link);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

void tee_init(struct tee *tee, struct redis_sim *sim)
{
	*tee = (struct tee){.sim = sim, .random = number_of("SEED", 1)};
	tee->transport = (struct redis_transport){
		.open = open_both, .write = write_both, .reply = reply_to_adapter, .is_quiet = both_are_quiet, .close = close_both};
}

uint64_t tee_calls(uint64_t calls)
{
	calls = number_of("CALLS", calls);
	print_message("SEED=%llu CALLS=%llu\n", (unsigned long long)number_of("SEED", 1), (unsigned long long)calls);
	return calls;
}

uint64_t tee_any(struct tee *tee, uint64_t below)
{
	uint64_t z = tee->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

void tee_deinit(struct tee *tee)
{
	free(tee->last);
}

int tee_last_call(const struct tee *tee, const char **arguments, size_t *sizes, int max)
{
	const char *at = tee->last, *line;
	long count = 0;

	if (!at || *at != '*')
		return 0;
	count = strtol(at + 1, NULL, 10);
	at = strchr(at, '\n') + 1;
	if (count < 4 || count > max)
		return 0;
	for (long i = 0; i < count; i++) {
		ASSERT(*at == '$');
		sizes[i] = (size_t)strtol(at + 1, NULL, 10);
		line = strchr(at, '\n');
		arguments[i] = line + 1;
		at = line + 1 + sizes[i] + 2;
	}
	return sizes[0] == 5 && memcmp(arguments[0], "FCALL", 5) == 0 ? (int)count : 0;
}

redisReply *tee_ask(struct tee *tee, struct redis_link *link, bool compared, int count, const char **arguments, const size_t *sizes)
{
	char *last = tee->last;
	size_t last_size = tee->last_size;
	redisReply *reply;

	assert_int_equal(redisAppendCommandArgv(link->context, count, arguments, sizes), REDIS_OK);
	tee->last = NULL;
	reply = reply_of_both(link, compared);
	free(tee->last); /* what the adapter sent is kept */
	tee->last = last;
	tee->last_size = last_size;
	return reply;
}
