/*
 * One thread. It reads ahead of what is delivered, at most WINDOW changes, so that a sale whose
 * endpoint refuses does not hold the others up for long; then all wait for it. What was delivered
 * is kept twice a second and at the end; what is delivered and not kept yet when the process dies
 * is delivered again (the receiver knows it by webhook-id).
 *
 * Two processes of one name: each keeps its position under the version that it has read. Who finds
 * another position than its own in there ends; but what is there before it has kept any may be the
 * last one of a predecessor that was killed while it was on its way.
 */
#include "cli/relay/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "cli/relay/print.h"

enum { WINDOW = 10000, PAGE = 500, IN_FLIGHT_MAX = 32 };
static const int64_t fetch_ns = 200000000, keep_ns = 500000000, ask_ns = 2000000000, turn_ns = 100000000, finish_ns = 3000000000;
static const struct backoff_range server_again = {.first_ns = 200000000, .most_ns = 5000000000};

static void lose(struct relay *relay, const char *why)
{
	log_error("relay", why, LOG_TEXT("relay", relay->name));
	atomic_store(&relay->lost, true);
	pause_end(&relay->rest);
}

/*
 * What the server says of a relay, and of the feed. What is in front of it may answer in its place,
 * with 200 and a page of its own: that says nothing of where the relay stands, or of what there is.
 */
static bool is_state(const json_t *answer)
{
	const json_t *position = json_object_get(answer, "position"), *skipped = json_object_get(answer, "skipped"), *id;
	bool is = json_is_integer(json_object_get(answer, "version")) && (json_is_null(position) || json_is_object(position)) &&
		  json_is_array(skipped);
	size_t i;

	json_array_foreach(skipped, i, id) is = is && json_is_string(id);
	return is;
}

static bool is_page(const json_t *answer)
{
	return json_is_array(json_object_get(answer, "changes"));
}

/*
 * A call of the server. The status; 0: it does not answer, or with 200 something that is not its
 * own, and is left alone for a while.
 */
static int call(struct relay *relay, const char *method, const char *path, json_t *body, bool (*is_own)(const json_t *answer),
		json_t **answer)
{
	int status = 0, result;

	*answer = NULL;
	if (backoff_check(&relay->server) < 0) {
		json_decref(body);
		return 0;
	}
	result = client_call(&relay->client, method, path, body, &status, answer);
	if (result == 0 && status >= 500)
		result = -EAGAIN;
	else if (result == 0 && status == 200 && !is_own(*answer))
		result = -EBADMSG;
	if (result < 0 && !backoff_failed(&relay->server))
		log_warn("relay", "the server does not answer", LOG_TEXT("error", client_error(&relay->client, result)),
			 LOG_INT("status", status));
	(void)backoff_note(&relay->server, &server_again, result);
	if (result < 0) {
		json_decref(*answer);
		*answer = NULL;
	}
	return result < 0 ? 0 : status;
}

/* --- The position --- */

static void place_path(const struct relay *relay, char *path, size_t size)
{
	snprintf(path, size, "/v1/relays/%s", relay->name);
}

static void take_state(struct relay *relay, const json_t *answer)
{
	relay->version = json_integer_value(json_object_get(answer, "version"));
	json_decref(relay->skipped);
	relay->skipped = json_incref(json_object_get(answer, "skipped"));
	json_decref(relay->kept);
	relay->kept = json_incref(json_object_get(answer, "position"));
}

/* Where it goes on, or starts. */
static int take_start(struct relay *relay)
{
	bool starts = relay->start->replay || !relay->kept || json_is_null(relay->kept);
	int result = starts ? 0 : lines_restore(&relay->lines, relay->kept);

	starts = starts || !relay->lines.low;
	relay->begun = !starts;
	relay->sought = !starts || !relay->start->change;
	if (relay->lines.low)
		snprintf(relay->next, sizeof(relay->next), "%s", relay->lines.low);
	if (!starts && relay->start->since[0])
		log_info("relay", "it goes on where it was; --from is for a name that has no position yet",
			 LOG_TEXT("relay", relay->name));
	return result;
}

