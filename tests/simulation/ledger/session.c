/*
 * Sessions, the lease, the election, and the way of a call to the server and back. The adapter's
 * half is told in src/ledger/postgres (writer.c, session.c, elect.c); what it comes to is here.
 */
#include <stdlib.h>
#include "base/pause.h"
#include "simulation/ledger/server.h"
#include "simulation/scheduler/scheduler.h"

static const struct backoff_range retry = {.first_ns = 50000000, .most_ns = 1000000000};
static const int64_t PATIENCE_NS = 5000000000; /* how long an answer is waited for */
static const int64_t ELECTED_NS = 5000000000;  /* and a session of the election that is not heard of */

/* --- The way --- */

/* Where time is the kernel's nobody waits: tests do not sleep. */
static void wait_in_vain(int64_t ns)
{
	if (node_scheduler() && ns > 0)
		pause_sleep(ns);
}

static void travel(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);
	bool slow = sim_server_chance(sim, sim->chances.slow);
	int64_t ns = sim_server_time(sim, slow ? sim->chances.slow_ns : sim->chances.usual_ns);

	sim_server_leave(sim, before);
	wait_in_vain(ns);
	scheduler_yield("ledger");
}

static void hold(struct sim_call *call)
{
	bool open;

	if (call->kind == SIM_READ)
		call->reader = reader_pool_take(&call->handle->readers, &open);
	else
		fair_lock_take(&call->handle->writer);
}

static void let_go(struct sim_call *call)
{
	if (call->kind == SIM_READ)
		reader_pool_return(&call->handle->readers, call->reader, true);
	else
		fair_lock_release(&call->handle->writer);
}

/* --- The lease --- */

static bool lease_is_taken(const struct sim_handle *handle)
{
	for (const struct sim_handle *other = handle->sim->handles; other; other = other->next)
		if (other != handle && other->session && !other->read_only && (!other->shared || !handle->shared))
			return true;
	return false;
}

/*
 * Comes in: whoever has been there before, and does not share with it, is fenced. 0 or
 * LEDGER_LEASE_HELD.
 */
static int take_lease(struct sim_handle *handle)
{
	struct ledger_sim *sim = handle->sim;

	if (lease_is_taken(handle))
		return LEDGER_LEASE_HELD;
	if (!handle->shared || sim->lease_alone)
		sim->lease++;
	sim->lease_alone = !handle->shared;
	handle->lease = sim->lease;
	handle->session = handle->joined = true;
	return 0;
}

/* A session again. 0 or negative. */
static int resume(struct sim_handle *handle)
{
	struct ledger_sim *sim = handle->sim;

	sim_late_settle(sim, handle);
	if (!sim->inside)
		return -ENOTCONN;
	if (lease_is_taken(handle))
		return -EBUSY;
	if (handle->lease != sim->lease) {
		handle->lease_lost = true;
		return -EBUSY;
	}
	handle->session = true;
	return 0;
}

/* --- Sessions --- */

static void end_election(struct ledger_sim *sim, const struct sim_handle *handle)
{
	if (sim->election.owner != handle)
		return;
	sim->election.taken = false;
	sim->election.owner = NULL;
}

void sim_sessions_end(struct ledger_sim *sim, struct sim_handle *handle)
{
	handle->session = false;
	end_election(sim, handle);
}

void sim_handle_remove(struct sim_handle *handle)
{
	struct sim_handle **at = &handle->sim->handles;

	while (*at != handle)
		at = &(*at)->next;
	*at = handle->next;
}

void sim_handle_free(struct sim_handle *handle)
{
	free(handle); /* its locks may be held by coroutines that are no more: they are left as they are */
}

void sim_sessions_miss(struct ledger_sim *sim)
{
	int64_t now_ns = clock_mono_ns();
	struct sim_handle *next;

	for (struct sim_handle *handle = sim->handles; handle; handle = next) {
		next = handle->next;
		if (!handle->gone_ns || handle->gone_ns > now_ns)
			continue;
		sim_sessions_end(sim, handle);
		sim_handle_remove(handle);
		sim_handle_free(handle);
	}
}

/* --- Arriving. All inside. --- */

/* The pauses between tries are by the client's clock, and its chance. */
static int may_connect(const struct sim_call *call, const struct backoff *backoff)
{
	struct node *server = node_enter(call->before);
	int result = backoff_check(backoff);

	node_enter(server);
	return result;
}

static int note_try(const struct sim_call *call, struct backoff *backoff, int code)
{
	struct node *server = node_enter(call->before);

	code = backoff_note(backoff, &retry, code);
	node_enter(server);
	return code;
}

/* The session has ended, and there is no other to be had. */
static int lose(struct sim_call *call, int code)
{
	call->handle->session = false;
	(void)note_try(call, &call->handle->writer_backoff, -ENOTCONN);
	return code;
}

