#include "simulation/ledger/server.h"

#include <stdlib.h>

static uint64_t draw(struct ledger_sim *sim)
{
	uint64_t x = sim->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

bool sim_server_chance(struct ledger_sim *sim, uint32_t chance)
{
	return draw(sim) % 1000000 < chance;
}

int64_t sim_server_time(struct ledger_sim *sim, int64_t most)
{
	return most > 0 ? (int64_t)(draw(sim) % (uint64_t)most) + 1 : 0;
}

/* --- Inside --- */

static void open_inside(struct ledger_sim *sim)
{
	int result = ledger_disk_open(&sim->inside, sim->disk, LEDGER_OPEN_LEASE);

	/* Whatever a power cut has left, it is a ledger; but one can come while it is opened. */
	ASSERT(result == 0 || memory_disk_is_off(sim->disk));
	if (result)
		sim->inside = NULL;
}

/* With what the judge has left prepared. */
static void close_database(struct ledger_sim *sim)
{
	sqlite3_stmt *statement;

	while (sim->database && (statement = sqlite3_next_stmt(sim->database, NULL)))
		sqlite3_finalize(statement);
	sqlite3_close(sim->database);
	sim->database = NULL;
}

static void close_inside(struct ledger_sim *sim)
{
	close_database(sim);
	if (sim->inside)
		sim->inside->ops->free(sim->inside);
	sim->inside = NULL;
}

struct node *sim_server_enter(struct ledger_sim *sim)
{
	struct node *before = node_enter(&sim->node);

	fair_lock_take(&sim->lock);
	sim->node.failpoints = before->failpoints;
	sim_sessions_miss(sim);
	sim_late_run(sim);
	return before;
}

void sim_server_leave(struct ledger_sim *sim, struct node *before)
{
	fair_lock_release(&sim->lock);
	node_enter(before);
}

static void end_all_sessions(struct ledger_sim *sim, const struct node *node)
{
	for (struct sim_handle *handle = sim->handles; handle; handle = handle->next)
		if (!node || handle->node == node)
			sim_sessions_end(sim, handle);
}

bool sim_server_failed(struct ledger_sim *sim)
{
	if (!memory_disk_is_off(sim->disk))
		return false;
	sim_late_forget(sim);
	end_all_sessions(sim, NULL);
	sim->election.taken = false;
	sim->presence = LEDGER_SIM_REFUSES;
	close_inside(sim);
	return true;
}

struct ledger_sim *ledger_sim_new(const struct clock_source *clock, uint64_t seed)
{
	struct ledger_sim *sim = calloc(1, sizeof(*sim));
	struct node *before;

	ASSERT(sim != NULL);
	fair_lock_init(&sim->lock);
	sim->node.clock = clock;
	sim->node.seeded = true;
	sim->random = seed;
	before = node_enter(&sim->node);
	sim->disk = ledger_disk_new(draw(sim));
	open_inside(sim);
	node_enter(before);
	return sim;
}

void ledger_sim_free(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);

	ASSERT(sim->handles == NULL);
	sim_late_forget(sim);
	close_inside(sim);
	sim_server_leave(sim, before);
	memory_disk_leave(sim->disk);
	memory_disk_free(sim->disk);
	free(sim->backup.bytes);
	fair_lock_deinit(&sim->lock);
	free(sim);
}

/* --- Faults --- */

void ledger_sim_drop(struct ledger_sim *sim, const struct node *node, bool at_once)
{
	enum { MISSED_MS = 10000 };
	struct node *before = sim_server_enter(sim);
	struct sim_handle *handle, *next;

	for (handle = sim->handles; handle; handle = next) {
		next = handle->next;
		if (node && handle->node != node)
			continue;
		handle->node = NULL;
		if (!handle->gone_ns)
			handle->gone_ns = clock_mono_ns() + MISSED_MS * INT64_C(1000000);
		if (!at_once)
			continue;
		sim_sessions_end(sim, handle);
		sim_handle_remove(handle);
		sim_handle_free(handle);
	}
	sim_server_leave(sim, before);
}

void ledger_sim_end_sessions(struct ledger_sim *sim, const struct node *node)
{
	struct node *before = sim_server_enter(sim);

	end_all_sessions(sim, node);
	sim_server_leave(sim, before);
}

