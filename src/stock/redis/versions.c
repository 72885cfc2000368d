#include "stock/redis/versions.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/random.h"

/* What was heard longer ago says nothing about who may take over. */
static const int64_t OLD_NEWS_NS = 2000000000;

int redis_versions_init(struct redis_versions *versions, uint32_t own)
{
	*versions = (struct redis_versions){.own = own, .gates = calloc(REDIS_GATES_MAX, sizeof(struct redis_other_gate))};
	lock_init(&versions->lock);
	snprintf(versions->name, sizeof(versions->name), "%u %016llx%016llx", own, (unsigned long long)random_u64(),
		 (unsigned long long)random_u64());
	return versions->gates ? 0 : error_origin(-ENOMEM);
}

void redis_versions_deinit(struct redis_versions *versions)
{
	lock_deinit(&versions->lock);
	free(versions->gates);
}

static const struct redis_other_gate *find(const struct redis_versions *versions, const char *name)
{
	for (size_t i = 0; i < versions->count; i++)
		if (strcmp(versions->gates[i].name, name) == 0)
			return &versions->gates[i];
	return NULL;
}

void redis_versions_take(struct redis_versions *versions, uint32_t selling, const struct redis_other_gate *gates, size_t count,
			 int64_t now_ns)
{
	struct redis_other_gate there[REDIS_GATES_MAX];

	count = count < REDIS_GATES_MAX ? count : REDIS_GATES_MAX;
	lock_take(&versions->lock);
	versions->selling = selling;
	versions->heard_ns = now_ns;
	for (size_t i = 0; i < count; i++) {
		const struct redis_other_gate *known = find(versions, gates[i].name);

		there[i] = gates[i];
		there[i].version = (uint32_t)strtoul(there[i].name, NULL, 10);
		there[i].moved_ns = known && known->beat == gates[i].beat ? known->moved_ns : now_ns;
	}
	memcpy(versions->gates, there, count * sizeof(there[0]));
	versions->count = count;
	lock_release(&versions->lock);
}

void redis_versions_sell(struct redis_versions *versions)
{
	lock_take(&versions->lock);
	versions->selling = versions->own;
	lock_release(&versions->lock);
}

uint32_t redis_versions_selling(struct redis_versions *versions)
{
	uint32_t selling;

	lock_take(&versions->lock);
	selling = versions->selling;
	lock_release(&versions->lock);
	return selling;
}

static bool lives(const struct redis_other_gate *gate, int64_t now_ns)
{
	return now_ns - gate->moved_ns < REDIS_GONE_NS;
}

bool redis_versions_lives(struct redis_versions *versions, uint32_t version, int64_t now_ns)
{
	bool found = version == versions->own;

	lock_take(&versions->lock);
	for (size_t i = 0; i < versions->count && !found; i++)
		found = versions->gates[i].version == version && lives(&versions->gates[i], now_ns);
	lock_release(&versions->lock);
	return found;
}

bool redis_versions_others(struct redis_versions *versions)
{
	bool found = false;

	lock_take(&versions->lock);
	for (size_t i = 0; i < versions->count && !found; i++)
		found = versions->gates[i].version != versions->own;
	lock_release(&versions->lock);
	return found;
}

/*
 * Under the lock. Whether the version that sells, or one that would take over before this one, has
 * a living gate.
 */
static bool others_first(const struct redis_versions *versions, int64_t now_ns)
{
	for (size_t i = 0; i < versions->count; i++) {
		const struct redis_other_gate *gate = &versions->gates[i];

		if ((gate->version == versions->selling || gate->version > versions->own) && lives(gate, now_ns))
			return true;
	}
	return false;
}

enum stock_sellers redis_versions_sellers(struct redis_versions *versions, int64_t now_ns)
{
	enum stock_sellers sellers = STOCK_SELLERS_OURS;

	lock_take(&versions->lock);
	if (versions->selling != versions->own)
		sellers = now_ns - versions->heard_ns > OLD_NEWS_NS || others_first(versions, now_ns) ? STOCK_SELLERS_OTHERS
												      : STOCK_SELLERS_NONE;
	lock_release(&versions->lock);
	return sellers;
}

size_t redis_versions_gone(struct redis_versions *versions, int64_t now_ns, struct redis_other_gate *gone, size_t max)
{
	size_t count = 0;

	lock_take(&versions->lock);
	for (size_t i = 0; i < versions->count && count < max; i++)
		if (!lives(&versions->gates[i], now_ns))
			gone[count++] = versions->gates[i];
	lock_release(&versions->lock);
	return count;
}
