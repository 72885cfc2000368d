/*
 * The feed of a sale: Server-Sent Events. A look every LOOK_NS renders each sale that is watched,
 * once for all its streams, and sends them what has changed since they were sent something last, so
 * a stampede of changes costs a watcher at most ten events a second, and a watcher of a sale that
 * does not change next to nothing. Of many streams some are served in each round of the loop, so
 * that purchases go on between them. Buyers are told what is sold out, operators the numbers.
 *
 * A stream is a connection, and what limits them is how many of those there may be: a quarter is
 * left for who does not watch. When there are as many streams as may be, the oldest of whoever has
 * most ends for the one that comes (http/peers.h, by streams in place of connections).
 *
 *   event: sale    the sale as GET /v1/sales/{sale} shows it, but for its lots: at first, and when it changes
 *   event: stock   {"lots":[…]}: when that changes
 *   event: view    to operators, once a second: all figures of the sale at one instant, and its past at first (gate/sale_view.h)
 *   event: time    as GET /v1/time shows it: to buyers, at first
 */
#include <stdlib.h>
#include "base/clock.h"
#include "gate/buyer/routes.h"
#include "gate/render.h"
#include "gate/sale_view.h"
#include "gate/thread.h"
#include "http/peers.h"

enum {
	TURN_STREAMS = 256,            /* served in one round: a millisecond or two */
	DIVIDED = 64,                  /* connections, at least */
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
	size_t place; /* in feed->views */
	size_t streams;
	bool hidden; /* from this listener's clients */
	struct text terms, stock;
};

struct stream {
	struct peer_seat seat; /* first: one is found from the other */
	struct http_handle handle;
	struct stream *previous, *next;
	int64_t started_ns;
	struct view *view;
	uint64_t terms, stock; /* the numbers of what was sent last */
	struct sale_view_place viewed;
	int64_t sent_ns;
	uint64_t event;
	const char *actor; /* an operator; NULL on the public listener */
};

struct feed {
	struct gate_thread *thread;
	struct stream *first, *last; /* oldest first */
	struct stream *turn;         /* who is served next, of those whom a look has found; NULL: all were */
	size_t count, count_max;
	struct stream **by_slot; /* of its connection */
	size_t slot_count;
	struct peers watchers;
	struct view **views; /* of the sales that are watched */
	size_t view_count, view_max;
	struct buffer fresh; /* room to render in */
	struct buffer event; /* and for one event */
	int64_t next_ns;
};

/*
 * The streams of one thread: its part of the connections that there may be, but for a quarter,
 * where they are enough to be divided at all.
 */
static size_t streams_max(const struct gate_thread *thread)
{
	const struct gate *gate = thread->gate;
	int64_t connections = thread->for_operators ? gate->operator_quota.connections_max : gate->quota.connections_max;
	size_t threads = thread->for_operators ? 1 : gate_public_threads(gate->settings.settings), most;

	if (connections < DIVIDED)
		return (size_t)connections;
	most = (size_t)(connections - connections / 4) / threads;
	return most > 0 ? most : 1;
}

int feed_new(struct feed **out, struct gate_thread *thread)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return error_origin(-ENOMEM);
	feed->thread = thread;
	feed->count_max = streams_max(thread);
	buffer_init(&feed->fresh, STOCK_TEXT_MAX);
	buffer_init(&feed->event, 2 * STOCK_TEXT_MAX);
	*out = feed;
	return peers_init(&feed->watchers, feed->count_max);
}

/* A table of pointers with room for so many; NULL: no memory, and it is as it was. */
static void *with_room(void *table, size_t *max, size_t needed)
{
	size_t more = *max ? *max : 16;
	void **grown;

	while (more < needed)
		more *= 2;
	if (more == *max)
		return table;
	grown = realloc(table, more * sizeof(*grown));
	if (!grown)
		return NULL;
	memset(grown + *max, 0, (more - *max) * sizeof(*grown));
	*max = more;
	return grown;
}

/* The view of a sale, for one stream more; NULL: no memory. */
static struct view *view_ref(struct feed *feed, uint32_t sale)
{
	struct view **views, *view;

	for (size_t i = 0; i < feed->view_count; i++)
		if (feed->views[i]->sale == sale) {
			feed->views[i]->streams++;
			return feed->views[i];
		}
	views = with_room(feed->views, &feed->view_max, feed->view_count + 1);
	if (!views)
		return NULL;
	feed->views = views;
	view = calloc(1, sizeof(*view));
	if (!view)
		return NULL;
	view->sale = sale;
	view->streams = 1;
	buffer_init(&view->terms.text, STOCK_TEXT_MAX);
	buffer_init(&view->stock.text, STOCK_TEXT_MAX);
	view->place = feed->view_count++;
	feed->views[view->place] = view;
	return view;
}

