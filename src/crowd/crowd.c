#include "crowd/crowd_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/random.h"
#include "crowd/shape.h"

enum { PAY_CONNECTIONS = 8 };

/* --- Beginning and end --- */

static int identify_all(struct crowd *crowd)
{
	struct buffer headers;
	char name[BOOK_NAME_SIZE];
	int r = 0;

	crowd->identity_count = crowd->book.buyers;
	crowd->identities = calloc(crowd->identity_count ? crowd->identity_count : 1, sizeof(crowd->identities[0]));
	if (!crowd->identities)
		return -ENOMEM;
	buffer_init(&headers, 8192);
	for (size_t i = 0; r == 0 && i < crowd->identity_count; i++) {
		book_buyer_name(&crowd->book, (uint32_t)i, name);
		buffer_clear(&headers);
		r = crowd->options.identify(crowd->options.context, name, &headers);
		if (r == 0) {
			crowd->identities[i] = headers.failed ? NULL : strndup(headers.data ? headers.data : "", headers.size);
			r = crowd->identities[i] ? 0 : -ENOMEM;
		}
	}
	buffer_deinit(&headers);
	return r;
}

int crowd_new(struct crowd **result, const struct crowd_options *options, const char **reason)
{
	struct crowd *crowd;
	int r;

	*reason = shape_check(options);
	if (*reason)
		return -EINVAL;
	crowd = calloc(1, sizeof(*crowd));
	if (!crowd)
		return -ENOMEM;
	crowd->options = *options;
	crowd->seed = crowd->random = options->seed ? options->seed : random_u64() >> 1; /* fits --seed */
	tally_init(&crowd->tally);
	crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = crowd->epoll < 0 ? -errno : book_init(&crowd->book, options->buyers + options->bots * options->bot_requests);
	if (r == 0) {
		snprintf(crowd->book.run, sizeof(crowd->book.run), "%08llx", (unsigned long long)(random_u64() & 0xffffffff));
		crowd->book.sale = options->sale;
		crowd->book.skus = options->skus;
		crowd->book.sku_count = options->sku_count;
		crowd->book.quantity = options->quantity;
		crowd->book.people = options->buyers;
		crowd->book.buyers = options->buyers + options->bots;
		r = shape_plan(options, &crowd->random, &crowd->book, &crowd->sides[BUY].plan);
		crowd->planned = crowd->sides[BUY].plan.list_count;
	}
	if (r == 0)
		r = identify_all(crowd);
	if (r == 0)
		r = plan_init(&crowd->sides[PAY].plan, 0);
	if (r == 0)
		r = pool_init(&crowd->sides[BUY].pool, options->servers, options->server_count, crowd->epoll, BUY,
			      options->connections, options->addresses);
	if (r == 0)
		r = pool_init(&crowd->sides[PAY].pool, options->operators, options->operator_count, crowd->epoll, PAY,
			      PAY_CONNECTIONS, 0);
	if (r < 0) {
		crowd_free(crowd);
		return r;
	}
	*result = crowd;
	return 0;
}

void crowd_free(struct crowd *crowd)
{
	if (!crowd)
		return;
	for (int i = 0; i < SIDES; i++) {
		pool_deinit(&crowd->sides[i].pool);
		plan_deinit(&crowd->sides[i].plan);
	}
	for (size_t i = 0; crowd->identities && i < crowd->identity_count; i++)
		free(crowd->identities[i]);
	free(crowd->identities);
	tally_deinit(&crowd->tally);
	book_deinit(&crowd->book);
	if (crowd->epoll >= 0)
		close(crowd->epoll);
	free(crowd);
}

/* --- Its figures --- */

void crowd_stop(struct crowd *crowd)
{
	crowd->stopped = true;
	plan_cut(&crowd->sides[BUY].plan);
}

void crowd_progress(const struct crowd *crowd, struct crowd_progress *progress)
{
	int64_t now = clock_mono_ns();

	*progress = (struct crowd_progress){
		.elapsed_ns = crowd->started_ns ? now - crowd->started_ns : 0,
		.planned = crowd->planned,
		.sent = crowd->sent,
		.answered = crowd->answered,
		.lost = crowd->lost,
		.accepted = crowd->tally.kinds[TALLY_ACCEPTED],
		.sold_out = crowd->tally.kinds[TALLY_SOLD_OUT],
		.paid = crowd->paid,
		.paid_late = crowd->paid_late,
		.pay_under_way = crowd->sides[PAY].plan.heap_count,
		.in_flight = crowd_in_flight(crowd),
		.connections = crowd->sides[BUY].pool.used,
		.server_down = pool_up_at(&crowd->sides[BUY].pool) > now,
	};
	for (size_t i = 0; i < crowd->book.count; i++)
		progress->open += crowd->book.purchases[i].open_since_ns != 0;
}

struct book *crowd_book(struct crowd *crowd)
{
	return &crowd->book;
}

const struct tally *crowd_tally(const struct crowd *crowd)
{
	return &crowd->tally;
}

const struct histogram *crowd_latency(const struct crowd *crowd)
{
	return &crowd->sides[BUY].latency;
}

const struct histogram *crowd_latency_accepted(const struct crowd *crowd)
{
	return &crowd->latency_accepted;
}

const struct histogram *crowd_latency_paid(const struct crowd *crowd)
{
	return &crowd->sides[PAY].latency;
}

int64_t crowd_started_ns(const struct crowd *crowd)
{
	return crowd->started_ns;
}

uint64_t crowd_seed(const struct crowd *crowd)
{
	return crowd->seed;
}
