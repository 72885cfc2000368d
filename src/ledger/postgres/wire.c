#include "ledger/postgres/wire.h"

#include <poll.h>
#include "base/clock.h"
#include "base/log.h"

/* --- Errors --- */

static bool state_is(const char *state, const char *start)
{
	return strncmp(state, start, strlen(start)) == 0;
}

static int translate(const char *state)
{
	static const struct {
		const char *start; /* of the SQLSTATE: its class, or all of it */
		int code;
	} table[] = {
		{"PS001", PG_FENCED},  {"PS002", PG_STALE},   {"PS003", PG_MOVED}, {"40001", PG_RETRY}, {"40P01", PG_RETRY},
		{"22", PG_CONSTRAINT}, {"23", PG_CONSTRAINT}, {"08", -ENOTCONN},   {"57P", -ENOTCONN},  {"57014", -ETIMEDOUT},
		{"55P03", -EBUSY},     {"53100", -ENOSPC},    {"53200", -ENOMEM},  {"53", -EBUSY},      {"25006", -EROFS},
		{"25P03", -ENOTCONN},  {"28", -EACCES},       {"42501", -EACCES},  {"3D000", -ENOENT},  {"XX001", -EUCLEAN},
		{"XX002", -EUCLEAN},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (state_is(state, table[i].start))
			return table[i].code;
	return -EIO;
}

void pg_wire_complain(int code, const char *state, const char *text)
{
	static struct log_limiter limiter;
	uint64_t suppressed;
	size_t size = strcspn(text, "\n");

	if (log_limiter_pass(&limiter, &suppressed))
		log_error("ledger", "PostgreSQL failed", LOG_TEXT("error", error_text(code)),
			  LOG_SLICE("postgres", ((struct slice){text, size})), LOG_TEXT("state", state),
			  LOG_INT("suppressed", suppressed));
}

int pg_wire_error(struct pg_connection *connection, const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *text = result ? PQresultErrorMessage(result) : PQerrorMessage(connection->handle);
	int code = state ? translate(state) : -ENOTCONN;

	if (PQstatus(connection->handle) == CONNECTION_BAD)
		code = -ENOTCONN;
	if (code < 0)
		pg_wire_complain(code, state ? state : "", text);
	else
		log_debug("ledger", "PostgreSQL refused a statement",
			  LOG_SLICE("postgres", ((struct slice){text, strcspn(text, "\n")})));
	return code;
}

/* --- Waiting --- */

/*
 * How often who reads looks whether to go on, and how long whoever writes may hear nothing
 * meanwhile.
 */
static const int64_t LOOK_NS = 200000000, SILENCE_NS = 10000000000;

static bool is_silent(const struct pg_patience *patience)
{
	const int health = atomic_load(patience->health);

	return health == -ETIMEDOUT || health == -ENOTCONN;
}

/*
 * Until the socket is ready, the time is up or patience is at its end. As poll(): 1, 0 where a
 * signal came, or negative.
 */
static int poll_patiently(const struct pg_patience *patience, struct pollfd *socket, int64_t deadline_ns)
{
	int64_t now_ns = clock_mono_ns(), heard_ns = now_ns, left_ns;
	int ready;

	while ((left_ns = deadline_ns - now_ns) > 0) {
		if (patience && left_ns > LOOK_NS)
			left_ns = LOOK_NS;
		ready = poll(socket, 1, (int)(left_ns / 1000000 + 1));
		if (ready != 0)
			return ready > 0 ? 1 : errno == EINTR ? 0 : -ENOTCONN;
		now_ns = clock_mono_ns();
		if (patience && !is_silent(patience))
			heard_ns = now_ns;
		if (patience && (atomic_load(&patience->left) || now_ns - heard_ns > SILENCE_NS))
			break;
	}
	return -ETIMEDOUT;
}

/* Until the socket is ready or nobody waits any more. 0, -ETIMEDOUT, -ENOTCONN. */
static int wait_socket(struct pg_connection *connection, bool writing, int64_t deadline_ns)
{
	struct pollfd socket = {.fd = PQsocket(connection->handle), .events = (short)(POLLIN | (writing ? POLLOUT : 0))};
	int ready;

	if (socket.fd < 0)
		return -ENOTCONN;
	ready = poll_patiently(connection->patience, &socket, deadline_ns);
	if (ready > 0 && (socket.revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(connection->handle))
		return -ENOTCONN;
	return ready < 0 ? ready : 0;
}

int pg_wire_flush(struct pg_connection *connection, int64_t deadline_ns)
{
	int unsent, waited;

	while ((unsent = PQflush(connection->handle)) > 0) {
		waited = wait_socket(connection, true, deadline_ns);
		if (waited < 0)
			return waited;
	}
	return unsent < 0 ? -ENOTCONN : 0;
}

int pg_wire_next(struct pg_connection *connection, int64_t deadline_ns, PGresult **result)
{
	int waited = pg_wire_flush(connection, deadline_ns);

	if (waited < 0)
		return waited;
	while (PQisBusy(connection->handle)) {
		waited = wait_socket(connection, false, deadline_ns);
		if (waited < 0)
			return waited;
	}
	*result = PQgetResult(connection->handle);
	return 0;
}

bool pg_wire_succeeded(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

int pg_wire_drop(struct pg_connection *connection, int code)
{
	pg_wire_complain(code, "", code == -ETIMEDOUT ? "no answer in time" : PQerrorMessage(connection->handle));
	pg_close(connection);
	return code == -ETIMEDOUT ? -ETIMEDOUT : -ENOTCONN;
}
