/*
 * The loop of the crowd: what is due is sent, what comes in is read and judged, what is overdue is
 * given up.
 */
#include "crowd/crowd_state.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include "base/clock.h"
#include "crowd/shape.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

enum {
	EVENTS_MAX = 256,
	POLITE_TRIES = 4,       /* how often somebody comes again because an answer asked for it */
	REPETITIONS_MAX = 1000, /* of one request after lost connections; patience ends it long before */
};
static const int64_t SCAN_NS = 100 * MS;      /* between looks for answers that are overdue */
static const int64_t POLITE_NS = 10 * SECOND; /* who is asked to come again later than that goes away */

/* --- Sending --- */

static void write_purchase(const struct crowd *crowd, uint32_t index, const struct pool_server *server, struct buffer *out)
{
	const struct purchase *purchase = &crowd->book.purchases[index];
	char key[BOOK_NAME_SIZE], body[128];
	int size = snprintf(body, sizeof(body), "{\"quantity\":%u,\"sku\":\"%s\"}", crowd->options.quantity,
			    crowd->options.skus[purchase->lot]);

	book_key(&crowd->book, index, key);
	buffer_printf(out,
		      "POST /v1/sales/%s/orders HTTP/1.1\r\nHost: %s\r\n%sIdempotency-Key: %s\r\nContent-Type: application/json\r\n"
		      "Content-Length: %d\r\n\r\n%s",
		      crowd->options.sale, server->host, crowd->identities[purchase->buyer], key, size, body);
}

static void write_confirmation(const struct crowd *crowd, uint32_t index, const struct pool_server *server, struct buffer *out)
{
	const char *token = crowd->options.operator_token;
	char id[UUID_TEXT_SIZE];

	uuid_format(&crowd->book.purchases[index].order, id);
	buffer_printf(out, "POST /v1/orders/%s/confirm HTTP/1.1\r\nHost: %s\r\n%s%s%sContent-Length: 0\r\n\r\n", id, server->host,
		      token ? "Authorization: Bearer " : "", token ? token : "", token ? "\r\n" : "");
}

static uint32_t source_of(const struct crowd *crowd, const struct shot *shot)
{
	return crowd->options.addresses ? crowd->book.purchases[shot->purchase].buyer % crowd->options.addresses : 0;
}

static int send_again(struct crowd *crowd, int side, struct shot shot, int64_t wait_ns, int64_t now);

/* The request did not get its answer: nobody knows what became of it, if it was sent at all. */
static int lost(struct crowd *crowd, int side, const struct shot *shot, bool sent, int64_t now)
{
	int64_t wait = 20 * MS << (shot->repetitions < 5 ? shot->repetitions : 5);

	if (side == BUY) {
		book_lost(&crowd->book, shot->purchase, sent, now);
		tally_count(&crowd->tally, TALLY_LOST, now - crowd->started_ns);
		crowd->lost++;
	}
	if (now - shot->since_ns > crowd->options.patience_ns || shot->repetitions >= REPETITIONS_MAX) {
		if (side == BUY)
			book_abandon(&crowd->book, shot->purchase, "the connection was lost again and again");
		return 0;
	}
	return send_again(crowd, side, *shot, shape_between(&crowd->random, wait / 2, wait), now);
}

static int send_again(struct crowd *crowd, int side, struct shot shot, int64_t wait_ns, int64_t now)
{
	shot.due_ns = now + wait_ns;
	shot.repetitions++;
	return plan_push(&crowd->sides[side].plan, &shot);
}

/* Closes the connection; what it carried is lost. */
static int lose(struct crowd *crowd, int side, struct pool_connection *connection, int64_t now)
{
	enum pool_connection_state state = connection->state;
	struct shot shot = connection->shot;
	bool written = connection->written;

	pool_close(&crowd->sides[side].pool, connection);
	if (state == POOL_IDLE)
		return 0;
	return lost(crowd, side, &shot, written, now);
}

static bool is_local_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS;
}

