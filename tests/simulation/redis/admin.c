/* Who the server is, and how it is set up. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "simulation/redis/redis_group.h"
#include "simulation/redis/server.h"

size_t sim_memory(struct redis_sim *sim)
{
	size_t size = 1 << 20; /* a server that has nothing uses about so much */

	for (int i = 0; i < SIM_DATABASES; i++)
		for (size_t j = 0; j < sim->databases[i].count; j++) {
			const struct sim_value *value = sim->databases[i].entries[j].value;

			size += 64 + value->text.size + 64 * value->fields.count;
		}
	return size;
}

struct slice sim_setting(struct redis_sim *sim, const char *name)
{
	struct sim_entry *entry = sim_table_find(&sim->settings, slice_of(name));

	return entry ? *(const struct slice *)entry->value : SLICE("0");
}

void sim_set_setting(struct redis_sim *sim, struct slice name, struct slice value)
{
	struct sim_value settings = {.type = SIM_HASH, .fields = sim->settings};

	sim_hash_set(&settings, name, value);
	sim->settings = settings.fields;
}

void sim_settings_free(struct redis_sim *sim)
{
	sim_hash_forget(&sim->settings);
}

static int64_t most_memory(struct redis_sim *sim)
{
	return strtoll(sim_setting(sim, "maxmemory").data, NULL, 10);
}

bool sim_is_full(struct redis_sim *sim)
{
	int64_t most = most_memory(sim);

	return most > 0 && sim_memory(sim) > (size_t)most;
}

/* Each gate asks once a second, so without printf. */
static void tell(struct buffer *text, const char *name, struct slice value)
{
	buffer_append_text(text, name);
	buffer_append_slice(text, value);
	buffer_append_literal(text, "\r\n");
}

static void tell_whole(struct buffer *text, const char *name, int64_t value)
{
	char digits[SIM_WHOLE_SIZE];

	tell(text, name, sim_whole(digits, value));
}

static void info(struct sim_call *call)
{
	struct redis_sim *sim = call->sim;
	struct buffer text;

	buffer_init(&text, 1 << 16);
	tell(&text, "# Server\r\nredis_version:", SLICE("7.0.15"));
	tell(&text, "run_id:", slice_of(sim->run_id));
	tell_whole(&text, "\r\n# Memory\r\nused_memory:", (int64_t)sim_memory(sim));
	tell_whole(&text, "maxmemory:", most_memory(sim));
	tell(&text, "maxmemory_policy:", sim_setting(sim, "maxmemory-policy"));
	tell(&text, "\r\n# Persistence\r\nloading:", SLICE("0"));
	tell_whole(&text, "aof_enabled:", sim_is(sim_setting(sim, "appendonly"), "yes"));
	tell(&text, "\r\n# Replication\r\nrole:", sim->replica ? SLICE("slave") : SLICE("master"));
	tell_whole(&text, "connected_slaves:", (int64_t)sim_replicas(sim));
	tell(&text, "master_replid:", slice_of(sim->replid));
	tell_whole(&text, "master_repl_offset:", (int64_t)sim->replication.offset);
	sim_reply_text(call, buffer_slice(&text));
	buffer_deinit(&text);
}

static void reply_number(struct sim_call *call, int64_t value)
{
	char text[SIM_WHOLE_SIZE];

	sim_reply_text(call, sim_whole(text, value));
}

static void tell_time(struct sim_call *call)
{
	int64_t now_us = clock_wall_us();

	sim_reply_array(call, 2);
	reply_number(call, now_us / 1000000);
	reply_number(call, now_us % 1000000);
}

static bool take_timeout(struct sim_call *call, struct slice text, int64_t *timeout_ms)
{
	size_t from = call->out->size;

	if (!sim_take_int(call, text, timeout_ms)) {
		call->out->size = from;
		sim_reply_error(call, "ERR timeout is not an integer or out of range");
		return false;
	}
	if (*timeout_ms < 0)
		sim_reply_error(call, "ERR timeout is negative");
	return *timeout_ms >= 0;
}

