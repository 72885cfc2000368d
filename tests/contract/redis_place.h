/*
 * A private Redis for tests, in a folder of its own, on a port that was free; it ends with this
 * process, however that ends. Asserts by itself.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <sys/types.h>

enum { REDIS_PLACE_OPTIONS = 12 };

struct redis_place {
	pid_t process;
	int port;
	char folder[64];
	char url[64];
	bool sentinel;
	const char *options[REDIS_PLACE_OPTIONS + 1]; /* more arguments of redis-server, from the next start on; NULL-terminated */
};

/* A server without persistence, started. More arguments may follow, NULL ends them. */
struct redis_place *redis_place_new(const char *option, ...);
/*
 * A Sentinel of the master at this place, whom it calls `mymaster`. Its URL is that of stock.url.
 */
struct redis_place *redis_place_new_sentinel(const struct redis_place *master);
void redis_place_free(struct redis_place *place);
void redis_place_start(struct redis_place *place); /* on the port and in the folder of before; returns when it answers */
void redis_place_kill(struct redis_place *place);  /* at once, by SIGKILL */
void redis_place_pause(struct redis_place *place, bool paused);
/*
 * A command on a connection of its own. The reply is the caller's; NULL is never returned, an error
 * reply may be.
 */
redisReply *redis_place_ask(const struct redis_place *place, const char *format, ...);
/* The same, where the answer is of no interest but must be no error. */
void redis_place_run(const struct redis_place *place, const char *format, ...);
/* Waits until `seen` says so, for some seconds at most. */
void redis_place_await(bool (*seen)(void *context), void *context);