/* 0, 1 (no connection is free), or negative. */
static int send_one(struct crowd *crowd, int side, int64_t now)
{
	struct pool *pool = &crowd->sides[side].pool;
	struct plan *plan = &crowd->sides[side].plan;
	struct shot shot = plan_pop(plan);
	struct purchase *purchase = &crowd->book.purchases[shot.purchase];
	struct pool_connection *connection;
	int error;

	if (crowd->stopped && side == BUY && purchase->open_since_ns == 0)
		return 0;
	if (shot.repetitions == 0) {
		shot.intended_ns = crowd->options.arrival == ARRIVAL_AT_ONCE ? now : shot.due_ns;
		shot.since_ns = now;
	}
	do
		connection = pool_take(pool, side == BUY ? source_of(crowd, &shot) : 0, now, &error);
	while (!connection && error < 0 && !is_local_shortage(error) && pool_up_at(pool) <= now);
	if (!connection) {
		if (is_local_shortage(error))
			return error_origin(error);
		/* No source port is free, or the network is away: as if the server had refused. */
		return lost(crowd, side, &shot, false, now);
	}
	connection->shot = shot;
	connection->sent_ns = now;
	if (side == BUY) {
		connection->after_accept = purchase->told == TOLD_ACCEPTED;
		if (purchase->tries < UINT16_MAX)
			purchase->tries++;
		crowd->sent++;
		write_purchase(crowd, shot.purchase, &pool->servers[connection->server], &connection->out);
	} else {
		write_confirmation(crowd, shot.purchase, &pool->servers[connection->server], &connection->out);
	}
	ASSERT(!connection->out.failed);
	if (connection->state == POOL_BUSY && pool_send(pool, connection) < 0)
		return lose(crowd, side, connection, now);
	return 0;
}

static bool is_ready(const struct crowd *crowd, int side, int64_t now)
{
	const struct side *s = &crowd->sides[side];

	return !plan_is_empty(&s->plan) && plan_next_due(&s->plan) <= now && pool_up_at(&s->pool) <= now && pool_has_room(&s->pool);
}

