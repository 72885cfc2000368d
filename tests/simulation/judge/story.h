/*
 * Hand-made histories, for tests of the judge: one sale of one or two lots, told in short lines.
 * Times are milliseconds. Orders are named by a letter.
 */
#pragma once

#include "simulation/judge/judge.h"

enum {
	STORY_HOLD_S = 10,
	STORY_LATE_S = 15,
	STORY_REST_S = 30,
	STORY_WALL_MS = 1000000,
	STORY_ORDER_TEXT = 7,
	STORY_PRICE = 100
};
#define STORY_MS INT64_C(1000000)

struct story {
	struct judge *judge;
	int64_t now_ms;
	int64_t held_until_ms[128]; /* by the order's letter, wall */
	const char *buyer[128], *key[128];
	uint32_t units[128], lot[128];
};

struct story_terms {
	bool shared;
	uint32_t units, more_units; /* of lot 0, and of lot 1 where there is one */
	uint32_t limit;             /* 0: 1 */
	uint32_t rate_requests, rate_seconds;
	bool born_confirmed;
	bool ledger_goes; /* it may be away for a while */
	uint32_t drift_ppm;
};
void story_begin(struct story *story, const struct story_terms *terms);
void story_end(struct story *story);
void story_at(struct story *story, int64_t now_ms);

/* Requests; their numbers. */
uint32_t story_buy(struct story *story, const char *buyer, const char *key, uint32_t units, uint32_t lot);
uint32_t story_ask(struct story *story, enum history_kind kind, char order, const char *operator); /* of an order; operator NULL: its buyer */
uint32_t story_move(struct story *story, enum history_kind kind, uint32_t units, const char *key); /* of lot 0, or the sale: by "ann" */
uint32_t story_ask_keyed(struct story *story, enum history_kind kind, char order, const char *key); /* of an order: by "ann" */
/* A confirm by "ann" with a payment (NULL: without a reference) of so much (0: it is not said). */
uint32_t story_pay(struct story *story, char order, const char *key, const char *reference, int64_t amount);
/* By "ann": so many units of the order go there. */
uint32_t story_reduce(struct story *story, char order, const char *key, uint32_t units, enum history_place to);
/* Answers. */
void story_bought(struct story *story, uint32_t request, char order);
void story_refused(struct story *story, uint32_t request, int status, const char *code);
void story_settled(struct story *story, uint32_t request, char order, const char *state);
void story_done(struct story *story, uint32_t request, uint32_t units);

/* The log. */
void story_reserved(struct story *story, char order, const char *buyer, const char *key, uint32_t units, uint32_t lot);
void story_reserved_under(struct story *story, uint32_t epoch, char order, const char *buyer, const char *key, uint32_t units);
void story_record(struct story *story, enum history_record_kind kind, char order, const char *actor);
void story_record_under(struct story *story, uint32_t epoch, enum history_record_kind kind, char order, const char *actor);
void story_paid(struct story *story, enum history_record_kind kind, char order, const char *reference);
void story_reduced(struct story *story, char order, uint32_t units, enum history_place to); /* so many leave it */
void story_withdrawn(struct story *story, char movement, uint32_t units);
void story_barrier(struct story *story, uint32_t epoch);
/* Counters of stock 0. */
void story_counter(struct story *story, uint32_t epoch, int64_t available, int64_t held, int64_t confirmed);

/* The feed: the next change of an order, which is as its state says. */
void story_fed(struct story *story, enum history_record_kind kind, char order, const char *state);

/* The whole way of a purchase: asked, counted, logged, told, each 1 ms after the other. */
void story_sell(struct story *story, char order, const char *buyer, const char *key, uint32_t units);
struct uuid story_id(char order);
