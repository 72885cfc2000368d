#include "ledger/postgres/connection.h"

#include <poll.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres/wire.h"

enum {
	/*
	 * A write must be answered while somebody may still be told (T_ack is 2 s by default); what
	 * takes longer than this is a fault. Ours is the only clock: the server's statement_timeout
	 * does not run while a COMMIT waits for replicas, which is what takes longest.
	 */
	WRITE_TRIP_MS = 5000,
	ROW_TRIP_MS = 5000,   /* likewise: whoever asks for a row by its key waits for it */
	PAGE_TRIP_MS = 60000, /* the sale keeper waits for it, and a million sales may have ended */
	WRITE_LOCK_MS = 2000,
	WRITE_SILENCE_MS = 10000, /* of a process that sleeps in the middle of a transaction, whose locks others wait for */
	READ_TRIP_MS = 600000,    /* an audit of many million orders */
	VERSION_MIN = 120000,
};

static const int64_t REFUSAL_NS = 2000000000; /* to say no */

void pg_bound(struct pg_connection *connection, enum pg_trip trip)
{
	static const int64_t most_ms[] = {[PG_TRIP_ROW] = ROW_TRIP_MS, [PG_TRIP_PAGE] = PAGE_TRIP_MS, [PG_TRIP_ROWS] = READ_TRIP_MS};

	connection->timeout_ns = most_ms[trip] * INT64_C(1000000);
}

/* --- Opening --- */

static void on_notice(void *argument, const char *message)
{
	(void)argument;
	log_debug("ledger", "notice from PostgreSQL", LOG_SLICE("text", ((struct slice){message, strcspn(message, "\n")})));
}

int pg_script(struct pg_connection *connection, const char *sql, PGresult **out)
{
	int64_t deadline_ns = clock_mono_ns() + connection->timeout_ns;
	PGresult *result, *last = NULL;
	int end = 0, got;

	if (PQpipelineStatus(connection->handle) != PQ_PIPELINE_OFF && !PQexitPipelineMode(connection->handle))
		return pg_wire_drop(connection, -ENOTCONN);
	if (!PQsendQuery(connection->handle, sql))
		return pg_wire_drop(connection, -ENOTCONN);
	for (;;) {
		got = pg_wire_next(connection, deadline_ns, &result);
		if (got < 0) {
			PQclear(last);
			return pg_wire_drop(connection, got);
		}
		if (!result)
			break;
		if (end == 0 && !pg_wire_succeeded(result))
			end = pg_wire_error(connection, result);
		PQclear(last);
		last = result;
	}
	if (PQstatus(connection->handle) == CONNECTION_BAD)
		pg_close(connection);
	if (out && end == 0)
		*out = last;
	else
		PQclear(last);
	return end > 0 ? -EIO : end;
}

/*
 * Locks are not kept by the dead: the server looks whether we are still there, for it may be a
 * power cut that nobody told it of.
 *
 * The writer finds every row by its key. A plan is made once and kept, perhaps while a table is
 * still empty, where reading all of it looks cheapest; so it is never allowed to. The price that
 * the planner then puts on the tables of one row would have each statement compiled (jit), at 20 ms
 * and more.
 */
static int begin_session(struct pg_connection *connection, bool read_only)
{
	char sql[768];
	int version = PQserverVersion(connection->handle), size;
	const char *encoding = PQparameterStatus(connection->handle, "server_encoding");

	if (version < VERSION_MIN) {
		log_error("ledger", "PostgreSQL 12 or newer is needed", LOG_INT("version", version));
		return -ENOTSUP;
	}
	if (!encoding || strcmp(encoding, "UTF8") != 0) {
		log_error("ledger", "the database must have the encoding UTF8", LOG_TEXT("encoding", encoding ? encoding : ""));
		return -ENOTSUP;
	}
	size = snprintf(sql, sizeof(sql),
			"SET search_path = penstock; SET default_transaction_isolation = 'read committed';"
			" SET plan_cache_mode = %s; SET enable_seqscan = %s; SET jit = off; SET default_transaction_read_only = %s;"
			" SET statement_timeout = 0; SET lock_timeout = %d; SET idle_in_transaction_session_timeout = %d;"
			" SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000;%s",
			read_only ? "auto" : "force_generic_plan", read_only ? "on" : "off", read_only ? "on" : "off",
			WRITE_LOCK_MS, read_only ? 0 : WRITE_SILENCE_MS, version >= 140000 ? " SET idle_session_timeout = 0;" : "");
	ASSERT(size < (int)sizeof(sql));
	return pg_script(connection, sql, NULL);
}