/* True: it is there. */
static bool begin(struct relay *relay)
{
	char path[128];
	json_t *answer;
	int status, result;

	place_path(relay, path, sizeof(path));
	status = call(relay, "GET", path, NULL, is_state, &answer);
	if (status == 0)
		return false;
	if (status != 200) {
		log_error("relay", "the server does not tell the position", LOG_INT("status", status));
		lose(relay, "the relay ends: its token may not read, or the server is another");
	} else {
		take_state(relay, answer);
		result = take_start(relay);
		if (result < 0)
			lose(relay, "the relay ends: its position cannot be read");
	}
	json_decref(answer);
	return status == 200;
}

static bool may_be_ours(const struct relay *relay, const json_t *position)
{
	for (size_t i = 0; i < json_array_size(relay->unknown); i++)
		if (json_equal(json_array_get(relay->unknown, i), position))
			return true;
	return false;
}

static void note_unknown(struct relay *relay, json_t *position)
{
	if (!relay->unknown)
		relay->unknown = json_array();
	if (!may_be_ours(relay, position))
		json_array_append(relay->unknown, position);
}

/* Whose change it was that came between: an operator's skip, or another process of this name. */
static void look_again(struct relay *relay)
{
	json_t *answer, *ours = json_incref(relay->kept); /* null where nothing was kept yet */
	char path[128];
	bool strange;

	place_path(relay, path, sizeof(path));
	if (call(relay, "GET", path, NULL, is_state, &answer) == 200) {
		take_state(relay, answer);
		strange = !json_equal(ours, relay->kept) && !may_be_ours(relay, relay->kept);
		if (strange && relay->settled)
			lose(relay, "the relay ends: another process of this name keeps its position");
		relay->settled = relay->settled || strange;
		json_array_clear(relay->unknown);
	}
	json_decref(answer);
	json_decref(ours);
}

static void keep(struct relay *relay)
{
	json_t *position = lines_position(&relay->lines), *answer;
	char path[128];
	int status;

	if (!position)
		return;
	place_path(relay, path, sizeof(path));
	status = call(relay, "PUT", path, json_pack("{s:I,s:O}", "version", (json_int_t)relay->version, "position", position),
		      is_state, &answer);
	if (status == 200) {
		relay->moved = false;
		relay->settled = true;
		take_state(relay, answer);
		json_array_clear(relay->unknown);
	} else if (status == 409) {
		look_again(relay);
	} else if (status == 0) {
		note_unknown(relay, position);
	} else {
		log_error("relay", "the position cannot be kept", LOG_INT("status", status));
	}
	json_decref(answer);
	json_decref(position);
}

/* Of a replay, which keeps no position: what an operator has let go meanwhile. */
static void hear(struct relay *relay)
{
	json_t *answer;
	char path[128];

	place_path(relay, path, sizeof(path));
	if (call(relay, "GET", path, NULL, is_state, &answer) == 200)
		take_state(relay, answer);
	json_decref(answer);
}

/* --- The feed --- */

/* Where in a page it starts, behind what comes before the change that is looked for. */
static size_t seek(struct relay *relay, const json_t *changes, size_t count)
{
	for (size_t i = 0; i < count && !relay->sought; i++) {
		const char *id = json_string_value(json_object_get(json_array_get(changes, i), "id"));

		relay->sought = id && strcmp(id, relay->start->change) == 0;
		if (relay->sought)
			return i;
	}
	if (!relay->sought && count < PAGE)
		lose(relay, "the relay ends: the feed has no change of this id");
	return relay->sought ? 0 : count;
}

/*
 * A replay takes a change; true: it is its last. Both times are of the same form, so their texts
 * compare.
 */
static bool is_last(const struct relay *relay, const json_t *change)
{
	const char *id = json_string_value(json_object_get(change, "id")), *last = relay->start->last;

	return last && id && strcmp(id, last) == 0;
}

static bool is_too_late(const struct relay *relay, const json_t *change)
{
	const char *at = json_string_value(json_object_get(change, "timestamp")), *until = relay->start->until;

	return until[0] && at && strcmp(at, until) >= 0;
}

