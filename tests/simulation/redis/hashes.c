/* Commands on hashes. */
#include "simulation/redis/server.h"

static void reply_field(struct sim_call *call, const struct sim_value *hash, struct slice field)
{
	struct slice text;

	if (hash && sim_hash_get(hash, field, &text))
		sim_reply_text(call, text);
	else
		sim_reply_nil(call);
}

static void get(struct sim_call *call)
{
	struct sim_value *hash;

	if (sim_take_value(call, call->args[1], SIM_HASH, &hash))
		reply_field(call, hash, call->args[2]);
}

static void get_many(struct sim_call *call)
{
	struct sim_value *hash;

	if (!sim_take_value(call, call->args[1], SIM_HASH, &hash))
		return;
	sim_reply_array(call, call->count - 2);
	for (size_t i = 2; i < call->count; i++)
		reply_field(call, hash, call->args[i]);
}

static void get_all(struct sim_call *call)
{
	struct sim_value *hash;

	if (!sim_take_value(call, call->args[1], SIM_HASH, &hash))
		return;
	sim_reply_array(call, hash ? hash->fields.count * 2 : 0);
	for (size_t i = 0; hash && i < hash->fields.count; i++) {
		sim_reply_text(call, hash->fields.entries[i].name);
		sim_reply_text(call, *(const struct slice *)hash->fields.entries[i].value);
	}
}

static void set(struct sim_call *call)
{
	struct sim_value *hash;
	int64_t fresh = 0;

	if (call->count % 2 == 1) {
		sim_reply_error(call, "ERR wrong number of arguments for 'hset' command");
		return;
	}
	if (!sim_take_value(call, call->args[1], SIM_HASH, &hash))
		return;
	if (!hash)
		hash = sim_make(sim_keys(call), call->args[1], SIM_HASH);
	for (size_t i = 2; i < call->count; i += 2)
		fresh += sim_hash_set(hash, call->args[i], call->args[i + 1]);
	sim_reply_int(call, fresh);
}

static void delete (struct sim_call *call)
{
	struct sim_value *hash;
	int64_t gone = 0;

	if (!sim_take_value(call, call->args[1], SIM_HASH, &hash))
		return;
	for (size_t i = 2; hash && i < call->count; i++)
		gone += sim_hash_remove(hash, call->args[i]);
	if (hash && hash->fields.count == 0)
		sim_delete(sim_keys(call), call->args[1], call->now_ms);
	sim_reply_int(call, gone);
}

static void length(struct sim_call *call)
{
	struct sim_value *hash;

	if (sim_take_value(call, call->args[1], SIM_HASH, &hash))
		sim_reply_int(call, hash ? (int64_t)hash->fields.count : 0);
}

const struct sim_command sim_hash_commands[] = {
	{"hget", 3, .run = get},
	{"hmget", -3, .run = get_many},
	{"hgetall", 2, .run = get_all},
	{"hset", -4, .grows = true, .writes = true, .run = set},
	{"hdel", -3, .writes = true, .run = delete},
	{"hlen", 2, .run = length},
	{0},
};