/* libpq's own words about a URL quote it back, password and all. */
static bool url_is_readable(const char *url)
{
	PQconninfoOption *options = PQconninfoParse(url, NULL);

	PQconninfoFree(options);
	if (!options)
		log_error("ledger", "ledger.url is not one that libpq reads: in a password @ is %40, : is %3A, / is %2F and % is %25");
	return options != NULL;
}

enum { PLACES = 9 };

/*
 * What stands before dbname can be said otherwise by the URL, what stands behind it cannot. A dead
 * host is found out within some seconds.
 */
static const char *const place_names[PLACES + 1] = {
	"connect_timeout",      "tcp_user_timeout",          "keepalives_idle", "keepalives_interval", "keepalives_count",
	"target_session_attrs", "fallback_application_name", "dbname",          "client_encoding",     NULL};

int pg_open(struct pg_connection *connection, const char *url, bool read_only)
{
	const char *const values[PLACES + 1] = {"2",        "5000", "5",    "2", "3", read_only ? "any" : "read-write",
						"penstock", url,    "UTF8", NULL};
	int result;

	if (!url_is_readable(url))
		return error_origin(-EINVAL);
	*connection = (struct pg_connection){.timeout_ns = WRITE_TRIP_MS * INT64_C(1000000)};
	connection->handle = PQconnectdbParams(place_names, values, 1);
	if (!connection->handle)
		return error_origin(-ENOMEM);
	if (PQstatus(connection->handle) != CONNECTION_OK) {
		pg_wire_complain(-ENOTCONN, "", PQerrorMessage(connection->handle));
		pg_close(connection);
		return -ENOTCONN;
	}
	PQsetNoticeProcessor(connection->handle, on_notice, NULL);
	result = PQsetnonblocking(connection->handle, 1) == 0 ? begin_session(connection, read_only) : -ENOTCONN;
	if (result < 0)
		pg_close(connection);
	return result;
}

/*
 * The code of what the server said to a connection that failed ("connection to server at ...
 * failed: FATAL:  28P01: password ..."): libpq tells it in the text alone, and only where that is
 * to be verbose.
 */
static bool is_refusal(const char *message)
{
	static const char *const codes[] = {"28", "3D", "42501"}; /* who we are; no such database; not allowed to connect to it */
	const char *found = strstr(message, ":  ");

	for (size_t i = 0; found && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strncmp(found + 3, codes[i], strlen(codes[i])) == 0 && strcspn(found + 3, ":") == 5)
			return true;
	return false;
}

/* Until the server has said yes or no. */
static void connect_within(PGconn *handle, int64_t deadline_ns)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	int64_t left_ns;

	while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED && (left_ns = deadline_ns - clock_mono_ns()) > 0) {
		struct pollfd socket = {.fd = PQsocket(handle), .events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT};

		if (poll(&socket, 1, (int)(left_ns / 1000000) + 1) > 0)
			next = PQconnectPoll(handle);
	}
}

bool pg_is_refused(const char *url)
{
	const char *const values[PLACES + 1] = {"2", "5000", "5", "2", "3", "any", "penstock", url, "UTF8", NULL};
	PGconn *handle = PQconnectStartParams(place_names, values, 1);
	bool refused;

	if (!handle)
		return false;
	PQsetErrorVerbosity(handle, PQERRORS_VERBOSE);
	if (PQstatus(handle) != CONNECTION_BAD)
		connect_within(handle, clock_mono_ns() + REFUSAL_NS);
	refused = PQstatus(handle) == CONNECTION_BAD && is_refusal(PQerrorMessage(handle));
	PQfinish(handle);
	return refused;
}