static void take_page(struct relay *relay, const json_t *page)
{
	const json_t *changes = json_object_get(page, "changes");
	const char *next = json_string_value(json_object_get(page, "next"));
	size_t count = json_array_size(changes);

	relay->begun = relay->begun || count > 0;
	if (next)
		snprintf(relay->next, sizeof(relay->next), "%s", next);
	relay->caught_up = relay->start->replay && count < PAGE;
	for (size_t i = seek(relay, changes, count); i < count; i++) {
		json_t *change = json_array_get(changes, i);

		if (is_too_late(relay, change))
			continue;
		if (lines_add(&relay->lines, change) < 0) {
			lose(relay, "the relay ends: a change cannot be read");
			return;
		}
		if (is_last(relay, change)) {
			relay->caught_up = true;
			return;
		}
	}
	if (relay->caught_up && relay->start->last)
		lose(relay, "the relay ends: the feed has no change of the id that --until names, behind the first");
	relay->fetch_due_ns = count == PAGE ? 0 : clock_mono_ns() + fetch_ns;
}

static void fetch(struct relay *relay)
{
	const char *since = relay->begun ? "" : relay->start->since;
	bool waits = relay->lines.count == 0 && !relay->start->replay && relay->sought;
	char path[256];
	json_t *page;
	int status;

	/* Where nothing else is to be done it waits there, as long as a stop may take. */
	snprintf(path, sizeof(path), "/v1/changes?limit=%d%s%s%s%s%s", PAGE, relay->next[0] ? "&after=" : "", relay->next,
		 since[0] ? "&since=" : "", since, waits ? "&wait=1s" : "");
	status = call(relay, "GET", path, NULL, is_page, &page);
	if (status == 200)
		take_page(relay, page);
	else if (status == 410)
		lose(relay, "the relay ends: the ledger does not have its position; it was restored. See its runbook");
	else if (status)
		log_error("relay", "the feed is refused", LOG_INT("status", status));
	if (status != 200)
		relay->fetch_due_ns = clock_mono_ns() + fetch_ns;
	json_decref(page);
}

/* --- The posts --- */

static void send_one(struct relay *relay, struct change *change)
{
	int64_t now_s = clock_wall_ms() / 1000;
	char id[256], at[64], signature[SIGN_TEXT_SIZE], signature_line[SIGN_TEXT_SIZE + 32];
	const char *const headers[] = {
		"Content-Type: application/json", "User-Agent: penstock", "Expect:", id, at, signature_line, NULL};
	int result;

	snprintf(id, sizeof(id), "webhook-id: %s", change->id);
	snprintf(at, sizeof(at), "webhook-timestamp: %lld", (long long)now_s);
	result = sign_message(&relay->key, change->id, now_s, slice_of(change->body), signature);
	snprintf(signature_line, sizeof(signature_line), "webhook-signature: %s", signature);
	if (result == 0)
		result = post_send(relay->poster, headers, slice_of(change->body), change);
	if (result < 0)
		lines_failed(change, clock_mono_ns());
}

static void post_ended(void *context, void *what, long status, const char *reason)
{
	struct relay *relay = context;
	struct change *change = what;

	if (status >= 200 && status < 300) {
		if (change->line->told)
			log_info("relay", "a line goes on", LOG_TEXT("sale", change->line->sale));
		lines_done(&relay->lines, change);
		relay->moved = true;
		atomic_fetch_add(&relay->delivered, 1);
		return;
	}
	if (change->line->failing_since_ns == 0)
		log_warn("relay", "a change was not taken; it is sent again", LOG_TEXT("change", change->id),
			 LOG_INT("status", status), LOG_TEXT("reason", reason));
	atomic_fetch_add(&relay->refused, 1);
	lines_failed(change, clock_mono_ns());
}

static bool is_skipped(const struct relay *relay, const char *id)
{
	for (size_t i = 0; i < json_array_size(relay->skipped); i++)
		if (strcmp(json_string_value(json_array_get(relay->skipped, i)), id) == 0)
			return true;
	return false;
}

