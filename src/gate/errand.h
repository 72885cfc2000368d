/*
 * Private to the gate: a request that needs the ledger. It is copied, worked on by a ledger worker, and answered on the loop's thread.
 */
#pragma once

#include <jansson.h>
#include "gate/away.h"

enum { ERRAND_NAME_MAX = 128 };

struct gate_errand {
	struct blocking_task task; /* first */
	enum task_class class;
	struct gate_thread *thread;
	struct away away; /* its ticket */
	/* On the worker's thread; fills `reply`. Of the gate it may use what is for any thread. */
	void (*work)(struct gate_errand *errand);
	/* Set by `work`: it cannot end it, and this is to go on, as a change. */
	void (*further)(struct gate_errand *errand);
	struct ledger_age_state age; /* of the ledger, from before it was read; of one that a drain fills */
	struct reply reply;
	json_t *body;                                         /* NULL where the route has none */
	char names[HTTP_PARAMETERS_MAX][ERRAND_NAME_MAX + 1]; /* the path's parameters */
	char after[ERRAND_NAME_MAX + 1];                      /* lists: the page */
	int64_t limit;
	struct uuid order;
	char buyer[BUYER_MAX + 1]; /* orders: whose; empty: anybody's */
	char sale[SALE_ID_MAX + 1];
	char subject[128];            /* of the operator log; its actor is in `buyer`, its action in `sale` */
	struct ledger_log_filter log; /* the rest of it */
	enum order_state state;       /* 0: any */
	enum order_action action;     /* settlements */
	uint32_t sale_number;         /* the brake */
	struct ledger_order known; /* settlements: as a stock that keeps names has it, which may be ahead of the ledger; else its buyer is empty */
	char actor[OPERATOR_NAME_MAX + 1];
	bool has_key; /* an operator's POST with an Idempotency-Key: `request` stands for it */
	struct ledger_request request;
};

/* Whether the request's Idempotency-Key can be one, where it has any; false: it has answered. */
bool errand_key_fits(struct gate_request *request) MUST_CHECK;
/* A copy of the request to send, as a list, a lookup or a change by its method and parameters; NULL: it has answered (a parameter too long is an unknown name; 503 where there is no room). */
struct gate_errand *errand_new(struct gate_request *request, void (*work)(struct gate_errand *));
/* For a ticket that was deferred already; NULL where there is no room. */
struct gate_errand *errand_new_deferred(struct gate_thread *thread, const struct ticket *ticket, enum task_class class,
					void (*work)(struct gate_errand *)) MUST_CHECK;
/* As errand_new(), with the body parsed. */
struct gate_errand *errand_new_with_body(struct gate_request *request, void (*work)(struct gate_errand *));
/* In one: new and sent. A list reads `after` and `limit` of the query. */
void errand_start(struct gate_request *request, void (*work)(struct gate_errand *));
void errand_start_with_body(struct gate_request *request, void (*work)(struct gate_errand *));
void errand_start_list(struct gate_request *request, void (*work)(struct gate_errand *));
/* Sends it; the request is deferred. Where the lane has no room it answers 503. Takes the errand over. */
void errand_send(struct gate_request *request, struct gate_errand *errand);
void errand_free(struct gate_errand *errand);
/* Sends an errand that answers a ticket which was deferred already. False: no room; the errand is still the caller's. */
bool errand_send_deferred(struct gate_errand *errand);

/* On the worker's thread. */
struct ledger_actor errand_actor(struct gate_errand *errand);
/* The id of what the errand moves in the warehouse: the request's own where it has a key. */
struct uuid errand_movement(const struct gate_errand *errand);
/* Outcomes of ledger and control that are about the request. True: it was done before, and the answer is to be what it was; *r is 0 then. */
bool errand_repeats(struct gate_errand *errand, int *r);
/* The end of a change is unknown: whether it may be sent again. */
void errand_say_unknown(struct gate_errand *errand);
/* Says in the reply what a negative code of ledger or control means. */
void errand_refuse_fatal(struct gate_errand *errand, int code);
/* Ends a list whose elements were rendered: `],"next":…}`. last: what to go on after; only where the page is full. */
void errand_end_list(struct gate_errand *errand, size_t count, struct slice last);
/* The order errand->order as operators see it. */
void errand_work_order(struct gate_errand *errand);
/* How old the ledger was: two members, each with a comma before it. Nothing of one that is never behind. */
void errand_say_age(struct gate_errand *errand);
/* The errand's ledger. */
struct ledger *errand_ledger(const struct gate_errand *errand);
