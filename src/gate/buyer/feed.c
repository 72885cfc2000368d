/*
 * The feed of a sale: Server-Sent Events. Each stream remembers what it was sent last; a look every
 * LOOK_NS sends what has changed since, so a stampede of changes costs a watcher at most ten events
 * a second. Buyers are told what is sold out, operators the numbers.
 *
 *   event: sale    the sale as GET /v1/sales/{sale} shows it, but for its lots: at first, and when it changes
 *   event: stock   {"lots":[…]}: when that changes
 */
#include <stdlib.h>
#include "base/clock.h"
#include "gate/buyer/routes.h"
#include "gate/render.h"
#include "gate/thread.h"

enum {
	STREAMS_MAX = 1024,            /* a thread: each costs a look at its sale every LOOK_NS */
	STREAMS_MAX_OF_A_CLIENT = 256, /* a thread; what comes from this machine itself apart, which is load or a proxy that nobody named */
	LOOK_NS = 100000000,
	STOCK_TEXT_MAX = 64 * 1024, /* LOTS_MAX lots of an operator's view are 30 KiB */
};
static const int64_t heartbeat_ns = 15000000000;

struct stream {
	struct http_handle handle;
	struct address client; /* its key: an IPv4 address or an IPv6 /64 */
	int64_t started_ns;
	uint32_t sale;
	struct buffer sale_text, stock_text; /* as sent last */
	int64_t sent_ns;
	uint64_t event;
	const char *actor; /* an operator; NULL on the public listener */
};

struct feed {
	struct gate_thread *thread;
	struct stream *streams[STREAMS_MAX];
	size_t count;
	int64_t next_ns;
};

int feed_new(struct feed **out, struct gate_thread *thread)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return error_origin(-ENOMEM);
	feed->thread = thread;
	*out = feed;
	return 0;
}

static void stream_free(struct stream *stream)
{
	buffer_deinit(&stream->sale_text);
	buffer_deinit(&stream->stock_text);
	free(stream);
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	for (size_t i = 0; i < feed->count; i++)
		stream_free(feed->streams[i]);
	free(feed);
}

static void remove_at(struct feed *feed, size_t place)
{
	stream_free(feed->streams[place]);
	feed->streams[place] = feed->streams[--feed->count];
}

void feed_gone(struct feed *feed, struct http_handle handle)
{
	for (size_t i = 0; i < feed->count; i++)
		if (feed->streams[i]->handle.slot == handle.slot && feed->streams[i]->handle.generation == handle.generation) {
			remove_at(feed, i);
			return;
		}
}

void feed_review(struct feed *feed, const struct operators *fresh, const struct operators *old)
{
	for (size_t i = feed->count; i-- > 0;) {
		const char *actor = feed->streams[i]->actor;
		struct http_exchange *exchange = http_find(feed->thread->loop, feed->streams[i]->handle);

		if (!actor || operators_keep(fresh, old, actor, OPERATOR_READ))
			continue;
		if (exchange)
			http_stream_end(exchange);
		remove_at(feed, i);
	}
}

void feed_stop(struct feed *feed)
{
	while (feed->count) {
		struct http_exchange *exchange = http_find(feed->thread->loop, feed->streams[0]->handle);

		if (exchange)
			http_stream_end(exchange);
		remove_at(feed, 0);
	}
}

static void render_stock(const struct feed *feed, const struct sale *sale, const struct stock_lot_state *lots, struct buffer *out)
{
	bool ended = sale_phase(sale, clock_wall_ms()) == SALE_PHASE_ENDED;

	buffer_append_literal(out, "{\"lots\":[");
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		if (i)
			buffer_append_literal(out, ",");
		if (feed->thread->for_operators) {
			render_operator_lot(sale->lots[i].sku, &lots[i], out);
			continue;
		}
		buffer_append_literal(out, "{");
		render_text_member(out, "sku", slice_of(sale->lots[i].sku));
		render_name(out, "sold_out");
		buffer_append_text(out, lots[i].available == 0 ? "true" : "false");
		render_name(out, "may_return");
		buffer_append_text(out, lots[i].available == 0 && lots[i].held > 0 && !ended ? "true" : "false");
		buffer_append_literal(out, "}");
	}
	buffer_append_literal(out, "]}");
}