static void view_unref(struct feed *feed, struct view *view)
{
	if (--view->streams > 0)
		return;
	feed->views[view->place] = feed->views[--feed->view_count];
	feed->views[view->place]->place = view->place;
	buffer_deinit(&view->terms.text);
	buffer_deinit(&view->stock.text);
	free(view);
}

/* A stream of this sale and client, which is not linked yet; NULL: no memory. */
static struct stream *stream_new(struct feed *feed, struct http_handle handle, uint32_t sale)
{
	struct stream **by_slot = with_room(feed->by_slot, &feed->slot_count, handle.slot + 1), *stream;

	if (!by_slot)
		return NULL;
	feed->by_slot = by_slot;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return NULL;
	stream->handle = handle;
	stream->view = view_ref(feed, sale);
	if (stream->view)
		return stream;
	free(stream);
	return NULL;
}

static void add(struct feed *feed, struct stream *stream, const struct address *client)
{
	peers_join(&feed->watchers, &stream->seat, client);
	feed->by_slot[stream->handle.slot] = stream;
	stream->previous = feed->last;
	if (feed->last)
		feed->last->next = stream;
	else
		feed->first = stream;
	feed->last = stream;
	feed->count++;
}

static void forget(struct feed *feed, struct stream *stream)
{
	if (feed->turn == stream)
		feed->turn = stream->next;
	if (stream->previous)
		stream->previous->next = stream->next;
	else
		feed->first = stream->next;
	if (stream->next)
		stream->next->previous = stream->previous;
	else
		feed->last = stream->previous;
	feed->by_slot[stream->handle.slot] = NULL;
	feed->count--;
	peers_leave(&feed->watchers, &stream->seat);
	view_unref(feed, stream->view);
	free(stream);
}

static void end(struct feed *feed, struct stream *stream)
{
	struct http_exchange *exchange = http_find(feed->thread->loop, stream->handle);

	if (exchange)
		http_stream_end(exchange);
	forget(feed, stream);
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	while (feed->first)
		forget(feed, feed->first);
	peers_deinit(&feed->watchers);
	buffer_deinit(&feed->fresh);
	buffer_deinit(&feed->event);
	free(feed->by_slot);
	free(feed->views);
	free(feed);
}

void feed_gone(struct feed *feed, struct http_handle handle)
{
	struct stream *stream = handle.slot < feed->slot_count ? feed->by_slot[handle.slot] : NULL;

	if (stream && stream->handle.generation == handle.generation)
		forget(feed, stream);
}

void feed_review(struct feed *feed, const struct operators *fresh, const struct operators *old)
{
	struct stream *next;

	for (struct stream *stream = feed->first; stream; stream = next) {
		next = stream->next;
		if (stream->actor && !operators_keep(fresh, old, stream->actor, OPERATOR_READ))
			end(feed, stream);
	}
}

void feed_stop(struct feed *feed)
{
	while (feed->first)
		end(feed, feed->first);
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
	if (feed->thread->for_operators)
		render_operator_terms(entry->sale, &feed->fresh);
	else
		render_public_terms(entry->sale, clock_wall_ms(), &feed->fresh);
	set_text(feed, &view->terms);
	if (!gate_lots(feed->thread->gate, entry->sale, lots))
		return;
	buffer_clear(&feed->fresh);
	render_stock(feed, entry->sale, lots, &feed->fresh);
	set_text(feed, &view->stock);
}

/* Its data follows in feed->event; then end_event(). */
static void begin_event(struct feed *feed, struct stream *stream, const char *name)
{
	buffer_clear(&feed->event);
	buffer_printf(&feed->event, "id: %llu\nevent: %s\ndata: ", (unsigned long long)++stream->event, name);
}

static void end_event(struct feed *feed, struct stream *stream, struct http_exchange *exchange, int64_t now_ns)
{
	buffer_append_literal(&feed->event, "\n\n");
	http_stream_write(exchange, buffer_slice(&feed->event));
	stream->sent_ns = now_ns;
}