void pg_close(struct pg_connection *connection)
{
	if (!connection->handle)
		return;
	PQfinish(connection->handle);
	connection->handle = NULL;
	memset(connection->prepared, 0, sizeof(connection->prepared));
	connection->trip_size = connection->trip_asked = 0;
	connection->trip_failed = connection->trip_sent = false;
}

/* --- Trips --- */

/* The name of the statement on the server. */
static void statement_name(char name[static 16], size_t index)
{
	snprintf(name, 16, "s%zu", index);
}

/* Where it is, or where there is room for it. */
static size_t find_prepared(const struct pg_connection *connection, const char *sql)
{
	size_t room = PG_STATEMENTS_MAX;

	for (size_t i = 0; i < PG_STATEMENTS_MAX; i++) {
		if (connection->prepared[i] == sql)
			return i;
		if (!connection->prepared[i] && room == PG_STATEMENTS_MAX)
			room = i;
	}
	ASSERT(room < PG_STATEMENTS_MAX);
	return room;
}

void pg_add(struct pg_connection *connection, const char *sql, const struct pg_params *params)
{
	static const struct pg_params none;
	static const int binary[PG_PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}; /* all of them */
	size_t index = find_prepared(connection, sql);
	char name[16];
	bool sent;

	params = params ? params : &none;
	ASSERT(connection->trip_asked < PG_TRIP_MAX);
	ASSERT(!connection->trip_sent);
	for (int i = 0; i < params->count; i++)
		connection->trip_failed |= params->types[i] == 0;
	if (!connection->handle || connection->trip_failed) {
		connection->trip_failed = true;
		return;
	}
	if (PQpipelineStatus(connection->handle) == PQ_PIPELINE_OFF && !PQenterPipelineMode(connection->handle))
		connection->trip_failed = true;
	statement_name(name, index);
	if (!connection->prepared[index]) {
		connection->prepared[index] = sql;
		sent = PQsendPrepare(connection->handle, name, sql, params->count, params->types);
		connection->trip_failed |= !sent;
		connection->trip[connection->trip_size++].prepares = sql;
	}
	sent = PQsendQueryPrepared(connection->handle, name, params->count, params->values, params->sizes, binary, 1);
	connection->trip_failed |= !sent;
	connection->trip[connection->trip_size++].prepares = NULL;
	connection->trip_asked++;
}

/*
 * One statement's result and the mark behind it. 0 (with *result), enum pg_end or negative;
 * PG_ABORTED where one before it failed. *lost: nothing more will come.
 */
enum { PG_ABORTED = 100 };

static int take_one(struct pg_connection *connection, int64_t deadline_ns, bool *lost, PGresult **result)
{
	PGresult *mark = NULL;
	int end = pg_wire_next(connection, deadline_ns, result), got;

	*lost = end < 0 || !*result;
	if (*lost)
		return end < 0 ? end : -ENOTCONN;
	if (PQresultStatus(*result) == PGRES_PIPELINE_ABORTED)
		end = PG_ABORTED;
	else if (!pg_wire_succeeded(*result))
		end = pg_wire_error(connection, *result);
	if (end != 0) {
		PQclear(*result);
		*result = NULL;
	}
	got = PQstatus(connection->handle) == CONNECTION_BAD ? -ENOTCONN : pg_wire_next(connection, deadline_ns, &mark);
	*lost = got < 0 || mark;
	PQclear(mark);
	if (!*lost)
		return end;
	PQclear(*result);
	*result = NULL;
	return got < 0 ? got : -ENOTCONN;
}

/* All results of the trip, up to its end: 0, or the first failure. */
static int take_all(struct pg_connection *connection, PGresult **results, bool *lost)
{
	int64_t deadline_ns = clock_mono_ns() + connection->timeout_ns;
	PGresult *result = NULL;
	size_t taken = 0;
	int first = 0, end;

	for (size_t i = 0; i < connection->trip_size; i++) {
		const char *prepares = connection->trip[i].prepares;

		end = take_one(connection, deadline_ns, lost, &result);
		if (*lost)
			return end;
		if (first == 0)
			first = end;
		if (prepares && end != 0)
			connection->prepared[find_prepared(connection, prepares)] = NULL; /* the server does not know it */
		if (!prepares && results)
			results[taken++] = result;
		else
			PQclear(result);
	}
	end = pg_wire_next(connection, deadline_ns, &result);
	*lost = end < 0 || PQresultStatus(result) != PGRES_PIPELINE_SYNC;
	if (end == 0)
		PQclear(result);
	if (*lost)
		return end < 0 ? end : -ENOTCONN;
	return first;
}

