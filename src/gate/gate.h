/*
 * The gate: the HTTP front, public and operator. It owns its loop threads: gate.threads for buyers,
 * one for operators. It turns requests into purchases, tasks for the ledger and settlements, and
 * what came of them into answers; the rules are the core's.
 */
#pragma once

#include "base/thread.h"
#include "config/settings.h"
#include "core/admission.h"
#include "identity/identity.h"
#include "identity/operators.h"
#include "metrics/promises.h"
#include "workers/journal_worker.h"
#include "workers/ledger_age.h"
#include "workers/ledger_workers.h"
#include "workers/rebuilder.h"
#include "workers/sale_turn.h"
#include "workers/stock_worker.h"

struct gate;
struct http_wire;

struct gate_settings {
	const struct settings *settings; /* borrowed, like all here */
	const struct admission *admission;
	struct sale_catalog *catalog;
	struct sale_turn *sales;
	struct order_control orders;
	struct ledger *ledger;
	struct journal *journal;
	const struct journal_worker *journal_worker;
	struct lane *journal_lane;
	struct ledger_workers *ledger_workers;
	struct ledger_age *ledger_age;           /* of a ledger that a drain fills; else NULL */
	struct lane *stock_lane;                 /* of a stock that is not local; else NULL */
	const struct stock_worker *stock_worker; /* the same */
	const struct rebuilder *rebuilder;       /* of a stock that is not local; else NULL */
	const struct identity *identity;         /* NULL where buyers are known by a header; of the start */
	const struct operators *operators;       /* of the start */
	struct metrics *metrics;
	struct promises *promises;
	struct http_wire *buyers_wire, *operators_wire; /* in place of sockets (http/wire.h), both or none */
};

/*
 * Registers metrics, opens the listeners (so that a port that is taken stops the start). 0 or
 * negative errno, logged.
 */
int gate_new(struct gate **gate, const struct gate_settings *settings) MUST_CHECK;
/* Requests are taken from here on; before, connections wait in the backlog. 0 or negative. */
int gate_start(struct gate *gate) MUST_CHECK;
/* Readiness: false at first. Any thread. */
void gate_set_ready(struct gate *gate, bool ready);
/*
 * Other keys, operators and trusted proxies from the next request on: tokens that were verified
 * under the old keys are forgotten, and streams of operators who are no more end. Takes over
 * identity and operators. 0, or -ENOMEM: nothing has changed. Main thread.
 */
int gate_reload(struct gate *gate, struct identity *identity, struct operators *operators,
		const struct network_list *proxies) MUST_CHECK;
/* Whether every loop has run within that time. Any thread. */
bool gate_alive(const struct gate *gate, int64_t within_ns);
/*
 * Listeners close, what is in flight is answered until the deadline (monotonic ns), then cut. Any
 * thread; returns at once.
 */
void gate_stop(struct gate *gate, int64_t deadline_ns);
/* Waits until every loop has ended. */
void gate_join(struct gate *gate);
/*
 * After gate_join(), and after the workers have stopped: takes back the messages that came home
 * late, on the caller's thread.
 */
void gate_take_home(struct gate *gate);
void gate_free(struct gate *gate); /* NULL is fine; before the metrics are freed: their labels are the gate's */
/* The port of the first listener, as it was bound. */
uint16_t gate_public_port(const struct gate *gate);
uint16_t gate_operator_port(const struct gate *gate);

/*
 * A row of the operator log for what is no change of an item, a sale or an order: the log's level,
 * settings that were read again, tokens that nobody has. Blocks on the ledger; where that cannot be
 * written, it is said in the program's log. detail_json: an object.
 */
void operator_log_note(struct ledger *ledger, struct slice actor, enum log_action action, struct slice subject,
		       struct slice detail_json);
