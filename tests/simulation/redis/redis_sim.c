#include "simulation/redis/redis_sim.h"

#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "simulation/redis/link.h"

/* --- Commands --- */

static const struct sim_command *find_command(struct slice name)
{
	const struct sim_command *const parts[] = {sim_string_commands, sim_hash_commands,  sim_zset_commands,
						   sim_key_commands,    sim_admin_commands, sim_script_commands};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (const struct sim_command *command = parts[i]; command->name; command++)
			if (sim_is(name, command->name))
				return command;
	return NULL;
}

static void refuse_unknown(struct sim_call *call)
{
	if (call->script) {
		sim_reply_error(call, "ERR Unknown Redis command called from script");
		return;
	}
	buffer_printf(call->out, "-ERR unknown command '%.128s', with args beginning with: ", call->args[0].data);
	for (size_t i = 1; i < call->count; i++)
		buffer_printf(call->out, "'%.128s' ", call->args[i].data);
	buffer_append_literal(call->out, "\r\n");
}

static void refuse_arguments(struct sim_call *call, const struct sim_command *command)
{
	if (call->script)
		sim_reply_error(call, "ERR Wrong number of args calling Redis command from script");
	else
		buffer_printf(call->out, "-ERR wrong number of arguments for '%s' command\r\n", command->name);
}

bool sim_refuses_write(struct sim_call *call)
{
	bool good = call->obeys || sim_has_good_replicas(call->sim);

	if (!good)
		sim_reply_error(call, "NOREPLICAS Not enough good replicas to write.");
	else if (call->sim->replica && !call->obeys)
		sim_reply_error(call, "READONLY You can't write against a read only replica.");
	return !good || (call->sim->replica && !call->obeys);
}

/* What it takes to run at all. */
static bool is_refused(struct sim_call *call, const struct sim_command *command)
{
	if (command->arity > 0 ? call->count != (size_t)command->arity : call->count < (size_t)-command->arity) {
		refuse_arguments(call, command);
		return true;
	}
	if (call->script && command->apart) {
		sim_reply_error(call, "ERR This Redis command is not allowed from script");
		return true;
	}
	if (command->grows && !call->roomy && !call->obeys && sim_is_full(call->sim)) {
		sim_reply_error(call, "OOM command not allowed when used memory > 'maxmemory'.");
		return true;
	}
	return command->writes && sim_refuses_write(call);
}

void sim_run(struct sim_call *call)
{
	const struct sim_command *command = find_command(call->args[0]);
	size_t from = call->out->size;

	if (!command) {
		refuse_unknown(call);
		return;
	}
	if (is_refused(call, command))
		return;
	command->run(call);
	if (command->writes && call->out->data[from] != '-')
		sim_record_command(call);
}

uint64_t redis_sim_changes(const struct redis_sim *sim)
{
	return sim->changes;
}

static const struct sim_value *value_of(struct redis_sim *sim, const char *key, enum sim_type type)
{
	const struct sim_entry *entry = sim_table_find(&sim->databases[0], slice_of(key));
	const struct sim_value *value = entry ? entry->value : NULL;
	struct node *before = sim_enter_node(sim);
	bool there = value && value->type == type && (value->ends_ms == 0 || value->ends_ms > clock_wall_ms());

	node_enter(before);
	return there ? value : NULL;
}

bool redis_sim_text(struct redis_sim *sim, const char *key, struct slice *text)
{
	const struct sim_value *value = value_of(sim, key, SIM_STRING);

	*text = value ? value->text : SLICE_NULL;
	return value != NULL;
}

bool redis_sim_field(struct redis_sim *sim, const char *key, const char *field, struct slice *text)
{
	const struct sim_value *value = value_of(sim, key, SIM_HASH);

	return value && sim_hash_get(value, slice_of(field), text);
}

struct node *sim_enter_node(struct redis_sim *sim)
{
	return node_enter(sim->node ? sim->node : node_current);
}

void sim_lock(struct redis_sim *sim)
{
	if (!node_scheduler())
		lock_take(sim->lock);
}

void sim_unlock(struct redis_sim *sim)
{
	if (!node_scheduler())
		lock_release(sim->lock);
}

/* --- The server --- */

static int open_link(struct redis_link *link, const struct redis_address *address, const struct redis_timeouts *timeouts)
{
	(void)address;
	return sim_link_open(link, (struct redis_sim *)link->transport, timeouts);
}

struct redis_sim *redis_sim_new(struct node *node)
{
	static const struct {
		const char *name, *value;
	} settings[] = {{"appendfsync", "everysec"},        {"appendonly", "no"},           {"maxmemory", "0"},
			{"maxmemory-policy", "noeviction"}, {"min-replicas-max-lag", "10"}, {"min-replicas-to-write", "0"}};
	struct redis_sim *sim = sim_alloc(sizeof(*sim));

	sim->transport = sim_transport(open_link);
	sim->node = node;
	lock_init(&sim->own_lock);
	sim->lock = &sim->own_lock;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		sim_set_setting(sim, slice_of(settings[i].name), slice_of(settings[i].value));
	sim_make_ids(sim, true);
	sim->scripts = sim_scripts_new();
	return sim;
}

static void forget_keys(struct redis_sim *sim)
{
	for (int i = 0; i < SIM_DATABASES; i++) {
		sim_forget_all(&sim->databases[i]);
		sim_forget_all(&sim->marked[i]);
	}
}

void redis_sim_free(struct redis_sim *sim)
{
	if (!sim)
		return;
	sim_close_peers(sim);
	ASSERT(!sim->peers); /* but those whose clients are gone */
	sim_replication_deinit(sim);
	sim_scripts_free(sim->scripts);
	forget_keys(sim);
	sim_settings_free(sim);
	lock_deinit(&sim->own_lock);
	free(sim);
}

const struct redis_transport *redis_sim_transport(struct redis_sim *sim)
{
	return &sim->transport;
}
