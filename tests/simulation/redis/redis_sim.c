#include "simulation/redis/redis_sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "base/clock.h"
#include "simulation/redis/server.h"

enum { ARGUMENTS_MAX = 1024, BYTES_MAX = 1 << 30 };

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

void sim_run(struct sim_call *call)
{
	const struct sim_command *command = find_command(call->args[0]);

	if (!command)
		refuse_unknown(call);
	else if (command->arity > 0 ? call->count != (size_t)command->arity : call->count < (size_t)-command->arity)
		refuse_arguments(call, command);
	else if (call->script && command->apart)
		sim_reply_error(call, "ERR This Redis command is not allowed from script");
	else if (command->grows && !call->roomy && sim_is_full(call->sim))
		sim_reply_error(call, "OOM command not allowed when used memory > 'maxmemory'.");
	else if (command->writes && call->sim->replica)
		sim_reply_error(call, "READONLY You can't write against a read only replica.");
	else
		command->run(call);
}

/* --- What a connection sends --- */

/* The number behind `mark`, and where it ends; 0: it is not all there. */
static size_t take_number(const char *data, size_t size, char mark, long *number)
{
	const char *end = memchr(data, '\n', size);

	if (!end)
		return 0;
	ASSERT(data[0] == mark && end > data && end[-1] == '\r'); /* hiredis writes nothing else */
	*number = strtol(data + 1, NULL, 10);
	return (size_t)(end + 1 - data);
}

/* One command's arguments, copied. The bytes that it took; 0: it is not all there. */
static size_t take_command(const struct buffer *in, struct slice *args, size_t *count)
{
	long wanted, size;
	size_t at = take_number(in->data, in->size, '*', &wanted), line;

	*count = 0;
	ASSERT(at == 0 || (wanted > 0 && wanted <= ARGUMENTS_MAX));
	for (long i = 0; at > 0 && i < wanted; i++) {
		line = take_number(in->data + at, in->size - at, '$', &size);
		if (line == 0 || in->size - at - line < (size_t)size + 2)
			return 0;
		args[(*count)++] = sim_copy((struct slice){in->data + at + line, (size_t)size});
		at += line + (size_t)size + 2;
	}
	return at;
}

static void free_args(struct slice *args, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((char *)args[i].data);
}

/* Under the lock. All that has come whole is done, one after the other. */
static void serve(struct sim_peer *peer)
{
	struct slice args[ARGUMENTS_MAX];
	size_t count, size = 1;

	while (size > 0 && peer->in.size > 0 && !sim_cut_here(peer)) {
		size = take_command(&peer->in, args, &count);
		if (size > 0) {
			struct sim_call call = {.sim = peer->sim,
						.peer = peer,
						.args = args,
						.count = count,
						.out = &peer->out,
						.now_ms = clock_wall_ms()};

			size_t from = peer->out.size;

			sim_run(&call);
			sim_corrupt(peer, from);
			sim_cut_count(peer->sim);
			buffer_consume(&peer->in, size);
		}
		free_args(args, count);
	}
	(void)sim_cut_here(peer);
}

struct node *sim_enter_node(struct redis_sim *sim)
{
	return node_enter(sim->node ? sim->node : node_current);
}

static void receive(struct sim_peer *peer, const char *data, size_t size)
{
	struct redis_sim *sim = peer->sim;
	struct node *before;

	lock_take(&sim->lock);
	before = sim_enter_node(sim);
	if (!peer->closed) {
		buffer_append(&peer->in, data, size);
		serve(peer);
	}
	node_enter(before);
	lock_release(&sim->lock);
}

/* --- The transport --- */

static struct redis_sim *sim_of(const struct redis_link *link)
{
	return (struct redis_sim *)link->transport;
}

static int open_link(struct redis_link *link, const struct redis_address *address, const struct redis_timeouts *timeouts)
{
	struct redis_sim *sim = sim_of(link);
	struct sim_peer *peer;

	(void)address;
	(void)timeouts;
	link->context = redisConnectFd(-1); /* it never reads or writes there */
	ASSERT(link->context);
	if (sim->down) {
		snprintf(link->context->errstr, sizeof(link->context->errstr), "Connection refused");
		return REDIS_ERR;
	}
	peer = sim_alloc(sizeof(*peer));
	peer->sim = sim;
	buffer_init(&peer->in, BYTES_MAX);
	buffer_init(&peer->out, BYTES_MAX);
	lock_take(&sim->lock);
	peer->next = sim->peers;
	sim->peers = peer;
	lock_release(&sim->lock);
	link->peer = peer;
	return REDIS_OK;
}

