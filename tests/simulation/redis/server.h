/* What the parts of the Redis in the process share. redis_sim.h is what others see of it. */
#pragma once

#include <string.h>
#include <strings.h>
#include "base/lock.h"
#include "simulation/redis/keyspace.h"
#include "simulation/redis/redis_sim.h"
#include "simulation/redis/replication.h"
#include "simulation/redis/way.h"
#include "stock/redis/transport.h"
#include "text/buffer.h"

enum { SIM_DATABASES = 16, SIM_ID_SIZE = 40, SIM_CUT_OFF_MAX = 16 };

struct sim_scripts; /* scripts.c */

/* A connection, as the server has it. */
struct sim_peer {
	struct redis_sim *sim;
	struct sim_peer *next;
	struct node *client;        /* who has opened it */
	int64_t call_ns;            /* how long the client waits for a reply; 0: until it comes */
	bool direct;                /* a test's: nothing is in its way */
	struct sim_way there, back; /* commands and replies that have not arrived */
	struct buffer in, out;      /* bytes of commands that are not whole; replies that were not sent */
	unsigned database;
	bool closed;     /* by the server */
	bool gone;       /* the client is: what is on the way arrives, and then it is freed */
	uint64_t offset; /* of the server, behind its last command */
	struct {
		bool armed;
		int64_t replicas, until_ns;
	} waiting; /* WAIT */
};

struct redis_sim {
	struct redis_transport transport; /* first member */
	struct node *node;
	struct redis_group *group;   /* NULL: it is alone, and all addresses are its own */
	struct lock own_lock, *lock; /* all below: a server does one thing at a time, and a group too */
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
	/* What is in the way of who speaks to it. */
	int64_t there_ns, back_ns;
	bool paused;
	struct node *cut_off[SIM_CUT_OFF_MAX]; /* clients that cannot reach it */
	size_t cut_off_count;
	struct sim_replication replication;
	uint64_t changes; /* redis_sim_changes() */
	size_t named;     /* a Sentinel: the server that it takes for the master */
};

/* A command under way. */
struct sim_call {
	struct redis_sim *sim;
	struct sim_peer *peer;
	const struct slice *args; /* its name first */
	size_t count;
	struct buffer *out; /* the reply, as RESP2 has it */
	int64_t now_ms;
	bool obeys;  /* its master has done it */
	bool script; /* a function makes it */
	bool roomy;  /* by one that may where memory is full */
};

typedef void sim_handler(struct sim_call *call);

struct sim_command {
	const char *name;
	int arity;   /* with its name; negative: so many at least */
	bool grows;  /* refused where memory is full */
	bool writes; /* refused by a replica, and replicas do it too */
	bool apart;  /* not in a function */
	sim_handler *run;
};

/* Each part's commands, up to one without a name. */
extern const struct sim_command sim_string_commands[], sim_hash_commands[], sim_zset_commands[], sim_key_commands[],
	sim_admin_commands[], sim_script_commands[];
/* Into the server's own node, for its clock. The one that the thread was in. */
struct node *sim_enter_node(struct redis_sim *sim);
/* Does it, and writes exactly one reply; none yet where the connection waits (WAIT). */
void sim_run(struct sim_call *call);
/* A thread at a time; under a scheduler it is so anyway, for nothing in here yields. */
void sim_lock(struct redis_sim *sim);
void sim_unlock(struct redis_sim *sim);

/* --- Connections (peers.c), under the lock --- */
/* What should have happened by now: what has arrived is done, on the whole group. */
void sim_catch_up(struct redis_sim *sim);
struct sim_peer *sim_peer_new(struct redis_sim *sim, int64_t call_ns);
/* The client has left it. */
void sim_peer_leave(struct sim_peer *peer);
/* Whether nothing passes between the client and the server. */
bool sim_is_cut_off(const struct sim_peer *peer);
/* When something happens on it next, by the server's monotonic clock; INT64_MAX: nobody can say. */
int64_t sim_peer_next(const struct sim_peer *peer);
/* Its WAIT ends with an error, and it with that: the server is no master any more. */
void sim_peer_break_off(struct sim_peer *peer);
/* It looks again. */
void sim_peer_wake(struct sim_peer *peer);
void sim_wake_all(struct redis_sim *sim);
/* Whether what is kept is more than maxmemory. */
bool sim_is_full(struct redis_sim *sim);
size_t sim_memory(struct redis_sim *sim);
struct slice sim_setting(struct redis_sim *sim, const char *name);
void sim_settings_free(struct redis_sim *sim);
void sim_set_setting(struct redis_sim *sim, struct slice name, struct slice value);

/* --- Faults (faults.c), under the lock --- */
/* Whether the connection ends here, before or behind a command. */
bool sim_cut_here(struct sim_peer *peer);
void sim_cut_count(struct sim_peer *peer); /* one more is done */
/* The reply that begins there, where it is to be corrupt. */
void sim_corrupt(struct sim_peer *peer, size_t from);
void sim_close_peers(struct redis_sim *sim);
void sim_make_ids(struct redis_sim *sim, bool run);

/* Others in the place of those of `sim`, with the libraries of `model`, loaded anew; NULL: none. */
void sim_scripts_renew(struct redis_sim *sim, struct sim_scripts *model);
/* A command that changes something, on a server that takes none now: the error is written. */
bool sim_refuses_write(struct sim_call *call);
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

/* printf takes longer than most commands. */
static inline void sim_write_number(struct buffer *out, char mark, int64_t value)
{
	buffer_append(out, &mark, 1);
	buffer_append_int(out, value);
	buffer_append_literal(out, "\r\n");
}

enum { SIM_WHOLE_SIZE = 24 };

/* As text, with a NUL behind it. */
static inline struct slice sim_whole(char text[SIM_WHOLE_SIZE], int64_t value)
{
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	size_t at = SIM_WHOLE_SIZE - 1;

	text[at] = '\0';
	do
		text[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (value < 0)
		text[--at] = '-';
	return (struct slice){text + at, SIM_WHOLE_SIZE - 1 - at};
}

/* Of digits with a sign, up to whatever else there is; strtol() takes five times as long. */
static inline int64_t sim_read_whole(const char *text)
{
	bool negative = *text == '-';
	int64_t value = 0;

	for (text += negative; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (*text - '0');
	return negative ? -value : value;
}

/* As Redis writes a double. */
enum { SIM_NUMBER_SIZE = 40 };
struct slice sim_number_text(char text[SIM_NUMBER_SIZE], double value);

static inline void sim_reply_int(struct sim_call *call, int64_t value)
{
	sim_write_number(call->out, ':', value);
}

static inline void sim_reply_array(struct sim_call *call, size_t count)
{
	sim_write_number(call->out, '*', (int64_t)count);
}

static inline void sim_reply_nil(struct sim_call *call)
{
	buffer_append_literal(call->out, "$-1\r\n");
}

static inline void sim_reply_text(struct sim_call *call, struct slice text)
{
	sim_write_number(call->out, '$', (int64_t)text.size);
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
/*
 * The value of this type under a key; *value is NULL where it is not there. False where it is
 * another, and the error is written.
 */
bool sim_take_value(struct sim_call *call, struct slice key, enum sim_type type, struct sim_value **value);
static inline bool sim_is(struct slice text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}