void pg_send(struct pg_connection *connection)
{
	if (!connection->handle)
		return;
	connection->trip_failed |= !PQpipelineSync(connection->handle);
	connection->trip_sent = true;
}

int pg_run(struct pg_connection *connection, PGresult **results)
{
	size_t asked = connection->trip_asked;
	bool lost = false;
	int end;

	for (size_t i = 0; results && i < asked; i++)
		results[i] = NULL;
	if (!connection->handle)
		return -ENOTCONN;
	if (!connection->trip_failed && !connection->trip_sent)
		pg_send(connection);
	if (connection->trip_failed) {
		bool memory = PQstatus(connection->handle) != CONNECTION_BAD;

		return pg_wire_drop(connection, memory ? -ENOMEM : -ENOTCONN);
	}
	end = take_all(connection, results, &lost);
	connection->trip_size = connection->trip_asked = 0;
	connection->trip_sent = false;
	if (end != 0 && results)
		pg_clear(results, asked);
	return lost ? pg_wire_drop(connection, end) : end;
}

void pg_clear(PGresult **results, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		PQclear(results[i]);
		results[i] = NULL;
	}
}

int pg_query(struct pg_connection *connection, const char *sql, const struct pg_params *params, PGresult **result)
{
	*result = NULL;
	pg_add(connection, sql, params);
	return pg_run(connection, result);
}

int pg_do(struct pg_connection *connection, const char *sql, const struct pg_params *params)
{
	pg_add(connection, sql, params);
	return pg_run(connection, NULL);
}

/* --- COPY --- */

static int send_rows(struct pg_connection *connection, struct slice rows, int64_t deadline_ns)
{
	enum { PIECE = 65536 };
	int end = 0;

	for (size_t at = 0; at < rows.size && end == 0; at += PIECE) {
		size_t size = rows.size - at < PIECE ? rows.size - at : PIECE;

		if (PQputCopyData(connection->handle, rows.data + at, (int)size) != 1)
			return -ENOTCONN;
		end = pg_wire_flush(connection, deadline_ns);
	}
	if (end == 0 && PQputCopyEnd(connection->handle, NULL) != 1)
		end = -ENOTCONN;
	return end == 0 ? pg_wire_flush(connection, deadline_ns) : end;
}

int pg_send_rows(struct pg_connection *connection, const char *sql, struct slice rows)
{
	int64_t deadline_ns = clock_mono_ns() + connection->timeout_ns;
	PGresult *result;
	bool wanted = false;
	int end = 0, got;

	if (!connection->handle)
		return -ENOTCONN;
	ASSERT(connection->trip_size == 0);
	if (PQpipelineStatus(connection->handle) != PQ_PIPELINE_OFF && !PQexitPipelineMode(connection->handle))
		return pg_wire_drop(connection, -ENOTCONN);
	if (!PQsendQuery(connection->handle, sql))
		return pg_wire_drop(connection, -ENOTCONN);
	for (;;) {
		got = pg_wire_next(connection, deadline_ns, &result);
		if (got == 0 && !result)
			break;
		if (got == 0 && PQresultStatus(result) == PGRES_COPY_IN) {
			wanted = !wanted;
			got = wanted ? send_rows(connection, rows, deadline_ns) : -ENOTCONN;
		} else if (got == 0 && end == 0 && !pg_wire_succeeded(result)) {
			end = pg_wire_error(connection, result);
		}
		PQclear(result);
		if (got < 0)
			return pg_wire_drop(connection, got);
	}
	if (PQstatus(connection->handle) == CONNECTION_BAD)
		return pg_wire_drop(connection, -ENOTCONN);
	return end;
}