/* What is there of a batch that did not arrive, where the adapter may ask once more. */
static void look_up(struct sim_call *call)
{
	struct ledger *inside = call->handle->sim->inside;
	struct ledger_order order;

	for (size_t i = 0; i < call->count; i++) {
		struct ledger_entry *entry = &call->entries[i];
		int found = entry->event->kind == EVENT_RESERVED ? inside->ops->order_get(inside, &entry->event->id, &order)
								 : -EINPROGRESS;

		entry->outcome = found == LEDGER_DONE ? LEDGER_ALREADY : found == LEDGER_NOT_FOUND ? -ENOTCONN : -EINPROGRESS;
	}
	call->looked_up = true;
}

/* Nothing comes back: the caller waits, and what it sent has arrived or not. */
static int fall_silent(struct sim_call *call)
{
	enum { EVEN = 500000 };

	call->silent = true;
	if (call->kind != SIM_CHANGE || !call->handle->session)
		return call->kind == SIM_READ ? -ETIMEDOUT : lose(call, -ETIMEDOUT);
	call->untold = sim_server_chance(call->handle->sim, EVEN);
	return call->untold ? 0 : lose(call, -EINPROGRESS);
}

static void come_late(struct sim_call *call)
{
	struct ledger_sim *sim = call->handle->sim;

	if (call->drain)
		sim_late_add_drain(sim, call->handle, call->drain);
	else if (call->entries)
		sim_late_add(sim, call->handle, call->entries, call->count);
}

static int meet_chance(struct sim_call *call)
{
	struct ledger_sim *sim = call->handle->sim;
	enum { EVEN = 500000 };

	if (sim_server_chance(sim, sim->chances.lost)) {
		if (call->entries && !call->drain && sim_server_chance(sim, EVEN))
			look_up(call);
		return lose(call, -ENOTCONN);
	}
	if (call->kind != SIM_CHANGE)
		return 0;
	if (sim_server_chance(sim, sim->chances.undone))
		return lose(call, -EINPROGRESS);
	if (sim_server_chance(sim, sim->chances.late)) {
		come_late(call);
		return lose(call, -EINPROGRESS);
	}
	call->untold = sim_server_chance(sim, sim->chances.done);
	return 0;
}

static int arrive_reading(struct sim_call *call)
{
	struct ledger_sim *sim = call->handle->sim;

	if (!call->handle->joined || sim->presence == LEDGER_SIM_REFUSES || sim_server_chance(sim, sim->chances.lost))
		return -ENOTCONN;
	return sim->presence == LEDGER_SIM_SILENT ? fall_silent(call) : 0;
}

static int arrive(struct sim_call *call)
{
	struct sim_handle *handle = call->handle;
	struct ledger_sim *sim = handle->sim;
	int result = !handle->joined ? -ENOTCONN : handle->lease_lost ? -EBUSY : 0;

	if (result == 0 && sim_server_chance(sim, sim->chances.ended))
		sim_sessions_end(sim, handle);
	if (result == 0 && !handle->session)
		result = may_connect(call, &handle->writer_backoff);
	if (result < 0)
		return result;
	if (sim->presence == LEDGER_SIM_REFUSES)
		return lose(call, -ENOTCONN);
	if (sim->presence == LEDGER_SIM_SILENT)
		return fall_silent(call);
	if (!handle->session) {
		result = note_try(call, &handle->writer_backoff, resume(handle));
		if (result < 0)
			return result;
	}
	return meet_chance(call);
}

/* --- Calls --- */

static int answer(struct sim_call *call, int result)
{
	if (result < 0 && call->kind != SIM_READ)
		atomic_store(&call->handle->health, result == -EINPROGRESS ? -ENOTCONN : result);
	sim_server_leave(call->handle->sim, call->before);
	if (call->silent)
		wait_in_vain(PATIENCE_NS);
	travel(call->handle->sim);
	let_go(call);
	return result;
}

int sim_call_begin(struct sim_call *call, struct ledger *ledger, enum sim_kind kind)
{
	int result;

	call->handle = sim_handle_of(ledger);
	call->kind = kind;
	if (kind != SIM_READ && call->handle->read_only)
		return -EROFS;
	hold(call);
	travel(call->handle->sim);
	call->before = sim_server_enter(call->handle->sim);
	result = kind == SIM_READ ? arrive_reading(call) : arrive(call);
	call->inside = call->handle->sim->inside;
	return result < 0 ? answer(call, result) : 0;
}

int sim_call_end(struct sim_call *call, int result)
{
	bool failed = sim_server_failed(call->handle->sim);

	if (failed || (call->untold && (result == 0 || call->silent)))
		result = lose(call, call->kind == SIM_CHANGE ? -EINPROGRESS : -ENOTCONN);
	else if (result == 0 && call->kind == SIM_CHANGE)
		atomic_store(&call->handle->health, 0);
	return answer(call, result);
}

