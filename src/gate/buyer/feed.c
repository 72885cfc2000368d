/*
 * The feed of a sale: Server-Sent Events. A look every LOOK_NS renders each sale that is watched,
 * once for all its streams, and sends them what has changed since they were sent something last, so
 * a stampede of changes costs a watcher at most ten events a second, and a watcher of a sale that
 * does not change next to nothing. Buyers are told what is sold out, operators the numbers.
 *
 *   event: sale    the sale as GET /v1/sales/{sale} shows it, but for its lots: at first, and when it changes
 *   event: stock   {"lots":[…]}: when that changes
 *   event: time    as GET /v1/time shows it: to buyers, at first
 */
#include <stdlib.h>
#include "base/clock.h"
#include "gate/buyer/routes.h"
#include "gate/render.h"
#include "gate/thread.h"

enum {
	STREAMS_MAX = 1024,            /* a thread */
	STREAMS_MAX_OF_A_CLIENT = 256, /* a thread; what comes from this machine itself apart, which is load or a proxy that nobody named */
	LOOK_NS = 100000000,
	STOCK_TEXT_MAX = 64 * 1024, /* LOTS_MAX lots of an operator's view are 30 KiB */
};
static const int64_t heartbeat_ns = 15000000000;

/* What is sent of a sale. A text has a number, which rises with each change of it. */
struct text {
	struct buffer text;
	uint64_t number; /* 0: there was none yet */
	bool known;      /* it is what the last look has found */
};

struct view {
	uint32_t sale;
	size_t streams;
	bool hidden; /* from this listener's clients */
	struct text terms, stock;
};

struct stream {
	struct http_handle handle;
	struct address client; /* its key: an IPv4 address or an IPv6 /64 */
	int64_t started_ns;
	struct view *view;
	uint64_t terms, stock; /* the numbers of what was sent last */
	int64_t sent_ns;
	uint64_t event;
	const char *actor; /* an operator; NULL on the public listener */
};

struct feed {
	struct gate_thread *thread;
	struct stream *streams[STREAMS_MAX];
	size_t count;
	struct view *views[STREAMS_MAX]; /* of the sales that are watched */
	size_t view_count;
	struct buffer fresh; /* room to render in */
	int64_t next_ns;
};

int feed_new(struct feed **out, struct gate_thread *thread)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return error_origin(-ENOMEM);
	feed->thread = thread;
	buffer_init(&feed->fresh, STOCK_TEXT_MAX);
	*out = feed;
	return 0;
}

/* The view of a sale, for one stream more; NULL: no memory. */
static struct view *view_ref(struct feed *feed, uint32_t sale)
{
	struct view *view;

	for (size_t i = 0; i < feed->view_count; i++)
		if (feed->views[i]->sale == sale) {
			feed->views[i]->streams++;
			return feed->views[i];
		}
	view = calloc(1, sizeof(*view));
	if (!view)
		return NULL;
	view->sale = sale;
	view->streams = 1;
	buffer_init(&view->terms.text, STOCK_TEXT_MAX);
	buffer_init(&view->stock.text, STOCK_TEXT_MAX);
	feed->views[feed->view_count++] = view;
	return view;
}

static void view_unref(struct feed *feed, struct view *view)
{
	size_t i = 0;

	if (--view->streams > 0)
		return;
	while (feed->views[i] != view)
		i++;
	feed->views[i] = feed->views[--feed->view_count];
	buffer_deinit(&view->terms.text);
	buffer_deinit(&view->stock.text);
	free(view);
}