/* Some at a time, so that answers are read in between. */
static int send_due(struct crowd *crowd, int64_t now)
{
	for (int side = 0; side < SIDES; side++) {
		for (int i = 0; i < EVENTS_MAX && is_ready(crowd, side, now); i++) {
			int r = send_one(crowd, side, now);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- Answers --- */

/* A new order: it is paid, or left lying. */
static int after_accept(struct crowd *crowd, uint32_t index, int64_t now)
{
	const struct purchase *purchase = &crowd->book.purchases[index];
	struct shot shot = {.purchase = index};

	if (crowd->options.operator_count == 0 || purchase->told_state != ORDER_HELD ||
	    shape_chance(&crowd->random, crowd->options.abandon))
		return 0;
	shot.due_ns = now + shape_between(&crowd->random, 0, crowd->options.pay_after_ns);
	return plan_push(&crowd->sides[PAY].plan, &shot);
}

/* Whether somebody comes again after an answer that was not the last word, and when. */
static int come_again(struct crowd *crowd, const struct pool_connection *connection, const struct answer *answer, int64_t now)
{
	const struct purchase *purchase = &crowd->book.purchases[connection->shot.purchase];
	int64_t wait = answer->retry_after_s > 0 ? answer->retry_after_s * SECOND : 100 * MS;
	bool open = purchase->open_since_ns != 0, bot = purchase->buyer >= crowd->book.people;
	struct shot shot = connection->shot;

	wait += shape_between(&crowd->random, 0, 200 * MS);
	if (open && (now + wait - shot.since_ns > crowd->options.patience_ns || shot.repetitions >= REPETITIONS_MAX)) {
		book_abandon(&crowd->book, shot.purchase, "its outcome stayed unknown");
		return 0;
	}
	if (!open && (crowd->stopped || bot || purchase->tries >= POLITE_TRIES || wait > POLITE_NS || purchase->told == TOLD_ACCEPTED))
		return 0;
	shot.intended_ns = now + wait;
	if (!open)
		shot.since_ns = now + wait;
	return send_again(crowd, BUY, shot, wait, now);
}

static int handle_purchase(struct crowd *crowd, struct pool_connection *connection, const struct answer *answer, int64_t now)
{
	struct shot shot = connection->shot;
	struct purchase *purchase = &crowd->book.purchases[shot.purchase];
	bool had_order = purchase->told == TOLD_ACCEPTED;
	enum book_next next;
	enum tally_kind kind;
	int r = 0;

	next = book_answer(&crowd->book, shot.purchase, connection->after_accept, answer, now, &kind);
	crowd->answered++;
	tally_outcome(&crowd->tally, answer->status, answer->status == 202 ? SLICE_NULL : answer_code(answer->body));
	tally_count(&crowd->tally, kind, now - crowd->started_ns);
	histogram_record(&crowd->sides[BUY].latency, (uint64_t)(now > shot.intended_ns ? now - shot.intended_ns : 0));
	if (!had_order && purchase->told == TOLD_ACCEPTED) {
		if (kind == TALLY_ACCEPTED)
			histogram_record(&crowd->latency_accepted, (uint64_t)(now > shot.intended_ns ? now - shot.intended_ns : 0));
		r = after_accept(crowd, shot.purchase, now);
	}
	if (r == 0 && next == BOOK_AGAIN)
		return come_again(crowd, connection, answer, now);
	if (r == 0 && !purchase->retried && !crowd->stopped && purchase->buyer < crowd->book.people) {
		purchase->retried = true;
		if (shape_chance(&crowd->random, crowd->options.retries)) {
			shot = (struct shot){.purchase = shot.purchase,
					     .due_ns = now + shape_between(&crowd->random, 20 * MS, 400 * MS)};
			r = plan_push(&crowd->sides[BUY].plan, &shot);
		}
	}
	return r;
}

static int handle_payment(struct crowd *crowd, struct pool_connection *connection, const struct answer *answer, int64_t now)
{
	struct shot shot = connection->shot;
	struct purchase *purchase = &crowd->book.purchases[shot.purchase];
	enum book_next next = book_confirm_answer(&crowd->book, shot.purchase, answer);

	histogram_record(&crowd->sides[PAY].latency, (uint64_t)(now > shot.intended_ns ? now - shot.intended_ns : 0));
	if (next == BOOK_AGAIN && now - shot.since_ns < crowd->options.patience_ns)
		return send_again(crowd, PAY, shot, 200 * MS, now);
	crowd->paid += purchase->confirm_told;
	crowd->paid_late += purchase->confirm_late;
	return 0;
}

/* What has come in on a connection. `ended`: the server has closed it. */
static int handle_input(struct crowd *crowd, int side, struct pool_connection *connection, bool ended, int64_t now)
{
	struct pool *pool = &crowd->sides[side].pool;
	struct answer answer;
	const char *reason;
	size_t used = 0;
	int outcome, r;

	if (connection->state == POOL_IDLE || connection->in.size == 0)
		return ended ? lose(crowd, side, connection, now) : 0;
	outcome = answer_read(connection->in.data, connection->in.size, &answer, &used, &reason);
	if (outcome == ANSWER_MORE)
		return ended ? lose(crowd, side, connection, now) : 0;
	if (outcome == ANSWER_FAULT || used != connection->in.size) {
		book_faults_add(&crowd->book.faults, 5, "an answer that is no proper HTTP answer: %s",
				outcome == ANSWER_FAULT ? reason : "there is more behind it than was asked for");
		return lose(crowd, side, connection, now);
	}
	r = side == BUY ? handle_purchase(crowd, connection, &answer, now) : handle_payment(crowd, connection, &answer, now);
	if (answer.close || ended || connection->out.size > 0)
		pool_close(pool, connection);
	else
		pool_release(pool, connection);
	return r;
}

static int handle_event(struct crowd *crowd, const struct epoll_event *event, int64_t now)
{
	int side = (int)(event->data.u64 >> 32), r = 0;
	struct pool *pool = &crowd->sides[side].pool;
	struct pool_connection *connection = &pool->connections[event->data.u64 & UINT32_MAX];
	bool ended = event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	bool connecting = connection->state == POOL_CONNECTING;

	if (connection->state == POOL_CLOSED)
		return 0;
	/* A handshake goes on with what comes in, too. */
	if (connecting || (connection->state != POOL_IDLE && event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		r = pool_send(pool, connection);
	if (r == -EPROTO)
		return r;
	if (r == -ECONNREFUSED)
		pool_refused(pool, connection, now);
	/*
	 * A server that refuses without reading us (too many connections) answers and closes: what
	 * it said is still there to read.
	 */
	if (r < 0 && connecting)
		return lose(crowd, side, connection, now);
	if (event->events & EPOLLIN) {
		int got = pool_receive(connection);

		ended = ended || got < 0;
	}
	return handle_input(crowd, side, connection, ended || r < 0, now);
}

/* Answers that are overdue. */
static int scan(struct crowd *crowd, int64_t now)
{
	if (now - crowd->scanned_ns < SCAN_NS)
		return 0;
	crowd->scanned_ns = now;
	for (int side = 0; side < SIDES; side++) {
		struct pool *pool = &crowd->sides[side].pool;

		for (uint32_t i = 0; i < pool->count; i++) {
			struct pool_connection *connection = &pool->connections[i];
			int r;

			if ((connection->state != POOL_BUSY && connection->state != POOL_CONNECTING) ||
			    now - connection->sent_ns <= crowd->options.timeout_ns)
				continue;
			if (connection->written)
				book_faults_add(&crowd->book.faults, 5, "a request had no answer within %lld ms",
						(long long)(crowd->options.timeout_ns / MS));
			r = lose(crowd, side, connection, now);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- The loop --- */

static bool is_done(const struct crowd *crowd)
{
	return plan_is_empty(&crowd->sides[BUY].plan) && plan_is_empty(&crowd->sides[PAY].plan) && crowd_in_flight(crowd) == 0;
}

static void start(struct crowd *crowd, int64_t now)
{
	struct plan *plan = &crowd->sides[BUY].plan;

	crowd->started_ns = crowd->scanned_ns = now;
	for (size_t i = 0; i < plan->list_count; i++)
		plan->list[i].due_ns += now;
}

/* When there is something to send, if nothing comes in before. */
static int64_t next_wake(const struct crowd *crowd, int64_t now, int64_t until)
{
	int64_t wake = until < crowd->scanned_ns + SCAN_NS ? until : crowd->scanned_ns + SCAN_NS;

	for (int side = 0; side < SIDES; side++) {
		const struct side *s = &crowd->sides[side];
		int64_t due = plan_next_due(&s->plan), up = pool_up_at(&s->pool);

		if (due == INT64_MAX || !pool_has_room(&s->pool))
			continue;
		if (due < up)
			due = up;
		if (due < wake)
			wake = due;
	}
	return wake > now ? wake - now : 0;
}

int crowd_step(struct crowd *crowd, int64_t timeout_ns)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t now = clock_mono_ns(), until = now + timeout_ns;
	int r;

	if (crowd->started_ns == 0)
		start(crowd, now);
	do {
		struct timespec wait;
		int64_t wait_ns;
		int count;

		r = send_due(crowd, now);
		if (r < 0)
			return r;
		if (is_done(crowd))
			return CROWD_DONE;
		wait_ns = next_wake(crowd, now, until);
		wait = (struct timespec){.tv_sec = wait_ns / SECOND, .tv_nsec = wait_ns % SECOND};
		count = epoll_pwait2(crowd->epoll, events, EVENTS_MAX, &wait, NULL);
		if (count < 0 && errno != EINTR)
			return error_origin(-errno);
		now = clock_mono_ns();
		for (int i = 0; i < count && r == 0; i++)
			r = handle_event(crowd, &events[i], now);
		if (r == 0)
			r = scan(crowd, now);
		if (r < 0)
			return r;
	} while (now < until);
	return is_done(crowd) ? CROWD_DONE : CROWD_RUNNING;
}
