/*
 * Gates of several versions at one Redis: which version's sell, and whether any of them lives. Each
 * gate changes a number there again and again; here it is measured, by this machine's monotonic
 * clock alone, how long each has stood still. No reading of another clock takes part in it.
 *
 * One version's gates sell; those of all others stand by. While a gate of the version that sells
 * lives, nothing changes. When none does, the newest version that has a living gate may take over:
 * newer after an upgrade, older where somebody goes back.
 */
#pragma once

#include "base/lock.h"
#include "port/stock.h"
#include "text/slice.h"

enum { REDIS_GATES_MAX = 256, REDIS_GATE_NAME_MAX = 64 };
/* A gate whose number has stood still for so long is gone. It comes back by moving it. */
#define REDIS_GONE_NS INT64_C(3000000000)

struct redis_other_gate {
	char name[REDIS_GATE_NAME_MAX + 1]; /* "VERSION ID" */
	uint32_t version;
	int64_t beat, moved_ns;
};

struct redis_versions {
	uint32_t own;
	char name[REDIS_GATE_NAME_MAX + 1]; /* this gate's */
	struct lock lock;                   /* all below; a leaf, held for a look */
	uint32_t selling;                   /* the version whose gates sell, as last heard; 0: nobody has said so */
	int64_t heard_ns;                   /* when that was; 0: never */
	struct redis_other_gate *gates;
	size_t count;
};

/* 0 or -ENOMEM. */
int redis_versions_init(struct redis_versions *versions, uint32_t own) MUST_CHECK;
void redis_versions_deinit(struct redis_versions *versions);

/*
 * What an answer told: the version that sells, and all other gates by name and beat. Who is not
 * among them has left.
 */
void redis_versions_take(struct redis_versions *versions, uint32_t selling, const struct redis_other_gate *gates, size_t count,
			 int64_t now_ns);
/* This version has taken over. */
void redis_versions_sell(struct redis_versions *versions);

uint32_t redis_versions_selling(struct redis_versions *versions);
bool redis_versions_lives(struct redis_versions *versions, uint32_t version, int64_t now_ns);
bool redis_versions_others(struct redis_versions *versions); /* whether a gate of another version is there, or was a moment ago */
enum stock_sellers redis_versions_sellers(struct redis_versions *versions, int64_t now_ns);
/* Gates that are gone, to be forgotten in Redis too: up to `max`. Their count. */
size_t redis_versions_gone(struct redis_versions *versions, int64_t now_ns, struct redis_other_gate *gone, size_t max);
