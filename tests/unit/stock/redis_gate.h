/*
 * A gate's view of a sale in Redis, for tests: an adapter of its own, and short words. Several may
 * share one server.
 */
#pragma once

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "contract/redis_place.h"
#include "stock/redis/redis.h"

enum { GATE_SALE = 7, GATE_HOLD_MS = 120000, GATE_GRACE_MS = 2000 };
#define MS INT64_C(1000000)

struct gate {
	struct stock *stock;
	struct uuid_generator ids;
	uint32_t epoch; /* as this gate's ledger has it; 0: not known */
	int64_t hold_ms;
	struct stock_rules rules;
};

/* Calls wait at most a fifth of a second for their answer. */
void gate_open(struct gate *gate, const char *url);
/* For tests that are not about time-outs: a busy machine may take long. */
void gate_open_patient(struct gate *gate, const char *url);
/* The same, as a program of another version. */
void gate_open_version(struct gate *gate, const char *url, uint32_t version);
/* At a Redis in the process. Calls wait for a second. */
void gate_open_over(struct gate *gate, const struct redis_transport *transport, const char *url);
void gate_close(struct gate *gate);
/* Begins and arms the sale: one lot. 0 or what failed. */
int gate_sell(struct gate *gate, uint32_t epoch, int64_t units);
enum stock_outcome gate_refresh(struct gate *gate);
struct stock_reserve gate_ask(struct gate *gate, const char *buyer, const char *key);
struct stock_reserve gate_buy(struct gate *gate, const char *buyer, const char *key);
/* Bought and acknowledged. */
struct stock_reserve gate_order(struct gate *gate, const char *buyer, const char *key);
struct stock_settle gate_settle(struct gate *gate, const struct uuid *id, enum order_action action);
void gate_acknowledge(struct gate *gate, const struct event *event);
void gate_compensate(struct gate *gate, const struct event *event);
struct stock_lot_state gate_lot(struct gate *gate); /* after a refresh */
int64_t gate_now_ns(void);
