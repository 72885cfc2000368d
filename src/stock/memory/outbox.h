/*
 * The outbox: every grant, settlement and withdrawal that went out and whose end is not known. It
 * is bounded over all sales. An entry keeps the whole event with its texts, so that it can be
 * driven again, and what is needed to finish or undo it. Any thread.
 *
 * A place is booked before units are taken and used after, so that a purchase never takes units
 * that it cannot write down, and nobody can claim an entry whose units are not taken yet.
 */
#pragma once

#include <stdbool.h>
#include "port/stock.h"

/* What the acknowledgement does, or the compensation undoes. */
struct outbox_pending {
	int64_t deadline_ns;      /* of the hold, as it is (or was granted) */
	int64_t next_deadline_ns; /* of the hold, once extended */
	bool returned;            /* a broken build gave the units back too early */
	bool counted;             /* the grant has a place in its buyer's rate window, under `stamp` */
	uint32_t stamp;
};

struct outbox;

int outbox_new(struct outbox **outbox, size_t max) MUST_CHECK;
void outbox_free(struct outbox *outbox);
bool outbox_book(struct outbox *outbox); /* false: full */
void outbox_unbook(struct outbox *outbox);
/*
 * Uses a booked place; returns its number, from 1. The event's texts are copied. `owner` is for
 * outbox_purge().
 */
uint32_t outbox_put(struct outbox *outbox, const void *owner, int64_t now_ns, const struct event *event,
		    const struct outbox_pending *pending);
/*
 * Removes entry `number` where it carries this event (same kind and content). False, and nothing is
 * changed, where it does not, or where it is claimed and only_unclaimed is asked for.
 */
bool outbox_take(struct outbox *outbox, uint32_t number, const struct event *event, bool only_unclaimed,
		 struct outbox_pending *pending);
size_t outbox_claim(struct outbox *outbox, int64_t before_ns, int64_t now_ns, struct stock_claim *out, size_t max);
/* Drops every entry of an owner. */
void outbox_purge(struct outbox *outbox, const void *owner);
size_t outbox_count(struct outbox *outbox);
int64_t outbox_memory(struct outbox *outbox); /* bytes that have been touched */