static void remove_at(struct feed *feed, size_t place)
{
	struct stream *stream = feed->streams[place];

	feed->streams[place] = feed->streams[--feed->count];
	view_unref(feed, stream->view);
	free(stream);
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	while (feed->count > 0)
		remove_at(feed, feed->count - 1);
	buffer_deinit(&feed->fresh);
	free(feed);
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

/* What has been rendered in feed->fresh is the text now. */
static void set_text(struct feed *feed, struct text *text)
{
	struct buffer old = text->text;

	text->known = true;
	if (text->number > 0 && slice_equal(buffer_slice(&text->text), buffer_slice(&feed->fresh)))
		return;
	text->text = feed->fresh;
	feed->fresh = old;
	text->number++;
}

/*
 * A sale that was disarmed, or is not announced any more, is hidden: what it is meant to become is
 * not the public's business.
 */
static void look(struct feed *feed, struct view *view)
{
	const struct sale_entry *entry = sale_table_find_number(gate_sales(feed->thread), view->sale);
	struct stock_lot_state lots[LOTS_MAX];

	view->terms.known = view->stock.known = view->hidden = false;
	if (!entry)
		return;
	view->hidden = !feed->thread->for_operators && sale_phase(entry->sale, clock_wall_ms()) == SALE_PHASE_HIDDEN;
	buffer_clear(&feed->fresh);
	render_public_terms(entry->sale, clock_wall_ms(), &feed->fresh);
	set_text(feed, &view->terms);
	if (!gate_lots(feed->thread->gate, entry->sale, lots))
		return;
	buffer_clear(&feed->fresh);
	render_stock(feed, entry->sale, lots, &feed->fresh);
	set_text(feed, &view->stock);
}

/* Sends a text that is not the one that was sent last. */
static void send_change(struct stream *stream, struct http_exchange *exchange, const char *name, const struct text *text,
			uint64_t *sent, int64_t now_ns)
{
	struct buffer out;

	if (!text->known || *sent == text->number)
		return;
	*sent = text->number;
	buffer_init(&out, 2 * STOCK_TEXT_MAX);
	buffer_printf(&out, "id: %llu\nevent: %s\ndata: ", (unsigned long long)++stream->event, name);
	buffer_append_slice(&out, buffer_slice(&text->text));
	buffer_append_literal(&out, "\n\n");
	http_stream_write(exchange, buffer_slice(&out));
	buffer_deinit(&out);
	stream->sent_ns = now_ns;
}

static void write_time(struct http_exchange *exchange)
{
	struct buffer out;

	buffer_init(&out, 256);
	buffer_append_literal(&out, "event: time\ndata: ");
	render_clock(clock_wall_ms(), &out);
	buffer_append_literal(&out, "\n\n");
	http_stream_write(exchange, buffer_slice(&out));
	buffer_deinit(&out);
}

static void send_changes(struct stream *stream, struct http_exchange *exchange, int64_t now_ns)
{
	send_change(stream, exchange, "sale", &stream->view->terms, &stream->terms, now_ns);
	send_change(stream, exchange, "stock", &stream->view->stock, &stream->stock, now_ns);
	if (now_ns - stream->sent_ns > heartbeat_ns) {
		http_stream_write(exchange, SLICE(": still here\n\n"));
		stream->sent_ns = now_ns;
	}
}

int64_t feed_tick(struct feed *feed, int64_t now_ns)
{
	if (feed->count == 0)
		return INT64_MAX;
	if (now_ns < feed->next_ns)
		return feed->next_ns;
	for (size_t i = 0; i < feed->view_count; i++)
		look(feed, feed->views[i]);
	for (size_t i = feed->count; i-- > 0;) {
		struct http_exchange *exchange = http_find(feed->thread->loop, feed->streams[i]->handle);

		if (exchange && !feed->streams[i]->view->hidden) {
			send_changes(feed->streams[i], exchange, now_ns);
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
	if (stream)
		stream->view = view_ref(feed, entry->sale->number);
	if (!stream || !stream->view) {
		free(stream);
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	stream->handle = http_exchange_handle(request->exchange);
	stream->client = client;
	stream->started_ns = http_loop_now(thread->loop);
	stream->actor = request->actor;
	stream->sent_ns = http_loop_now(thread->loop);
	feed->streams[feed->count++] = stream;
	gate_say_common(thread, request->exchange, &request->trace, &thread->reply);
	reply_header(&thread->reply, "Cache-Control", SLICE("no-store"));
	reply_header(&thread->reply, "X-Accel-Buffering", SLICE("no")); /* nginx would gather what it is to pass on */
	http_stream_start(request->exchange, buffer_slice(&thread->reply.headers));
	http_stream_write(request->exchange, SLICE("retry: 1000\n\n"));
	if (!thread->for_operators)
		write_time(request->exchange);
	look(feed, stream->view);
	send_changes(stream, request->exchange, stream->sent_ns);
}