/* Sends an event where its text is not what was sent last; then `fresh` becomes that. */
static void send_change(struct stream *stream, struct http_exchange *exchange, const char *name, struct buffer *last,
			struct buffer *fresh, int64_t now_ns)
{
	struct buffer out, old = *last;

	if (slice_equal(buffer_slice(last), buffer_slice(fresh)))
		return;
	*last = *fresh;
	*fresh = old;
	buffer_init(&out, 2 * STOCK_TEXT_MAX);
	buffer_printf(&out, "id: %llu\nevent: %s\ndata: ", (unsigned long long)++stream->event, name);
	buffer_append_slice(&out, buffer_slice(last));
	buffer_append_literal(&out, "\n\n");
	http_stream_write(exchange, buffer_slice(&out));
	buffer_deinit(&out);
	stream->sent_ns = now_ns;
}

static void look(struct feed *feed, struct stream *stream, struct http_exchange *exchange, int64_t now_ns)
{
	struct sale_entry *entry = sale_table_find_number(gate_sales(feed->thread), stream->sale);
	struct stock_lot_state lots[LOTS_MAX];
	struct buffer fresh;

	buffer_init(&fresh, STOCK_TEXT_MAX);
	if (entry) {
		render_public_terms(entry->sale, clock_wall_ms(), &fresh);
		send_change(stream, exchange, "sale", &stream->sale_text, &fresh, now_ns);
		if (gate_lots(feed->thread->gate, entry->sale, lots)) {
			buffer_clear(&fresh);
			render_stock(feed, entry->sale, lots, &fresh);
			send_change(stream, exchange, "stock", &stream->stock_text, &fresh, now_ns);
		}
	}
	if (now_ns - stream->sent_ns > heartbeat_ns) {
		http_stream_write(exchange, SLICE(": still here\n\n"));
		stream->sent_ns = now_ns;
	}
	buffer_deinit(&fresh);
}

/*
 * It was disarmed, or is not announced any more: what it is meant to become is not the public's
 * business.
 */
static bool is_hidden(const struct feed *feed, const struct stream *stream)
{
	const struct sale_entry *entry = sale_table_find_number(gate_sales(feed->thread), stream->sale);

	return entry && !feed->thread->for_operators && sale_phase(entry->sale, clock_wall_ms()) == SALE_PHASE_HIDDEN;
}

int64_t feed_tick(struct feed *feed, int64_t now_ns)
{
	if (feed->count == 0)
		return INT64_MAX;
	if (now_ns < feed->next_ns)
		return feed->next_ns;
	for (size_t i = feed->count; i-- > 0;) {
		struct http_exchange *exchange = http_find(feed->thread->loop, feed->streams[i]->handle);

		if (exchange && !is_hidden(feed, feed->streams[i])) {
			look(feed, feed->streams[i], exchange, now_ns);
			continue;
		}
		if (exchange)
			http_stream_end(exchange);
		remove_at(feed, i);
	}
	feed->next_ns = now_ns + LOOK_NS;
	return feed->next_ns;
}

static size_t count_of(const struct feed *feed, const struct address *client)
{
	size_t count = 0;

	for (size_t i = 0; i < feed->count; i++)
		count += memcmp(&feed->streams[i]->client, client, sizeof(*client)) == 0;
	return count;
}

struct watcher {
	struct address site, client;
	int64_t started_ns;
	size_t place;
};

/* By site, then by client, then by age. */
static int compare(const void *a, const void *b)
{
	const struct watcher *x = a, *y = b;
	int order = memcmp(&x->site, &y->site, sizeof(x->site));

	if (order == 0)
		order = memcmp(&x->client, &y->client, sizeof(x->client));
	return order ? order : (x->started_ns > y->started_ns) - (x->started_ns < y->started_ns);
}

/*
 * The longest run of one site, then within it of one client: its first, which is the oldest stream
 * of whoever has most.
 */
