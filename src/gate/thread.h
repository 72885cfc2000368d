/*
 * Private to the gate: one loop's thread and what its routes share. Everything here belongs to that
 * thread, but where it says otherwise.
 */
#pragma once

#include <stdalign.h>
#include "gate/gate.h"
#include "gate/limit/address_limit.h"
#include "gate/limit/attempt_limit.h"
#include "gate/limit/identity_budget.h"
#include "gate/limit/overload.h"
#include "gate/reply.h"
#include "gate/sale_tally.h"
#include "http/router.h"

struct gate_thread;

/* One request while its handler runs. */
struct gate_request {
	struct gate_thread *thread;
	struct http_exchange *exchange;
	const struct http_request *http;
	struct slice parameters[HTTP_PARAMETERS_MAX];
	struct trace trace;
	const char *actor; /* who, where the route asks for a scope; lives as long as the gate */
	unsigned scopes;   /* what the actor may: of enum operator_scope */
	uint32_t route;
	int argument; /* the route's */
};

/* Where a later answer goes. */
struct reply_handle {
	struct http_handle handle;
	struct trace trace;
	int64_t started_ns;
	int64_t deadline_ns; /* monotonic: by then it is answered, whatever it waits for (pending_reply.h); 0: it has not waited */
	uint32_t route;
	enum http_method method;
	struct address client; /* unspecified where no log line will tell of the request */
};

struct ledger_task;

/*
 * What purchases come to (readiness.c): those of one thread that came to nothing but 503, one after
 * the other. That thread writes; any may read.
 */
struct purchase_streak {
	_Atomic int64_t since_ns, last_ns; /* 0: there is none */
	_Atomic int64_t decided_ns;        /* when one came to anything else; 0: never */
	_Atomic int problem;               /* of the last */
};

/*
 * What a route takes besides its path and its query, where it runs on a ledger worker. A body must
 * be announced on either.
 */
enum route_input { INPUT_NONE, INPUT_BODY, INPUT_BODY_OR_NONE, INPUT_PAGE };

struct route {
	struct http_route http; /* first: the router reads it */
	const char *name;       /* for metrics: `route="buy"` */
	unsigned scope;         /* of enum operator_scope; 0: open to all */
	/*
	 * INPUT_BODY: a request without Content-Length is told so, and not taken for an empty body.
	 */
	enum route_input input;
	const char *query; /* the names that its query may have, with a space between; NULL: none. One with '?' behind it needs no value */
	/*
	 * Where it runs, one of both: on the loop's thread, where it answers (gate_answer) or
	 * defers; on a ledger worker's (gate/ledger_task.h).
	 */
	void (*on_loop)(struct gate_request *request);
	void (*on_ledger)(struct ledger_task *task);
	int argument; /* for the handler of several routes: which of them; in the request, or the task */
	bool probe;   /* the public listener's reserve is for it */
};

struct route_table {
	const struct route *routes;
	size_t count;
};
extern const struct route_table public_routes, operator_routes;

enum { GATE_PENDING_MAX = 1024 };
enum { STATUS_CLASSES = 4 }; /* 2xx to 5xx */
enum { GATE_PAYMENT_PROBLEMS = 3 };
/* What a payment is refused with; each is counted. */
extern const enum problem gate_payment_problems[GATE_PAYMENT_PROBLEMS];

struct gate_metrics {
	metric_id purchases[PURCHASE_OUTCOMES];
	metric_id *public_latency, *operator_latency; /* a route each */
	metric_id statuses[STATUS_CLASSES];
	metric_id round_purchases;
	metric_id turned_away;
	metric_id payments[GATE_PAYMENT_PROBLEMS];
	metric_id identity_failures[2]; /* on the public listener, on the operators' */
};

