/* What the parts of the Redis in the process share. redis_sim.h is what others see of it. */
#pragma once

#include <string.h>
#include <strings.h>
#include "base/buffer.h"
#include "base/lock.h"
#include "simulation/redis/keyspace.h"
#include "simulation/redis/redis_sim.h"
#include "stock/redis/transport.h"

enum { SIM_DATABASES = 16, SIM_ID_SIZE = 40 };

struct sim_scripts; /* scripts.c */

/* A connection, as the server has it. */
struct sim_peer {
	struct redis_sim *sim;
	struct sim_peer *next;
	struct buffer in, out; /* bytes of commands that are not whole; of replies that were not fetched */
	unsigned database;
	bool closed; /* by the server */
};

struct redis_sim {
	struct redis_transport transport; /* first member */
	struct node *node;
	struct lock lock; /* all below: the server does one thing at a time */
	struct sim_peer *peers;
	struct sim_table databases[SIM_DATABASES];
	struct sim_scripts *scripts;
	struct sim_table settings; /* slices, by name */
	char run_id[SIM_ID_SIZE + 1], replid[SIM_ID_SIZE + 1];
	bool down, replica;
	struct sim_table marked[SIM_DATABASES]; /* redis_sim_mark() */
	struct {
		bool armed, told;
		unsigned left; /* commands before the end */
	} cut;
	unsigned corrupt; /* replies to come that are */
};

/* A command under way. */
struct sim_call {
	struct redis_sim *sim;
	struct sim_peer *peer;
	const struct slice *args; /* its name first */
	size_t count;
	struct buffer *out; /* the reply, as RESP2 has it */
	int64_t now_ms;
	bool script; /* a function makes it */
	bool roomy;  /* by one that may where memory is full */
};

typedef void sim_handler(struct sim_call *call);

struct sim_command {
	const char *name;
	int arity;   /* with its name; negative: so many at least */
	bool grows;  /* refused where memory is full */
	bool writes; /* refused by a replica */
	bool apart;  /* not in a function */
	sim_handler *run;
};

/* Each part's commands, up to one without a name. */
extern const struct sim_command sim_string_commands[], sim_hash_commands[], sim_zset_commands[], sim_key_commands[],
	sim_admin_commands[], sim_script_commands[];
/* Into the server's own node, for its clock. The one that the thread was in. */
struct node *sim_enter_node(struct redis_sim *sim);
/* Does it, and writes exactly one reply. */
void sim_run(struct sim_call *call);
/* Whether what is kept is more than maxmemory. */
bool sim_is_full(struct redis_sim *sim);
size_t sim_memory(struct redis_sim *sim);
struct slice sim_setting(struct redis_sim *sim, const char *name);
void sim_settings_free(struct redis_sim *sim);
void sim_set_setting(struct redis_sim *sim, struct slice name, struct slice value);

/* --- Faults (faults.c), under the lock --- */
/* Whether the connection ends here, before or behind a command. */
bool sim_cut_here(struct sim_peer *peer);
void sim_cut_count(struct redis_sim *sim); /* one more is done */
/* The reply that begins there, where it is to be corrupt. */
void sim_corrupt(struct sim_peer *peer, size_t from);
void sim_close_peers(struct redis_sim *sim);
void sim_make_ids(struct redis_sim *sim, bool run);

/* Others in the place of `former`, whose libraries are loaded anew where they are kept. */
struct sim_scripts *sim_scripts_again(struct redis_sim *sim, struct sim_scripts *former, bool kept);
struct sim_scripts *sim_scripts_new(void);
void sim_scripts_free(struct sim_scripts *scripts);

/* --- Replies --- */

static inline void sim_reply_error(struct sim_call *call, const char *text)
{
	buffer_printf(call->out, "-%s\r\n", text);
}

static inline void sim_reply_ok(struct sim_call *call)
{
	buffer_append_literal(call->out, "+OK\r\n");
}

static inline void sim_reply_int(struct sim_call *call, int64_t value)
{
	buffer_printf(call->out, ":%lld\r\n", (long long)value);
}

static inline void sim_reply_array(struct sim_call *call, size_t count)
{
	buffer_printf(call->out, "*%zu\r\n", count);
}

static inline void sim_reply_nil(struct sim_call *call)
{
	buffer_append_literal(call->out, "$-1\r\n");
}

static inline void sim_reply_text(struct sim_call *call, struct slice text)
{
	buffer_printf(call->out, "$%zu\r\n", text.size);
	buffer_append_slice(call->out, text);
	buffer_append_literal(call->out, "\r\n");
}

static inline struct sim_table *sim_keys(struct sim_call *call)
{
	return &call->sim->databases[call->peer->database];
}

/* --- What arguments are --- */

/* False, and the error is written. */
bool sim_take_int(struct sim_call *call, struct slice text, int64_t *value);
bool sim_take_double(struct sim_call *call, struct slice text, const char *error, double *value);
/* The value of this type under a key; *value is NULL where it is not there. False where it is another, and the error is written. */
bool sim_take_value(struct sim_call *call, struct slice key, enum sim_type type, struct sim_value **value);
static inline bool sim_is(struct slice text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}
