/*
 * A sale that keeps its word, or breaks it as it is told: a tiny server for the crowd's own tests.
 * It reads requests as the crowd writes them and no others. One thread; its counters are read after
 * it was stopped.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/thread.h"
#include "base/uuid.h"

enum { FAKE_ORDERS_MAX = 20000, FAKE_CONNECTIONS_MAX = 256 };

struct fake_order {
	struct uuid id;
	char buyer[64], key[64];
	bool confirmed;
};

struct fake_sale {
	/* Set before it starts. */
	uint32_t units;
	uint32_t lose_every; /* of so many purchases, the answer to one is not sent: the connection is closed after the order was made */
	uint32_t overload_every; /* of so many purchases, one is answered 503 */
	uint32_t die_after;      /* purchases until it stops serving for die_ms */
	int64_t die_ms;
	bool forgets_keys;  /* a retry makes a second order */
	bool oversells;     /* never says sold out */
	bool answers_late;  /* says nothing at all */
	bool checks_source; /* counts different source addresses */

	uint16_t port;
	int listener;
	struct thread thread;
	_Atomic bool stop;
	struct uuid_generator ids;
	struct fake_order *orders;
	uint32_t order_count, purchases, confirmations, sources;
	uint8_t *seen_sources;
};
void fake_sale_start(struct fake_sale *sale);
void fake_sale_stop(struct fake_sale *sale); /* what it has counted and sold is still there */
void fake_sale_free(struct fake_sale *sale);