struct gate_thread {
	alignas(64) struct http_handler handler; /* first: the loop calls back with it */
	struct gate *gate;
	const struct route_table *table;
	const metric_id *latency;
	struct http_router *router;
	struct http_loop *loop;
	struct thread thread;
	struct lane *replies; /* messages complete by it */
	const struct sale_table *sales;
	bool gathering; /* purchases go to the stock with this round: `sales` stays what it is */
	const struct gate_access *access;
	struct identity_cache *identities; /* of that access; NULL where buyers are known by a header */
	_Atomic int64_t ticked_ns;
	struct purchase_streak refused;
	struct overload overload;
	struct metrics_cells *cells;
	struct sale_tally *tally;     /* NULL on the operators' */
	struct sale_history *history; /* of the operators'; else NULL */
	struct uuid_generator ids;
	struct stock_round *stock;
	struct purchase_pool *purchases;
	struct feed *feed;
	struct slow_refusals *slow_refusals;
	struct audit_queue *audits;
	struct change_queue *changes;
	struct lookup_queue *lookups;
	struct reply reply;            /* scratch: for answers given at once */
	struct pending_reply *pending; /* tasks and settlements */
	size_t pending_count; /* those that have expired too; at most GATE_PENDING_MAX, so that the replies lane has room */
	bool for_operators;
	uint32_t access_every, access_count; /* of how many answers one is logged (0: none), and how many came since */
	/*
	 * Tokens that no operator has, since their last row of the operator log; one row at a time
	 * is on its way.
	 */
	uint64_t wrong_tokens;
	int64_t note_due_ns;
	bool noting;
};

/* gate.threads, or one per core but one (that is the journal's), at least 1. */
size_t gate_public_threads(const struct settings *settings);

extern const struct http_handler gate_handler; /* dispatch.c */

/*
 * Who is believed: immutable but for the caches, of which each belongs to its thread. A reload
 * makes another; the older ones stay until the end, for requests on their way name their operators.
 */
struct gate_access {
	struct gate_access *older;
	const struct identity *identity;
	const struct operators *operators;
	struct network_list proxies;
	bool owned;                      /* identity and operators are its own */
	struct identity_cache *caches[]; /* of each thread that has not taken it; NULL where buyers are known by a header */
};

/* One field of struct http_stats, for /metrics. */
struct loop_figure {
	const struct gate *gate;
	size_t offset;
};
enum { GATE_LOOP_FIGURES = 10 };

struct gate {
	struct gate_settings settings;
	struct gate_metrics metrics;
	struct loop_figure figures[GATE_LOOP_FIGURES];
	/*
	 * Written with each connection that comes or goes; what is beside them is read with each
	 * request.
	 */
	alignas(64) struct http_quota quota;
	alignas(64) struct http_quota operator_quota;
	alignas(64) struct address_limit *address_limit; /* NULL: off */
	struct identity_budget *identity_budget;         /* NULL: off */
	struct attempt_limit *attempt_limit;             /* NULL: off */
	struct gate_thread *threads;                     /* the operators' is the last */
	size_t thread_count;
	uint16_t public_port, operator_port;
	struct buffer refusal;
	char **labels; /* texts of metrics' labels */
	size_t label_count;
	struct gate_access *_Atomic access;
	atomic_bool ready;
	atomic_bool stopping;
};

/*
 * The newest sale table: the thread's own reference is renewed where there is a newer one. Not
 * while purchases of a round are gathered.
 */
const struct sale_table *gate_sales(struct gate_thread *thread);

/*
 * What a sale that is not in there is: unknown; while the ledger has not been asked it may be there
 * all the same, so nobody is told that it is not.
 */
enum problem gate_no_sale(const struct gate *gate);

/*
 * What the stock has of each lot. False: it does not have the sale now, and nobody but the ledger
 * can say.
 */
bool gate_lots(const struct gate *gate, const struct sale *sale, struct stock_lot_state lots[LOTS_MAX]);

/* Takes a newer access where there is one; at the start of a request, and each tick. */
void gate_renew_access(struct gate_thread *thread);
struct reply_handle gate_reply_handle(const struct gate_request *request);
/* Answers now with thread->reply, or another. */
void gate_answer(struct gate_request *request, struct reply *reply);
/* Answers a deferred exchange; nothing where the client is gone. */
void gate_answer_handle(struct gate_thread *thread, const struct reply_handle *handle, struct reply *reply);
/* The headers that every answer has, streams too. */
void gate_say_common(const struct gate_thread *thread, const struct http_exchange *exchange, const struct trace *trace,
		     struct reply *reply);