/* Sends a text that is not the one that was sent last. */
static void send_change(struct feed *feed, struct stream *stream, struct http_exchange *exchange, const char *name,
			const struct text *text, uint64_t *sent, int64_t now_ns)
{
	if (!text->known || *sent == text->number)
		return;
	*sent = text->number;
	begin_event(feed, stream, name);
	buffer_append_slice(&feed->event, buffer_slice(&text->text));
	end_event(feed, stream, exchange, now_ns);
}

static void send_view(struct feed *feed, struct stream *stream, struct http_exchange *exchange, int64_t now_ns)
{
	const struct sale_entry *entry = sale_table_find_number(gate_sales(feed->thread), stream->view->sale);

	if (!entry || !sale_view_due(feed->thread, entry->sale, &stream->viewed, now_ns))
		return;
	begin_event(feed, stream, "view");
	sale_view_render(feed->thread, entry->sale, &stream->viewed, now_ns, &feed->event);
	end_event(feed, stream, exchange, now_ns);
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

static void send_changes(struct feed *feed, struct stream *stream, struct http_exchange *exchange, int64_t now_ns)
{
	send_change(feed, stream, exchange, "sale", &stream->view->terms, &stream->terms, now_ns);
	send_change(feed, stream, exchange, "stock", &stream->view->stock, &stream->stock, now_ns);
	if (feed->thread->for_operators)
		send_view(feed, stream, exchange, now_ns);
	if (now_ns - stream->sent_ns > heartbeat_ns) {
		http_stream_write(exchange, SLICE(": still here\n\n"));
		stream->sent_ns = now_ns;
	}
}

static void serve(struct feed *feed, struct stream *stream, int64_t now_ns)
{
	struct http_exchange *exchange = http_find(feed->thread->loop, stream->handle);

	if (exchange && !stream->view->hidden)
		send_changes(feed, stream, exchange, now_ns);
	else
		end(feed, stream);
}

int64_t feed_tick(struct feed *feed, int64_t now_ns)
{
	if (feed->count == 0)
		return INT64_MAX;
	if (!feed->turn && now_ns < feed->next_ns)
		return feed->next_ns;
	if (!feed->turn) {
		for (size_t i = 0; i < feed->view_count; i++)
			look(feed, feed->views[i]);
		feed->turn = feed->first;
		feed->next_ns = now_ns + LOOK_NS;
	}
	for (int i = 0; i < TURN_STREAMS && feed->turn; i++) {
		struct stream *stream = feed->turn;

		feed->turn = stream->next;
		serve(feed, stream, now_ns);
	}
	return feed->turn ? now_ns : feed->next_ns;
}

static int64_t started_of(const struct peer_seat *seat)
{
	return ((const struct stream *)seat)->started_ns;
}

/*
 * Ends the oldest stream of whoever has most, for a client that does not have as many, or its own;
 * false: nobody goes. How old it is does not count beyond that.
 */
static bool make_room(struct feed *feed, const struct address *newcomer)
{
	struct peer_seat *seat = peers_victim(&feed->watchers, newcomer, 0, started_of);

	if (!seat)
		return false;
	end(feed, (struct stream *)seat);
	return true;
}

/* Whether this client may watch once more; else it has answered. */
static bool may_watch(struct gate_request *request, const struct address *client)
{
	struct feed *feed = request->thread->feed;

	if (!address_is_loopback(client) && peers_count(&feed->watchers, client) >= STREAMS_MAX_OF_A_CLIENT) {
		gate_refuse(request, PROBLEM_ADDRESS_RATE_LIMITED,
			    &(struct problem_options){.detail = "Your address watches as many times as one address may.",
						      .retry_after_ms = 1000});
		return false;
	}
	if (feed->count < feed->count_max || make_room(feed, client))
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
	if (!may_watch(request, &client))
		return;
	stream = stream_new(feed, http_exchange_handle(request->exchange), entry->sale->number);
	if (!stream) {
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	stream->started_ns = http_loop_now(thread->loop);
	stream->actor = request->actor;
	stream->sent_ns = http_loop_now(thread->loop);
	add(feed, stream, &client);
	gate_say_common(thread, request->exchange, &request->trace, &thread->reply);
	reply_header(&thread->reply, "Cache-Control", SLICE("no-store"));
	reply_header(&thread->reply, "X-Accel-Buffering", SLICE("no")); /* nginx would gather what it is to pass on */
	http_stream_start(request->exchange, buffer_slice(&thread->reply.headers));
	http_stream_write(request->exchange, SLICE("retry: 1000\n\n"));
	if (!thread->for_operators)
		write_time(request->exchange);
	look(feed, stream->view);
	send_changes(feed, stream, request->exchange, stream->sent_ns);
}