int sim_handle_open(struct sim_handle *handle, bool later)
{
	struct ledger_sim *sim = handle->sim;
	struct node *before;
	bool silent;
	int result = 0;

	if (!later)
		travel(sim);
	before = sim_server_enter(sim);
	silent = !later && sim->presence == LEDGER_SIM_SILENT;
	if (later)
		atomic_store(&handle->health, -ENOTCONN);
	else if (sim->presence != LEDGER_SIM_HERE)
		result = silent ? -ETIMEDOUT : -ENOTCONN;
	else if (handle->read_only)
		handle->joined = true;
	else
		result = take_lease(handle);
	if (result == 0) {
		handle->next = sim->handles;
		sim->handles = handle;
	}
	sim_server_leave(sim, before);
	if (silent)
		wait_in_vain(PATIENCE_NS);
	if (!later)
		travel(sim);
	return result;
}

/* --- The election --- */

/* Inside. 0 or negative. */
static int join(struct sim_call *call)
{
	struct sim_handle *handle = call->handle;
	int result = may_connect(call, &handle->writer_backoff);

	if (result < 0)
		return result;
	if (handle->sim->presence != LEDGER_SIM_HERE)
		result = handle->sim->presence == LEDGER_SIM_SILENT ? -ETIMEDOUT : -ENOTCONN;
	else
		result = take_lease(handle) == LEDGER_LEASE_HELD ? -EBUSY : 0;
	return note_try(call, &handle->writer_backoff, result);
}

/* Inside. */
static int stand(struct sim_call *call, bool candidate)
{
	struct sim_handle *handle = call->handle;
	struct ledger_sim *sim = handle->sim;
	int64_t now_ns = clock_mono_ns();
	int result = may_connect(call, &handle->elector_backoff);

	if (sim->election.taken && now_ns - sim->election.asked_ns >= ELECTED_NS)
		sim->election.taken = false;
	if (result == 0 && sim->presence != LEDGER_SIM_HERE)
		result = note_try(call, &handle->elector_backoff, sim->presence == LEDGER_SIM_SILENT ? -ETIMEDOUT : -ENOTCONN);
	if (result < 0) {
		/* It has closed its session; the server may not know of it yet. */
		if (sim->election.owner == handle)
			sim->election.owner = NULL;
		return result;
	}
	if (!candidate) {
		end_election(sim, handle);
		return LEDGER_LEASE_HELD;
	}
	if (sim->election.taken && sim->election.owner != handle)
		return LEDGER_LEASE_HELD;
	sim->election.taken = true;
	sim->election.owner = handle;
	sim->election.asked_ns = now_ns;
	return LEDGER_DONE;
}

int sim_elect(struct ledger *ledger, bool candidate)
{
	struct sim_call call = {.handle = sim_handle_of(ledger)};
	struct sim_handle *handle = call.handle;
	struct ledger_sim *sim = handle->sim;
	bool silent;
	int result = 0;

	if (handle->read_only)
		return -EROFS;
	if (!handle->shared)
		return LEDGER_DONE;
	lock_take(&handle->elector);
	travel(sim);
	call.before = sim_server_enter(sim);
	if (!handle->joined)
		result = join(&call);
	if (result == 0 && handle->lease_lost) {
		end_election(sim, handle);
		result = -EBUSY;
	}
	if (result == 0)
		result = stand(&call, candidate);
	silent = result == -ETIMEDOUT;
	if (result < 0)
		atomic_store(&handle->health, result);
	sim_server_leave(sim, call.before);
	if (silent)
		wait_in_vain(PATIENCE_NS);
	travel(sim);
	lock_release(&handle->elector);
	if (result >= 0)
		(void)!sim_recover(ledger);
	return result;
}

/* --- Health --- */

int sim_recover(struct ledger *ledger)
{
	struct sim_call call = {0};
	int result;

	if (sim_handle_of(ledger)->read_only || atomic_load(&sim_handle_of(ledger)->health) == 0)
		return 0;
	result = sim_call_begin(&call, ledger, SIM_CHANGE);
	return result < 0 ? result : sim_call_end(&call, call.inside->ops->recover(call.inside));
}

int sim_health(struct ledger *ledger, const char **reason)
{
	const struct sim_handle *handle = sim_handle_of(ledger);
	int code = atomic_load(&handle->health);

	switch (code) {
	case 0:
		*reason = NULL;
		break;
	case -ENOTCONN:
		*reason = "the ledger's server is away";
		break;
	case -ETIMEDOUT:
		*reason = "the ledger's server does not answer in time";
		break;
	case -EBUSY:
		*reason = handle->lease_lost ? "another process has the lease of the ledger"
					     : "others hold the ledger's rows or its lease for too long";
		break;
	default:
		*reason = error_text(code);
	}
	return code;
}
