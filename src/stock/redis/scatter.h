/*
 * A batch of questions of one kind about several sales, in one round trip: a call a sale, with an
 * argument for each of its items, and the answers in the same order.
 *
 *   redis_scatter_send()   groups the items by sale, asks, and is on its way
 *   redis_scatter_take()   hands each sale's answer to the question, and ends the trip
 */
#pragma once

#include "port/stock.h"
#include "stock/redis/trip.h"

enum { REDIS_BATCH = 256 }; /* items of one sale in one call: a call holds up every other one, and 256 take about a millisecond */

/* One sale's answer. */
struct redis_gathered {
	struct stock_redis *redis;
	uint32_t sale;
	enum redis_end end;
	int outcome; /* as redis_take_head() has it */
	struct redis_head head;
	struct redis_reader answer; /* behind the head */
	const uint16_t *members;    /* the sale's items, in the batch's order */
	size_t count;
};

struct redis_question {
	enum redis_function function;
	bool changes; /* something of it changes what is there */
	bool joined; /* all items of a call are one argument, each behind its size (2 bytes): Redis makes an object of each argument */
	uint32_t (*sale_of)(const void *items, size_t index);
	void (*ask)(struct buffer *out, const void *items, size_t index); /* where they are joined it may have nothing to say */
	/* `context` is that of redis_scatter_take(). */
	void (*take)(struct redis_gathered *gathered, void *items, void *context);
};

struct redis_scatter {
	const struct redis_question *question;
	struct redis_trip trip;
	/*
	 * The items by sale: `order` names them, those of one sale together and in the batch's
	 * order.
	 */
	uint16_t order[REDIS_BATCH];
	uint16_t starts[REDIS_BATCH + 1];
	uint16_t count; /* of sales */
};

/*
 * `items` as both functions of the question know them, at most REDIS_BATCH; they stay until the
 * answers are taken.
 */
void redis_scatter_send(struct redis_scatter *scatter, struct stock_redis *redis, const struct redis_question *question,
			const void *items, size_t count);
void redis_scatter_take(struct redis_scatter *scatter, void *items, void *context);
