/*
 * Private to the gate: a request that needs the ledger. It is copied, worked on by a ledger worker,
 * and answered on the loop's thread.
 */
#pragma once

#include <jansson.h>
#include "gate/pending_reply.h"

enum { LEDGER_TASK_NAME_MAX = 128 };

/* Whether an operator's cancel may be the refund of an order that is confirmed. */
enum refund {
	REFUND_ALLOWED = 0,
	REFUND_NOT_MEANT, /* its key was sent first while the order was held: it was to end a hold */
	REFUND_UNDECIDED, /* what its key was sent for first cannot be asked now */
};

/* A look at one order, or a settlement of it. */
struct ledger_task_order {
	struct uuid id;
	char buyer[BUYER_MAX + 1];   /* whose it must be; empty: anybody's */
	int64_t extend_ns;           /* an extension's */
	int64_t extend_to_ms;        /* the end that was fixed for it; 0: none */
	bool repeated;               /* as of settlement_request */
	enum refund refund;          /* likewise */
	struct payment_row payment;  /* a confirm's; its reference is empty where it has none */
	struct uuid payer;           /* STOCK_REFERENCE_USED: who has it */
	char reason[REASON_MAX + 1]; /* of a settlement; empty: it was not said */
	uint32_t from, quantity;     /* likewise */
	enum units_to units_to;
	char refunded[PAYMENT_REFERENCE_MAX + 1]; /* reference of the refund; empty: none */
	struct ledger_order known; /* as a stock that keeps names has it, which may be ahead of the ledger; else its buyer is empty */
};
/* A list of orders. */
struct ledger_task_orders {
	struct uuid after;
	char buyer[BUYER_MAX + 1]; /* empty: anybody's */
	char sale[SALE_ID_MAX + 1];
	char payment[PAYMENT_REFERENCE_MAX + 1]; /* empty: any */
	char reference[ORDER_REFERENCE_MAX + 1]; /* likewise */
	enum order_state state;                  /* 0: any */
};
/* A list of the operator log. */
struct ledger_task_log {
	char actor[BUYER_MAX + 1], action[SALE_ID_MAX + 1], subject[128]; /* the filter's texts */
	struct ledger_log_filter filter;
};
/* A page of the feed. */
struct ledger_task_changes {
	struct ledger_change_filter filter;
	int64_t until_ns;                 /* monotonic; until then it waits for something to tell; 0: it does not wait */
	const struct gate_access *access; /* under which it was let in, and who */
	const char *actor;
};
/* An operator's stop, or its end. */
struct ledger_task_brake {
	uint32_t sale;
};

struct ledger_task {
	struct blocking_task blocking; /* first */
	enum task_class class;
	struct gate_thread *thread;
	struct pending_reply pending; /* its handle */
	/* On the worker's thread; fills `reply`. Of the gate it may use what is for any thread. */
	void (*work)(struct ledger_task *task);
	/* Set by `work`: it cannot end it, and this is to go on, as a change. */
	void (*further)(struct ledger_task *task);
	/*
	 * Set by `work`: who goes on with the request when it is back on the loop's thread, and
	 * answers it.
	 */
	void (*then)(struct gate_thread *thread, struct ledger_task *task);
	struct ledger_age_state age; /* of the ledger, from before it was read; of one that a drain fills */
	struct reply reply;
	json_t *body;                                              /* NULL where the route has none */
	int argument;                                              /* the route's */
	char names[HTTP_PARAMETERS_MAX][LEDGER_TASK_NAME_MAX + 1]; /* the path's parameters */
	char after[LEDGER_TASK_NAME_MAX + 1];                      /* lists: the page */
	int64_t limit;
	/* What some kinds of requests bring besides: one of these. */
	union {
		struct ledger_task_order order;
		struct ledger_task_orders orders;
		struct ledger_task_log log;
		struct ledger_task_changes changes;
		struct ledger_task_brake brake;
	};
	enum order_action action; /* what a settlement does, which is of the kind `order`; 0: it is none */
	char actor[OPERATOR_NAME_MAX + 1];
	bool has_key;                  /* an operator's POST with an Idempotency-Key: `request` stands for it */
	struct ledger_request request; /* without a key: null, or one that ledger_task_own_request() has made */
};

/*
 * What an operator's request with a key is known by; *has_key is false where it has none. False: it
 * has answered.
 */
bool ledger_task_key(struct gate_request *request, struct ledger_request *out, bool *has_key) MUST_CHECK;
/* Whether the request's Idempotency-Key can be one, where it has any; false: it has answered. */
bool ledger_task_key_fits(struct gate_request *request) MUST_CHECK;
/*
 * A copy of the request to send, as a list, a lookup or a change by its method and parameters;
 * NULL: it has answered (a parameter too long is an unknown name; 503 where there is no room).
 */
struct ledger_task *ledger_task_new(struct gate_request *request, void (*work)(struct ledger_task *));
/* For a handle that was deferred already; NULL where there is no room. */
struct ledger_task *ledger_task_new_deferred(struct gate_thread *thread, const struct reply_handle *handle, enum task_class class,
					     void (*work)(struct ledger_task *)) MUST_CHECK;
/* As ledger_task_new(), with the body parsed. */
struct ledger_task *ledger_task_new_with_body(struct gate_request *request, void (*work)(struct ledger_task *));
/* A request whose route runs on a ledger worker: reads its input, and sends the task. */
void ledger_task_start(struct gate_request *request, const struct route *route);
/*
 * Gives a request without a key an id of its own: what it does in two places is one thing there.
 */
void ledger_task_own_request(struct ledger_task *task);
/*
 * Sends it; the request is deferred. Where the lane has no room it answers 503. Takes the task
 * over.
 */
void ledger_task_send(struct gate_request *request, struct ledger_task *task);
void ledger_task_free(struct ledger_task *task);
/*
 * Sends a task that answers a handle which was deferred already. False: no room; the task is still
 * the caller's.
 */
bool ledger_task_send_deferred(struct ledger_task *task);

/* On the worker's thread. */
struct ledger_actor ledger_task_actor(struct ledger_task *task);
/* The id of what the task moves in the warehouse: the request's own where it has a key. */
struct uuid ledger_task_movement(const struct ledger_task *task);
/*
 * Outcomes of ledger and control that are about the request. True: it was done before, and the
 * answer is to be what it was; *r is 0 then.
 */
bool ledger_task_repeats(struct ledger_task *task, int *r);
/* The end of a change is unknown: whether it may be sent again. */
void ledger_task_say_unknown(struct ledger_task *task);
/* Says in the reply what a negative code of ledger or control means. */
void ledger_task_refuse_fatal(struct ledger_task *task, int code);
/*
 * Whether the ledger did not take the request as such: it could not be used, or another request has
 * had the key. That is the answer then.
 */
bool ledger_task_refuses(struct ledger_task *task, int r);
/*
 * Ends a list whose elements were rendered: `],"next":…}`. last: what to go on after; only where
 * the page is full.
 */
void ledger_task_end_list(struct ledger_task *task, size_t count, struct slice last);
/* The order task->order.id as operators see it; by task->order.known where that is there. */
void ledger_task_work_order(struct ledger_task *task);
/*
 * How old the ledger was: two members, each with a comma before it. Nothing of one that is never
 * behind.
 */
void ledger_task_say_age(struct ledger_task *task);
/* The task's ledger. */
struct ledger *ledger_task_ledger(const struct ledger_task *task);
