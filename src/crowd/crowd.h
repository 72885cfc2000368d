/*
 * A crowd of buyers before a sale, over real HTTP: the load driver behind `penstock rehearse` and
 * `penstock demo`.
 *
 * The crowd is made of people, who buy once (some press twice, some try again with the same key,
 * some never pay), and of bots, who buy again and again. When each request is to be sent is settled
 * before the first one is: its latency counts from that moment and not from when the driver got
 * round to it, so a server that stalls cannot hide the requests that it kept from being sent (no
 * coordinated omission). The exception is the closed loop (ARRIVAL_AT_ONCE), where every connection
 * sends as soon as it has its answer.
 *
 * It survives the death of the server: what was under way is sent again with the same key until its
 * outcome is known, within `patience`. There may be several servers of one sale; what one of them
 * lost is asked again of whichever has its turn. Everything that was told is kept in the book,
 * which judges it (book.h, verdict.h).
 *
 * One thread: crowd_step() does a piece of work and comes back, so that the caller can look, print,
 * or kill the server meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/histogram.h"
#include "crowd/book.h"
#include "crowd/plan.h"
#include "crowd/pool.h"
#include "crowd/tally.h"
#include "text/buffer.h"

enum { CROWD_SKUS_MAX = 200 };

struct crowd_options {
	const struct pool_server *servers;   /* they take turns; one that is down is left out */
	size_t server_count;                 /* 1 to POOL_SERVERS_MAX */
	const struct pool_server *operators; /* payments go there, in turns */
	size_t operator_count;               /* 0: nobody pays */
	const char *operator_token;          /* NULL: none */
	const char *sale;                    /* borrowed, as every pointer here, until crowd_free() */
	const char *const *skus;             /* buyers spread over them */
	size_t sku_count;                    /* at least 1 */
	uint32_t quantity;
	size_t buyers, bots, bot_requests; /* requests of each bot */
	double retries;                    /* percent of people who send the same request again after its answer */
	double duplicates;                 /* percent of people who press twice: the same key on two connections at once */
	double abandon;                    /* percent of accepted orders that are never paid */
	enum arrival arrival;
	int64_t over_ns; /* how long the arrival takes; 0 with ARRIVAL_AT_ONCE */
	uint32_t connections;
	uint32_t addresses;   /* source addresses, from 127.1.0.0 on; 0: whichever the system takes */
	int64_t timeout_ns;   /* an answer must come within */
	int64_t patience_ns;  /* an open outcome must be resolved within */
	int64_t pay_after_ns; /* the slowest payer */
	uint64_t seed;        /* of the crowd's shape; 0: a random one */
	/*
	 * Appends header lines that say who the buyer is ("Authorization: Bearer …\r\n"). 0 or
	 * negative. Called once a buyer, by crowd_new().
	 */
	int (*identify)(void *context, const char *buyer, struct buffer *headers);
	void *context;
};

struct crowd_progress {
	int64_t elapsed_ns;
	uint64_t planned, sent, answered, lost; /* requests to buy */
	uint64_t accepted, sold_out;            /* orders; answers */
	uint64_t paid, paid_late, pay_under_way;
	uint64_t open; /* outcomes not known at this moment */
	uint32_t in_flight, connections;
	bool server_down;
};

struct crowd;
/*
 * 0, -EINVAL (*reason: static text), -ENOMEM, or what identify() returned. The clock starts with
 * the first step.
 */
int crowd_new(struct crowd **crowd, const struct crowd_options *options, const char **reason) MUST_CHECK;
void crowd_free(struct crowd *crowd);

enum crowd_state { CROWD_DONE = 0, CROWD_RUNNING = 1 };
/*
 * Works for up to timeout_ns. Negative: it cannot go on (out of memory or descriptors; -EPROTO: no
 * TLS with a server, see tls_reason()).
 */
int crowd_step(struct crowd *crowd, int64_t timeout_ns) MUST_CHECK;
/* Nothing new is sent any more; what is open is still resolved. */
void crowd_stop(struct crowd *crowd);

void crowd_progress(const struct crowd *crowd, struct crowd_progress *progress);
struct book *crowd_book(struct crowd *crowd);
const struct tally *crowd_tally(const struct crowd *crowd);
/* Nanoseconds. All answers to purchases; those that made a new order; confirmations. */
const struct histogram *crowd_latency(const struct crowd *crowd);
const struct histogram *crowd_latency_accepted(const struct crowd *crowd);
const struct histogram *crowd_latency_paid(const struct crowd *crowd);
int64_t crowd_started_ns(const struct crowd *crowd); /* clock_mono_ns() of the first step; 0 before it */
uint64_t crowd_seed(const struct crowd *crowd);