/* Lines that fail: those that an operator has let go, and those that stand still for too long. */
static void look_at_failing(struct relay *relay, int64_t now_ns)
{
	int64_t failing = 0, standing = 0;

	for (struct line *line = relay->lines.first; line; line = line->next) {
		if (!line->head)
			continue; /* nothing is to be sent, so nothing fails */
		if (!line->in_flight && is_skipped(relay, line->head->id)) {
			log_warn("relay", "a change is skipped", LOG_TEXT("change", line->head->id));
			lines_done(&relay->lines, line->head);
			relay->moved = true;
		}
		if (line->failing_since_ns == 0)
			continue;
		failing++;
		if (now_ns - line->failing_since_ns < relay->settings->relay.patience_ns)
			continue;
		standing++;
		if (!line->told)
			log_error("relay", "a line stands still: its endpoint refuses, and nothing of this sale is sent before that",
				  LOG_TEXT("sale", line->sale), LOG_TEXT("change", line->head->id));
		line->told = true;
	}
	atomic_store(&relay->failing, failing);
	atomic_store(&relay->standing, standing);
	atomic_store(&relay->waiting, (int64_t)relay->lines.count);
}

static bool reads_on(const struct relay *relay)
{
	return relay->lines.count + PAGE <= WINDOW && !relay->caught_up;
}

/* Until there is something to send, or to read. */
static void rest(struct relay *relay, int64_t wait_ns)
{
	int64_t due_ns = relay->fetch_due_ns - clock_mono_ns();

	if (reads_on(relay) && due_ns < wait_ns)
		wait_ns = due_ns;
	if (wait_ns > 0)
		(void)pause_rest(&relay->rest, wait_ns);
}

/* In the feed's order: what is printed is done. */
static void print_all(struct relay *relay)
{
	while (relay->lines.count && !pause_ended(&relay->rest)) {
		struct change *change = relay->lines.order[0];
		int result = print_change(change->body, relay->start->json);

		if (result == -EAGAIN)
			return;
		if (result < 0) {
			lose(relay, "the relay ends: nobody reads what it prints");
			return;
		}
		post_ended(relay, change, 200, "");
	}
	rest(relay, turn_ns);
}

static void post_all(struct relay *relay)
{
	int64_t wait_ns = turn_ns;
	struct change *change;

	while (post_in_flight(relay->poster) < IN_FLIGHT_MAX && (change = lines_due(&relay->lines, clock_mono_ns(), &wait_ns)))
		send_one(relay, change);
	if (post_in_flight(relay->poster))
		post_turn(relay->poster, wait_ns, post_ended, relay);
	else
		rest(relay, wait_ns);
}

static void turn(struct relay *relay)
{
	int64_t now_ns = clock_mono_ns();

	atomic_store(&relay->turn_ns, now_ns);
	if (now_ns >= relay->fetch_due_ns && reads_on(relay))
		fetch(relay);
	look_at_failing(relay, now_ns);
	if (relay->poster)
		post_all(relay);
	else
		print_all(relay);
	if (relay->caught_up && relay->lines.count == 0) {
		atomic_store(&relay->done, true);
		pause_end(&relay->rest);
	}
	now_ns = clock_mono_ns();
	/*
	 * While a line fails the position is kept again and again: so it is heard what is skipped.
	 */
	if (now_ns >= relay->keep_due_ns && (relay->moved || atomic_load(&relay->failing))) {
		relay->keep_due_ns = now_ns + (relay->moved && !relay->start->replay ? keep_ns : ask_ns);
		if (relay->start->replay)
			hear(relay);
		else
			keep(relay);
	}
}

void relay_run(void *argument)
{
	struct relay *relay = argument;

	while (!pause_ended(&relay->rest) && !begin(relay)) {
		atomic_store(&relay->turn_ns, clock_mono_ns());
		(void)pause_rest(&relay->rest, turn_ns);
	}
	if (!pause_ended(&relay->rest))
		log_info("relay", "the relay is ready", LOG_TEXT("relay", relay->name), LOG_TEXT("after", relay->next));
	while (!pause_ended(&relay->rest))
		turn(relay);
	/* What is on its way is mostly taken a moment later: then it is not sent again. */
	for (int64_t until_ns = clock_mono_ns() + finish_ns;
	     relay->poster && post_in_flight(relay->poster) && clock_mono_ns() < until_ns;)
		post_turn(relay->poster, turn_ns, post_ended, relay);
	if (relay->moved && !atomic_load(&relay->lost) && !relay->start->replay)
		keep(relay);
}
