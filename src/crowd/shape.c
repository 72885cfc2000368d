#include "crowd/shape.h"

#include <stdlib.h>

const char *shape_check(const struct crowd_options *options)
{
	if (options->buyers + options->bots == 0 || options->buyers + options->bots > 10 * 1000 * 1000)
		return "a crowd has 1 to 10,000,000 buyers and bots";
	if (options->bots > 0 && (options->bot_requests == 0 || options->bot_requests > 100000))
		return "a bot sends 1 to 100,000 requests";
	if (options->bots * options->bot_requests > 100 * 1000 * 1000)
		return "the bots send more than 100,000,000 requests";
	if (options->connections == 0 || options->connections > 100000)
		return "a crowd has 1 to 100,000 connections";
	if (options->addresses > 16000000)
		return "there are 16,000,000 source addresses at most";
	if (options->server_count == 0 || options->server_count > POOL_SERVERS_MAX || options->operator_count > POOL_SERVERS_MAX)
		return "a crowd goes to 1 to 16 servers";
	for (size_t i = 0; options->addresses > 0 && i < options->server_count; i++)
		if (!pool_server_is_loopback4(&options->servers[i]))
			return "source addresses can be chosen only against a server on 127.0.0.0/8";
	if (options->sku_count == 0 || options->sku_count > CROWD_SKUS_MAX)
		return "the sale has no lots, or too many";
	if (options->quantity == 0)
		return "a purchase is of one unit at least";
	return NULL;
}

/*
 * SplitMix64: the crowd has a generator of its own, so that a seed gives the same crowd whatever
 * else draws random numbers.
 */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

bool shape_chance(uint64_t *state, double percent)
{
	return (double)(mix(state) >> 11) * 0x1p-53 * 100 < percent;
}

int64_t shape_between(uint64_t *state, int64_t least, int64_t most)
{
	return least >= most ? least : least + (int64_t)(mix(state) % (uint64_t)(most - least + 1));
}

/* Everybody's requests in one random order. */
static uint32_t *shuffled(const struct crowd_options *options, uint64_t *random, size_t count)
{
	uint32_t *order = calloc(count ? count : 1, sizeof(order[0]));
	size_t at = 0;

	if (!order)
		return NULL;
	for (size_t i = 0; i < options->buyers; i++)
		order[at++] = (uint32_t)i;
	for (size_t i = 0; i < options->bots; i++) {
		for (size_t j = 0; j < options->bot_requests; j++)
			order[at++] = (uint32_t)(options->buyers + i);
	}
	for (size_t i = count; i > 1; i--) {
		size_t other = mix(random) % i;
		uint32_t kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
	return order;
}

int shape_plan(const struct crowd_options *options, uint64_t *random, struct book *book, struct plan *plan)
{
	size_t count = options->buyers + options->bots * options->bot_requests;
	uint32_t *order = shuffled(options, random, count);
	int r = order ? plan_init(plan, count + options->buyers) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < count; i++) {
		bool person = order[i] < options->buyers;
		struct shot shot = {
			.due_ns = plan_arrival_time(options->arrival, i, count, options->over_ns),
			.purchase = book_add(book, order[i], (uint16_t)(mix(random) % options->sku_count)),
		};

		plan_append(plan, &shot);
		if (person && shape_chance(random, options->duplicates))
			plan_append(plan, &shot);
	}
	free(order);
	return r;
}