static const struct watcher *greediest(const struct watcher *watchers, size_t count, size_t *site_count)
{
	size_t best = 0, best_count = 0, run = 0;

	for (size_t i = 0; i < count; i = run) {
		for (run = i; run < count && memcmp(&watchers[run].site, &watchers[i].site, sizeof(watchers->site)) == 0;)
			run++;
		if (run - i > best_count) {
			best = i;
			best_count = run - i;
		}
	}
	*site_count = best_count;
	watchers += best;
	best = 0;
	for (size_t i = 0, most = 0; i < *site_count; i = run) {
		for (run = i; run < *site_count && memcmp(&watchers[run].client, &watchers[i].client, sizeof(watchers->client)) == 0;)
			run++;
		if (run - i > most) {
			best = i;
			most = run - i;
		}
	}
	return &watchers[best];
}

/*
 * Ends the oldest stream of whoever has most, for a client that does not have as many, or its own;
 * false: nobody goes.
 */
static bool make_room(struct feed *feed, const struct address *newcomer)
{
	struct watcher watchers[STREAMS_MAX];
	struct address site = address_site(newcomer);
	const struct watcher *goes;
	struct http_exchange *exchange;
	size_t own = 0, most;

	for (size_t i = 0; i < feed->count; i++) {
		watchers[i] = (struct watcher){address_site(&feed->streams[i]->client), feed->streams[i]->client,
					       feed->streams[i]->started_ns, i};
		own += memcmp(&watchers[i].site, &site, sizeof(site)) == 0;
	}
	qsort(watchers, feed->count, sizeof(watchers[0]), compare);
	goes = greediest(watchers, feed->count, &most);
	if (most <= own + 1 && memcmp(&goes->site, &site, sizeof(site)) != 0)
		return false;
	exchange = http_find(feed->thread->loop, feed->streams[goes->place]->handle);
	if (exchange)
		http_stream_end(exchange);
	remove_at(feed, goes->place);
	return true;
}

/* Whether this client may watch once more; else it has answered. */
static bool may_watch(struct gate_request *request, const struct address *client)
{
	struct feed *feed = request->thread->feed;

	if (!address_is_loopback(client) && count_of(feed, client) >= STREAMS_MAX_OF_A_CLIENT) {
		gate_refuse(request, PROBLEM_ADDRESS_RATE_LIMITED,
			    &(struct problem_options){.detail = "Your address watches as many times as one address may.",
						      .retry_after_ms = 1000});
		return false;
	}
	if (feed->count < STREAMS_MAX || make_room(feed, client))
		return true;
	gate_refuse(request, PROBLEM_OVERLOADED, NULL);
	return false;
}

void feed_start(struct gate_request *request)
{
	struct gate_thread *thread = request->thread;
	struct feed *feed = thread->feed;
	struct sale_entry *entry = sale_table_find(gate_sales(thread), request->parameters[0]);
	struct address client;
	struct stream *stream;

	if (!entry || (sale_phase(entry->sale, clock_wall_ms()) == SALE_PHASE_HIDDEN && !thread->for_operators)) {
		gate_refuse(request, entry ? PROBLEM_UNKNOWN_SALE : gate_no_sale(thread->gate), NULL);
		return;
	}
	if (request->http->method == HTTP_HEAD) {
		thread->reply.content_type = SLICE("text/event-stream");
		gate_answer(request, &thread->reply);
		return;
	}
	client = gate_client(request);
	client = address_client_key(&client);
	if (!may_watch(request, &client))
		return;
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	buffer_init(&stream->sale_text, STOCK_TEXT_MAX);
	buffer_init(&stream->stock_text, STOCK_TEXT_MAX);
	stream->handle = http_exchange_handle(request->exchange);
	stream->client = client;
	stream->started_ns = http_loop_now(thread->loop);
	stream->sale = entry->sale->number;
	stream->actor = request->actor;
	stream->sent_ns = http_loop_now(thread->loop);
	feed->streams[feed->count++] = stream;
	reply_header(&thread->reply, "traceparent", trace_slice(&request->trace));
	reply_header(&thread->reply, "Cache-Control", SLICE("no-store"));
	http_stream_start(request->exchange, buffer_slice(&thread->reply.headers));
	http_stream_write(request->exchange, SLICE("retry: 1000\n\n"));
	look(feed, stream, request->exchange, stream->sent_ns);
}
