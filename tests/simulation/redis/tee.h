/*
 * A transport that asks two servers the same: a real Redis, whose answers go on to the adapter, and
 * the one in the process. Any two replies that differ end the test, and say after how many.
 */
#pragma once

#include "simulation/redis/redis_sim.h"
#include "stock/redis/transport.h"

struct tee {
	struct redis_transport transport; /* first member */
	struct redis_sim *sim;
	uint64_t replies; /* compared */
	uint64_t random;
	/*
	 * The last command that the adapter sent, as a FCALL's arguments: what is varied. Their
	 * bytes are the tee's.
	 */
	char *last;
	size_t last_size;
};

/* SEED in the environment says how its random numbers begin. */
void tee_init(struct tee *tee, struct redis_sim *sim);
/* CALLS in the environment says how many there are to be; else so many. Prints both. */
uint64_t tee_calls(uint64_t calls);
void tee_deinit(struct tee *tee);
uint64_t tee_any(struct tee *tee, uint64_t below); /* random */
/* The very same: type, number, bytes, elements. */
bool tee_same(const redisReply *a, const redisReply *b);
/*
 * The arguments of the last command, up to `max`; 0: there was none, or it was no FCALL. They point
 * into `last`.
 */
int tee_last_call(const struct tee *tee, const char **arguments, size_t *sizes, int max);
/*
 * A command to both, and the real one's reply, which is the caller's. `compared`: they must be the
 * same.
 */
redisReply *tee_ask(struct tee *tee, struct redis_link *link, bool compared, int count, const char **arguments, const size_t *sizes);