/* Sends a reply that no route stands for. */
void gate_send(struct gate_thread *thread, struct http_exchange *exchange, const struct trace *trace, struct reply *reply);
/* A problem, at once. */
void gate_refuse(struct gate_request *request, enum problem problem, const struct problem_options *options);

/* The client's address behind trusted proxies. */
struct address gate_client(const struct gate_request *request);
/* Whether the TCP peer is a trusted proxy. */
bool gate_peer_trusted(const struct gate_request *request);
/* Who buys. True and *buyer; else it has answered 401, or 429 where gate_failures_spent(). */
bool gate_identify(struct gate_request *request, struct identity_buyer *buyer);
/* The same without an answer: false leaves *reason, and is counted against the client's address. */
bool gate_verify(struct gate_request *request, struct identity_buyer *buyer, const char **reason);
/*
 * Whether this client's address has failed too often, and this request has no identity that needs
 * no check: then it is 429, whatever it asks for. Two atomic reads where no address has.
 */
bool gate_failures_spent(struct gate_request *request, int64_t *retry_after_ms);
void gate_refuse_address(struct gate_request *request, int64_t retry_after_ms);
/* Whether it says at all who it is. */
bool gate_brings_identity(const struct gate_request *request);
/* Without trust; false where it is not plain to see. */
bool gate_peek_buyer(struct gate_request *request, struct identity_buyer *buyer);
/* `after` and `limit` of a list; false: it has answered 422. */
bool gate_page(struct gate_request *request, char *after, size_t after_size, int64_t *limit);
/* `wait` of the query, "20s" for example; 0: it has none. False: it has answered 422. */
bool gate_wait(struct gate_request *request, int64_t *wait_ns);
/* `after` of a list by number, up to max; empty is 0. False: `reply` refuses it. Any thread. */
bool gate_after_number(const char *after, int64_t max, int64_t *number, struct reply *reply);

void operator_log_wrong_token(struct gate_request *request); /* operator/log.c: counts it, and has it written down */

/* buyer/purchase_pool.c: the purchases of one thread that are on their way. */
int purchase_pool_new(struct purchase_pool **pool, struct gate_thread *thread, size_t in_flight_max) MUST_CHECK;
void purchase_pool_free(struct purchase_pool *pool); /* NULL is fine */
/* Answers purchases whose end did not come in time. Returns when it wants to be called next. */
int64_t purchase_pool_tick(struct purchase_pool *pool, int64_t now_ns);

/* audit.c: the audit that runs, and who waits for it. */
int audit_queue_new(struct audit_queue **pool, struct gate_thread *thread) MUST_CHECK;
void audit_queue_free(struct audit_queue *queue); /* NULL is fine; nothing runs any more */

/* buyer/lookup.c: who waits for an order to change. */
int lookup_queue_new(struct lookup_queue **queue, struct gate_thread *thread) MUST_CHECK;
void lookup_queue_free(struct lookup_queue *queue); /* NULL is fine */
/* Asks again for those whose turn it is. Returns when it wants to be called next. */
int64_t lookup_queue_tick(struct lookup_queue *queue, int64_t now_ns);

/* changes.c: who waits for something to happen. */
int change_queue_new(struct change_queue **queue, struct gate_thread *thread) MUST_CHECK;
void change_queue_free(struct change_queue *queue); /* NULL is fine */
/* Asks again for those whose turn it is. Returns when it wants to be called next. */
int64_t change_queue_tick(struct change_queue *queue, int64_t now_ns);

/* feed.c: the streams of one thread. */
int feed_new(struct feed **feed, struct gate_thread *thread) MUST_CHECK;
void feed_free(struct feed *feed); /* NULL is fine */
int64_t feed_tick(struct feed *feed, int64_t now_ns);
void feed_gone(struct feed *feed, struct http_handle handle);
/* Ends the streams of those who may not watch any more. */
void feed_review(struct feed *feed, const struct operators *fresh, const struct operators *old);
void feed_stop(struct feed *feed); /* ends every stream in order */