void ledger_sim_set_presence(struct ledger_sim *sim, enum ledger_sim_presence presence)
{
	struct node *before = sim_server_enter(sim);

	if (sim->inside) {
		sim->presence = presence;
		if (presence == LEDGER_SIM_REFUSES) {
			end_all_sessions(sim, NULL);
			sim_late_settle(sim, NULL);
		}
	}
	sim_server_leave(sim, before);
}

void ledger_sim_back_up(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);
	const void *file;

	if (sim->inside)
		close_inside(sim); /* all of the log goes into the file */
	if (!sim_server_failed(sim)) {
		file = memory_disk_file(sim->disk, LEDGER_DISK_PATH, &sim->backup.size);
		free(sim->backup.bytes);
		sim->backup.bytes = malloc(sim->backup.size);
		ASSERT(sim->backup.bytes != NULL);
		memcpy(sim->backup.bytes, file, sim->backup.size);
		sim->backup.lease = sim->lease;
		sim->backup.lease_alone = sim->lease_alone;
		open_inside(sim);
		(void)sim_server_failed(sim);
	}
	sim_server_leave(sim, before);
}

void ledger_sim_restore(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);

	ASSERT(sim->backup.bytes != NULL);
	sim_late_forget(sim);
	end_all_sessions(sim, NULL);
	sim->election.taken = false;
	close_inside(sim);
	memory_disk_power_on(sim->disk);
	memory_disk_put(sim->disk, LEDGER_DISK_PATH "-wal", NULL, 0);
	memory_disk_put(sim->disk, LEDGER_DISK_PATH, sim->backup.bytes, sim->backup.size);
	sim->lease = sim->backup.lease;
	sim->lease_alone = sim->backup.lease_alone;
	sim->presence = LEDGER_SIM_HERE;
	open_inside(sim);
	sim_server_leave(sim, before);
}

bool ledger_sim_forget_log(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);
	sqlite3 *database = NULL;
	int result = SQLITE_CANTOPEN;

	if (sim->inside) {
		close_inside(sim);
		result = sqlite3_open_v2(LEDGER_DISK_PATH, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
					 memory_disk_vfs(sim->disk));
	}
	if (result == SQLITE_OK)
		result = sqlite3_exec(database, "BEGIN; DELETE FROM journal_offsets; DELETE FROM journal; COMMIT", NULL, NULL, NULL);
	ASSERT(result == SQLITE_OK || memory_disk_is_off(sim->disk));
	sqlite3_close(database);
	if (!sim_server_failed(sim)) {
		open_inside(sim);
		(void)sim_server_failed(sim);
	}
	sim_server_leave(sim, before);
	return result == SQLITE_OK;
}

void ledger_sim_cut_power(struct ledger_sim *sim, unsigned int writes)
{
	struct node *before = sim_server_enter(sim);

	if (sim->inside)
		memory_disk_cut(sim->disk, writes);
	sim_server_leave(sim, before);
}

uint64_t ledger_sim_writes(const struct ledger_sim *sim)
{
	return memory_disk_writes(sim->disk);
}

bool ledger_sim_is_off(const struct ledger_sim *sim)
{
	return memory_disk_is_off(sim->disk);
}

void ledger_sim_power_on(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);

	if (!sim->inside) {
		memory_disk_power_on(sim->disk);
		sim->presence = LEDGER_SIM_HERE;
		open_inside(sim);
	}
	sim_server_leave(sim, before);
}

void ledger_sim_set_chances(struct ledger_sim *sim, const struct ledger_sim_chances *chances)
{
	struct node *before = sim_server_enter(sim);

	sim->chances = *chances;
	sim_server_leave(sim, before);
}

void ledger_sim_settle(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);

	sim_late_settle(sim, NULL);
	sim_server_leave(sim, before);
}

/* --- The judge's --- */

sqlite3 *ledger_sim_database(struct ledger_sim *sim)
{
	struct node *before = sim_server_enter(sim);
	int result = SQLITE_OK;

	if (!sim->database && sim->inside)
		result = sqlite3_open_v2(LEDGER_DISK_PATH, &sim->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
					 memory_disk_vfs(sim->disk));
	ASSERT(result == SQLITE_OK);
	sim_server_leave(sim, before);
	return sim->database;
}

int ledger_sim_audit(struct ledger_sim *sim, struct ledger_audit *audit)
{
	struct node *before = sim_server_enter(sim);
	int result = sim->inside ? sim->inside->ops->audit(sim->inside, audit) : -ENOTCONN;

	sim_server_leave(sim, before);
	return result;
}