static int write_link(struct redis_link *link, int *done)
{
	redisContext *context = link->context;
	struct sim_peer *peer = link->peer;
	size_t size = sdslen(context->obuf);

	if (peer->closed && size > 0)
		return REDIS_ERR;
	if (size > 0) {
		receive(peer, context->obuf, size);
		sdsrange(context->obuf, (int)size, -1);
	}
	*done = 1;
	return REDIS_OK;
}

static int reply_of_link(struct redis_link *link, void **reply)
{
	struct sim_peer *peer = link->peer;
	int done, r;

	*reply = NULL;
	if (write_link(link, &done) != REDIS_OK)
		return REDIS_ERR;
	if (peer->out.size > 0) {
		r = redisReaderFeed(link->context->reader, peer->out.data, peer->out.size);
		buffer_clear(&peer->out);
		if (r != REDIS_OK)
			return r;
	}
	r = redisReaderGetReply(link->context->reader, reply);
	return *reply ? r : REDIS_ERR; /* nothing more will come */
}

static bool link_is_quiet(const struct redis_link *link)
{
	const struct sim_peer *peer = link->peer;

	return !peer->closed && peer->out.size == 0;
}

static void close_link(struct redis_link *link)
{
	struct redis_sim *sim = sim_of(link);
	struct sim_peer *peer = link->peer, **at = &sim->peers;

	if (peer) {
		lock_take(&sim->lock);
		while (*at != peer)
			at = &(*at)->next;
		*at = peer->next;
		lock_release(&sim->lock);
		buffer_deinit(&peer->in);
		buffer_deinit(&peer->out);
		free(peer);
	}
	redisFree(link->context);
}

/* --- The server --- */

struct redis_sim *redis_sim_new(struct node *node)
{
	static const struct {
		const char *name, *value;
	} settings[] = {{"appendfsync", "everysec"},        {"appendonly", "no"},           {"maxmemory", "0"},
			{"maxmemory-policy", "noeviction"}, {"min-replicas-max-lag", "10"}, {"min-replicas-to-write", "0"}};
	struct redis_sim *sim = sim_alloc(sizeof(*sim));

	sim->transport = (struct redis_transport){
		.open = open_link, .write = write_link, .reply = reply_of_link, .is_quiet = link_is_quiet, .close = close_link};
	sim->node = node;
	lock_init(&sim->lock);
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
	ASSERT(!sim->peers);
	sim_scripts_free(sim->scripts);
	forget_keys(sim);
	sim_settings_free(sim);
	lock_deinit(&sim->lock);
	free(sim);
}

const struct redis_transport *redis_sim_transport(struct redis_sim *sim)
{
	return &sim->transport;
}

redisReply *redis_sim_ask_argv(struct redis_sim *sim, int count, const char **arguments, const size_t *sizes)
{
	struct redis_link link = {.transport = &sim->transport};
	void *reply = NULL;

	ASSERT(open_link(&link, NULL, NULL) == REDIS_OK);
	ASSERT(redisAppendCommandArgv(link.context, count, arguments, sizes) == REDIS_OK);
	ASSERT(reply_of_link(&link, &reply) == REDIS_OK);
	close_link(&link);
	return reply;
}

redisReply *redis_sim_ask(struct redis_sim *sim, const char *format, ...)
{
	struct redis_link link = {.transport = &sim->transport};
	void *reply = NULL;
	va_list arguments;

	ASSERT(open_link(&link, NULL, NULL) == REDIS_OK);
	va_start(arguments, format);
	ASSERT(redisvAppendCommand(link.context, format, arguments) == REDIS_OK);
	va_end(arguments);
	ASSERT(reply_of_link(&link, &reply) == REDIS_OK);
	close_link(&link);
	return reply;
}
