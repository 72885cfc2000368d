/*
 * Commits that come late: their client has given them up, and the server has not. What they borrow
 * is copied. A time is drawn for each; before it comes, the next session of the same handle ends it
 * one way or the other, as the adapter ends an old session before it looks what became of it.
 */
#include <stdlib.h>
#include "simulation/ledger/server.h"

enum { LATE_MS = 5000, EVEN = 500000 };

struct sim_late {
	struct sim_late *next;
	const struct sim_handle *handle; /* may be gone */
	int64_t due_ns;
	struct ledger_entry *entries;
	struct event *events;
	struct event_text *texts;
	size_t count;
	bool drains;
	struct ledger_drain drain;
};

static void *copy(const void *from, size_t size)
{
	void *to = malloc(size + 1);

	ASSERT(to != NULL);
	if (size)
		memcpy(to, from, size);
	return to;
}

static struct sim_late *add(struct ledger_sim *sim, const struct sim_handle *handle, const struct ledger_entry *entries, size_t count)
{
	struct sim_late *late = calloc(1, sizeof(*late)), **last = &sim->late;

	ASSERT(late != NULL);
	late->handle = handle;
	late->due_ns = clock_mono_ns() + sim_server_time(sim, LATE_MS * INT64_C(1000000));
	late->entries = copy(entries, count * sizeof(*entries));
	late->events = calloc(count + 1, sizeof(*late->events));
	late->texts = calloc(count + 1, sizeof(*late->texts));
	ASSERT(late->events != NULL && late->texts != NULL);
	late->count = count;
	for (size_t i = 0; i < count; i++) {
		late->events[i] = *entries[i].event;
		event_own(&late->events[i], &late->texts[i]);
		late->entries[i].event = &late->events[i];
	}
	while (*last)
		last = &(*last)->next;
	*last = late;
	return late;
}

void sim_late_add(struct ledger_sim *sim, const struct sim_handle *handle, const struct ledger_entry *entries, size_t count)
{
	add(sim, handle, entries, count);
}

void sim_late_add_drain(struct ledger_sim *sim, const struct sim_handle *handle, const struct ledger_drain *drain)
{
	struct sim_late *late = add(sim, handle, drain->entries, drain->count);
	struct ledger_bad_record *bad = copy(drain->bad, drain->bad_count * sizeof(*bad));

	for (size_t i = 0; i < drain->bad_count; i++) /* reasons are constants */
		bad[i].record.data = copy(bad[i].record.data, bad[i].record.size);
	late->drains = true;
	late->drain = *drain;
	late->drain.entries = late->entries;
	late->drain.bad = bad;
	late->drain.progress = copy(drain->progress, drain->progress_count * sizeof(*drain->progress));
}

static void free_late(struct sim_late *late)
{
	for (size_t i = 0; late->drains && i < late->drain.bad_count; i++)
		free((void *)late->drain.bad[i].record.data);
	if (late->drains) {
		free((void *)late->drain.bad);
		free((void *)late->drain.progress);
	}
	free(late->entries);
	free(late->events);
	free(late->texts);
	free(late);
}

/* Whatever it comes to, nobody is told. */
static void commit(struct ledger_sim *sim, struct sim_late *late)
{
	struct ledger *inside = sim->inside;

	if (inside && late->drains)
		(void)!inside->ops->drain(inside, &late->drain);
	else if (inside)
		(void)!inside->ops->apply(inside, late->entries, late->count);
}

/*
 * Takes the first one out for which it is time (`due`), or that is the handle's (NULL: anybody's).
 */
static struct sim_late *take(struct ledger_sim *sim, bool due, const struct sim_handle *handle)
{
	int64_t now_ns = clock_mono_ns();

	for (struct sim_late **at = &sim->late; *at; at = &(*at)->next) {
		struct sim_late *late = *at;

		if (due ? late->due_ns > now_ns : handle && late->handle != handle)
			continue;
		*at = late->next;
		return late;
	}
	return NULL;
}

void sim_late_settle(struct ledger_sim *sim, const struct sim_handle *handle)
{
	struct sim_late *late;

	while ((late = take(sim, false, handle))) {
		if (sim_server_chance(sim, EVEN))
			commit(sim, late);
		free_late(late);
		(void)sim_server_failed(sim);
	}
}

void sim_late_run(struct ledger_sim *sim)
{
	struct sim_late *late;

	while ((late = take(sim, true, NULL))) {
		commit(sim, late);
		free_late(late);
		(void)sim_server_failed(sim);
	}
}

void sim_late_forget(struct ledger_sim *sim)
{
	struct sim_late *late;

	while ((late = take(sim, false, NULL)))
		free_late(late);
}