/* Until so many replicas have all that the server had behind this connection's last command. */
static void wait_for_replicas(struct sim_call *call)
{
	struct sim_peer *peer = call->peer;
	int64_t replicas, timeout_ms, count;

	if (call->sim->replica) {
		sim_reply_error(call, "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a "
				      "replica is configured to be writable (which is not the default) writes to replicas are just "
				      "local and are not propagated.");
		return;
	}
	if (!sim_take_int(call, call->args[1], &replicas) || !take_timeout(call, call->args[2], &timeout_ms))
		return;
	count = sim_replicas_at(call->sim, peer->offset);
	if (count >= replicas) {
		sim_reply_int(call, count);
		return;
	}
	peer->waiting.armed = true;
	peer->waiting.replicas = replicas;
	peer->waiting.until_ns = timeout_ms == 0 ? INT64_MAX : clock_mono_ns() + timeout_ms * 1000000;
}

static void get_settings(struct sim_call *call)
{
	const struct sim_table *settings = &call->sim->settings;
	size_t count = 0;

	for (int told = 0; told < 2; told++) {
		if (told)
			sim_reply_array(call, count * 2);
		for (size_t i = 0; i < settings->count; i++) {
			bool wanted = false;

			for (size_t j = 2; j < call->count; j++)
				wanted |= fnmatch(call->args[j].data, settings->entries[i].name.data, 0) == 0;
			count += wanted;
			if (wanted && told) {
				sim_reply_text(call, settings->entries[i].name);
				sim_reply_text(call, *(const struct slice *)settings->entries[i].value);
			}
		}
	}
}

static void config(struct sim_call *call)
{
	if (sim_is(call->args[1], "GET") && call->count > 2) {
		get_settings(call);
	} else if (sim_is(call->args[1], "SET") && call->count == 4 && sim_table_find(&call->sim->settings, call->args[2])) {
		sim_set_setting(call->sim, call->args[2], call->args[3]);
		sim_reply_ok(call);
	} else {
		sim_reply_error(call, "ERR Unknown option or number of arguments for CONFIG");
	}
}

static void select_database(struct sim_call *call)
{
	int64_t number;

	if (!sim_take_int(call, call->args[1], &number))
		return;
	if (number < 0 || number >= SIM_DATABASES) {
		sim_reply_error(call, "ERR DB index is out of range");
		return;
	}
	call->peer->database = (unsigned)number;
	sim_reply_ok(call);
}

static void log_in(struct sim_call *call)
{
	sim_reply_ok(call);
}

static void ping(struct sim_call *call)
{
	buffer_append_literal(call->out, "+PONG\r\n");
}

/* A Sentinel's one command. */
static void sentinel(struct sim_call *call)
{
	size_t named = call->sim->named;
	char name[32];

	if (!sim_is(call->args[1], "GET-MASTER-ADDR-BY-NAME") || call->count != 3) {
		sim_reply_error(call, "ERR unknown subcommand or wrong number of arguments for SENTINEL");
		return;
	}
	if (named == REDIS_GROUP_NOBODY || !sim_is(call->args[2], "mymaster")) {
		buffer_append_literal(call->out, "*-1\r\n");
		return;
	}
	snprintf(name, sizeof(name), "server-%zu", named);
	sim_reply_array(call, 2);
	sim_reply_text(call, slice_of(name));
	reply_number(call, 6379);
}

const struct sim_command sim_admin_commands[] = {
	{"auth", -2, .apart = true, .run = log_in},
	{"config", -2, .apart = true, .run = config},
	{"info", -1, .run = info},
	{"ping", -1, .run = ping},
	{"select", 2, .run = select_database},
	{"time", 1, .run = tell_time},
	{"sentinel", -2, .apart = true, .run = sentinel},
	{"wait", 3, .apart = true, .run = wait_for_replicas},
	{0},
};
