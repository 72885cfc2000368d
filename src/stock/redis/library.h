/*
 * Libraries of Redis Functions: this program's, `penstock_VERSION`, whose functions are
 * `penstock_VERSION_NAME`, so that those of several versions stand side by side; and what becomes
 * of others' (functions/versions.lua says what all versions share).
 */
#pragma once

#include "stock/redis/connection.h"

/* Every change of functions/ raises it: see functions/VERSIONS. */
enum { REDIS_LIBRARY_VERSION = 3 };
/*
 * Its library is `penstock`, it knows of no others, and its gates tell a success once the journal
 * has it, without asking the stock (rule 3).
 */
enum { REDIS_FIRST_VERSION = 1 };

/* By the order of library.c. */
enum redis_function {
	REDIS_RESERVE,
	REDIS_SETTLE,
	REDIS_FIND,
	REDIS_ORDERS,
	REDIS_EXPIRE,
	REDIS_ACKNOWLEDGE,
	REDIS_COMPENSATE,
	REDIS_CLAIM,
	REDIS_ALLOCATE,
	REDIS_WITHDRAW,
	REDIS_BRAKE,
	REDIS_BEGIN,
	REDIS_LOAD,
	REDIS_LOAD_WITHDRAWALS,
	REDIS_FIND_LOADED,
	REDIS_ARM,
	REDIS_DROP,
	REDIS_REFRESH,
	REDIS_KEEP,
	REDIS_RECALL,
	REDIS_KEPT,
	REDIS_KEEP_LOG,
	REDIS_RECALL_LOG,
	REDIS_CHANGES,
	REDIS_ATTEND,
	REDIS_TAKE_OVER,
	REDIS_CHECK,
	REDIS_FUNCTIONS
};

struct redis_library {
	uint32_t version;
	char name[24];
	char functions[REDIS_FUNCTIONS][48];
};

void redis_library_init(struct redis_library *library, uint32_t version);
/* That the server has it, with this very text. 0; -EACCES, -EIO, -ENOTCONN: logged; -ENOMEM. */
int redis_library_install(struct redis_connection *connection, const struct redis_library *library) MUST_CHECK;
/* Loads it where it is missing, later. 0 or negative. */
int redis_library_restore(struct redis_connection *connection, const struct redis_library *library) MUST_CHECK;

/* Whether the first version's library is there, and works. 1, 0, or negative as above. */
int redis_library_has_first(struct redis_connection *connection) MUST_CHECK;
/*
 * Puts into its place one that refuses every call in that version's own way: its gates are not well
 * from then on and resign, and none starts again. (Were it taken away they would load it again.) 0
 * or negative.
 */
int redis_library_retire_first(struct redis_connection *connection) MUST_CHECK;
/* The versions whose libraries are there beside this one; up to `max`. Their count or negative. */
int redis_library_list(struct redis_connection *connection, const struct redis_library *library, uint32_t *versions,
		       size_t max) MUST_CHECK;
/* Takes that version's library away. 0, also where another was faster, or negative. */
int redis_library_delete(struct redis_connection *connection, uint32_t version) MUST_CHECK;
