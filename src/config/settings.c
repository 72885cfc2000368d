#include "config/settings.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "config/setting.h"

#define MS 1000000LL
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)

#define FIELD(member) .offset = offsetof(struct settings, member)

/* Each setting once. Everything else that is said about settings, anywhere, is made from here. */
const struct setting settings_table[] = {
	{"gate.listen", SETTING_LISTEN, FIELD(gate.listen), .standard = "127.0.0.1:8080",
	 .help = "Addresses for buyers; append ` proxy` to one to require a PROXY protocol header there."},
	{"gate.threads", SETTING_COUNT, FIELD(gate.threads), .standard = "0", .unit = "threads", .low = 0, .high = 256,
	 .help = "Event loops; 0 is one per core but one, and at least one."},
	{"gate.address_failures", SETTING_RATE, FIELD(gate.address_failures), .standard = "30/60",
	 .help = "Requests of one client address (IPv6: of one /64) that bring no valid identity, in so many seconds; beyond, its unknown tokens are 429. Loopback is not counted."},
	{"gate.address_rate", SETTING_RATE, FIELD(gate.address_rate), .standard = "off",
	 .help = "All purchase requests of one client address, replays apart; offices and mobile networks are one address with many buyers, who then shut each other out."},
	{"gate.connections_max", SETTING_COUNT, FIELD(gate.connections_max), .standard = "10000", .unit = "connections", .low = 1,
	 .high = 1000000,
	 .help = "Open connections of buyers; for one more the longest idle one of whoever has most is closed, or else it is answered 503."},
	{"gate.trusted_proxies", SETTING_NETWORKS, FIELD(gate.trusted_proxies), .standard = "",
	 .help = "Whose X-Forwarded-For, PROXY protocol and buyer header are believed.", .reloads = true},
	{"gate.origins", SETTING_ORIGINS, FIELD(gate.origins), .standard = "",
	 .help = "Web origins whose pages may ask the public listener from a browser (CORS), such as https://shop.example; comma-separated, or * for all."},
	{"gate.header_bytes_max", SETTING_COUNT, FIELD(gate.header_bytes_max), .standard = "16384", .unit = "bytes", .low = 1024,
	 .high = 65536,
	 .help = "A request's line and headers, cookies with them; a longer one is 431. A connection has memory for them only while they arrive."},
	{"gate.header_fields_max", SETTING_COUNT, FIELD(gate.header_fields_max), .standard = "100", .unit = "headers", .low = 16,
	 .high = 256, .help = "How many headers a request may have; one with more is 431."},
	{"gate.header_timeout", SETTING_DURATION, FIELD(gate.header_timeout_ns), .standard = "10s", .low = 100 * MS, .high = HOUR,
	 .help = "For a request's headers, from its first byte."},
	{"gate.body_timeout", SETTING_DURATION, FIELD(gate.body_timeout_ns), .standard = "10s", .low = 100 * MS, .high = HOUR,
	 .help = "For a request's body."},
	{"gate.idle_timeout", SETTING_DURATION, FIELD(gate.idle_timeout_ns), .standard = "75s", .low = 100 * MS, .high = HOUR,
	 .help = "How long a connection may stay open between requests."},
	{"gate.write_timeout", SETTING_DURATION, FIELD(gate.write_timeout_ns), .standard = "10s", .low = 100 * MS, .high = HOUR,
	 .help = "How long a client may take no byte of an answer; after this time it must also have read a KiB a second on average."},
	{"gate.in_flight_max", SETTING_COUNT, FIELD(gate.in_flight_max), .standard = "4096", .unit = "purchases", .low = 1,
	 .high = 1000000, .help = "Purchases of one thread that wait for the journal; one more is answered 503."},
	{"gate.queue_target", SETTING_DURATION, FIELD(gate.queue_target_ns), .standard = "50ms", .low = 0, .high = 60 * SECOND,
	 .help = "A purchase that has waited longer, in a queue that has stood for twice as long, is answered 503 with Retry-After, unless it may be a retry of one that was accepted; 0s: none is."},
	{"gate.access_log", SETTING_COUNT, FIELD(gate.access_log), .standard = "0", .unit = "requests", .low = 0, .high = 1000000,
	 .help = "One request in so many is written into the log, with its route, status and time, and each that is answered by 500 or more; 1: all are, 0: none is."},
	{"gate.stop_timeout", SETTING_DURATION, FIELD(gate.stop_timeout_ns), .standard = "8s", .low = 0, .high = HOUR,
	 .help = "After SIGTERM, how long answers in flight are waited for."},

	{"operator.listen", SETTING_LISTEN, FIELD(operator.listen), .standard = "127.0.0.1:8081",
	 .help = "Where operators are served: sales, stock, orders, metrics."},
	{"operator.hosts", SETTING_TEXT, FIELD(operator.hosts), .standard = "",
	 .help = "Names that the operator listener answers to besides localhost and its own address; comma-separated. Others get 421: a page whose name points here reads nothing."},
	{"operator.token", SETTING_SECRET, FIELD(operator.token), .standard = "",
	 .help = "Bearer token of one operator who may do everything; made at the first start where nothing is set.", .reloads = true},
	{"operator.tokens", SETTING_SECRET, FIELD(operator.tokens), .standard = "",
	 .help = "Named operators with scopes and hashed tokens, as `penstock token --operator` prints them; comma-separated.",
	 .reloads = true},

	{"identity.mode", SETTING_CHOICE, FIELD(identity.mode), .standard = "jwt", .choices = {"jwt", "header"},
	 .help = "How buyers say who they are: a signed token, or a header that a trusted proxy sets."},
	{"identity.header", SETTING_TEXT, FIELD(identity.header), .standard = "X-Buyer-Id",
	 .help = "In mode header: the name of the header with the buyer."},
	{"identity.jwt_key", SETTING_SECRET, FIELD(identity.jwt_key), .standard = "",
	 .help = "HS256: the shared secret. Others: the public keys in PEM, at most 32; a line `kid: NAME` above one names it.",
	 .reloads = true},
	{"identity.jwks_file", SETTING_TEXT, FIELD(identity.jwks_file), .standard = "",
	 .help = "In place of identity.jwt_key: a file with the login's public keys as a JWK Set, each for its own algorithm (RS256, PS256, ES256, EdDSA); read again when it changes.",
	 .reloads = true},
	{"identity.jwt_algorithm", SETTING_CHOICE, FIELD(identity.jwt_algorithm), .standard = "HS256",
	 .choices = {"HS256", "RS256", "ES256", "PS256", "EdDSA"},
	 .help = "The one algorithm that a token may be signed with; keys of identity.jwks_file name their own."},
	{"identity.jwt_issuer", SETTING_TEXT, FIELD(identity.jwt_issuer), .standard = "",
	 .help = "What a token's `iss` must be; empty: not checked."},
	{"identity.jwt_audience", SETTING_TEXT, FIELD(identity.jwt_audience), .standard = "",
	 .help = "What a token's `aud` must hold; empty: not checked."},
	{"identity.jwt_leeway", SETTING_DURATION, FIELD(identity.jwt_leeway_ns), .standard = "5s", .low = 0, .high = HOUR,
	 .help = "How far the clocks of issuer and server may differ, for `exp` and `nbf`."},
	{"identity.cache_entries", SETTING_COUNT, FIELD(identity.cache_entries), .standard = "16384", .unit = "tokens", .low = 0,
	 .high = 10000000, .help = "Verified tokens that each thread remembers; 0: none."},

	{"stock.url", SETTING_URL, FIELD(stock.url), .standard = "memory:",
	 .help = "Where the hot counters are: memory:, redis://USER:PASSWORD@HOST:PORT/DB, or redis+sentinel://HOST:PORT,HOST:PORT/NAME."},
	{"stock.outbox_max", SETTING_COUNT, FIELD(stock.outbox_max), .standard = "65536", .unit = "events", .low = 1,
	 .high = 100000000, .help = "Grants and settlements in flight to the journal; one more is answered 503."},
	{"stock.redis.eviction", SETTING_CHOICE, FIELD(stock.redis.eviction), .standard = "refuse", .choices = {"refuse", "allow"},
	 .help = "A Redis whose maxmemory-policy lets it throw orders away when its memory is full: refuse it at the start, or go on all the same."},

	{"journal.url", SETTING_URL, FIELD(journal.url), .standard = "direct:",
	 .help = "The durable log of accepted events: direct: (the ledger itself), or kafka://HOST:PORT,HOST:PORT/TOPIC."},
	{"journal.ack_deadline", SETTING_DURATION, FIELD(journal.ack_deadline_ns), .standard = "2s", .low = 10 * MS, .high = 60 * SECOND,
	 .help = "Success is told only if journal and stock have acknowledged within this time; what is not is outcome-unknown."},
	{"journal.batch_max", SETTING_COUNT, FIELD(journal.batch_max), .standard = "2048", .unit = "events", .low = 1,
	 .high = 65536, .help = "Events in one commit."},
	{"journal.lane_max", SETTING_COUNT, FIELD(journal.lane_max), .standard = "16384", .unit = "events", .low = 1,
	 .high = 10000000, .help = "Events that wait for the journal; one more is answered 503."},
	{"journal.kafka.partitions", SETTING_COUNT, FIELD(journal.kafka.partitions), .standard = "12", .unit = "partitions",
	 .low = 1, .high = 1000,
	 .help = "Of a topic that the program makes: sales are spread over them, and as many drains can share the work."},
	{"journal.kafka.replication", SETTING_COUNT, FIELD(journal.kafka.replication), .standard = "3", .unit = "brokers",
	 .low = 1, .high = 15, .help = "Of a topic that the program makes: brokers that keep each record."},
	{"journal.kafka.min_insync", SETTING_COUNT, FIELD(journal.kafka.min_insync), .standard = "2", .unit = "brokers", .low = 1,
	 .high = 15,
	 .help = "Of a topic that the program makes: brokers that must have a record before it counts; 1 loses orders with a disk."},
	{"journal.kafka.retention", SETTING_DURATION, FIELD(journal.kafka.retention_ns), .standard = "168h", .low = 24 * HOUR,
	 .high = 87600 * HOUR,
	 .help = "Of a topic that the program makes: how long a record is kept; a drain that is away for longer loses orders."},
	{"journal.kafka.properties", SETTING_SECRET, FIELD(journal.kafka.properties), .standard = "",
	 .help = "NAME=VALUE;NAME=VALUE for librdkafka: security.protocol, sasl.username, sasl.password, ssl.ca.location and the like."},

	{"ledger.url", SETTING_URL, FIELD(ledger.url), .standard = "sqlite:penstock.db",
	 .help = "The source of truth: sqlite:PATH, or postgresql://USER@HOST/DATABASE as libpq takes it (PGPASSFILE keeps the password out of here)."},

	{"sale.hold_grace", SETTING_DURATION, FIELD(sale.hold_grace_ns), .standard = "2s", .low = 0, .high = HOUR,
	 .help = "A confirm is in time until a hold's deadline and this much more."},
	{"sale.retention", SETTING_DURATION, FIELD(sale.retention_ns), .standard = "24h", .low = 24 * HOUR, .high = 8760 * HOUR,
	 .help = "How long an ended sale stays in memory, so that a retry gets its order back."},

	{"rate.attempts", SETTING_COUNT, FIELD(rate.attempts), .standard = "10", .unit = "times a sale's rate", .low = 0, .high = 1000,
	 .help = "How often a buyer may be refused in the time of a sale's rate, at one gate, before the answer is 429 without a look; 0: any number."},

	{"drain.listen", SETTING_LISTEN, FIELD(drain.listen), .standard = "127.0.0.1:8082",
	 .help = "Where a drain shows its metrics and its health, to anybody who asks."},
	{"drain.max_rate", SETTING_COUNT, FIELD(drain.max_rate), .standard = "0", .unit = "orders a second", .low = 0, .high = 10000000,
	 .help = "How fast one drain may write the journal into the ledger, a purchase, payment, cancel or expiry each counted as one; 0: as fast as the ledger's latency allows."},
	{"drain.batch_max", SETTING_COUNT, FIELD(drain.batch_max), .standard = "2048", .unit = "events", .low = 1, .high = 65536,
	 .help = "Events in one commit of a drain at the most; less where the commits take too long."},
	{"drain.latency_target", SETTING_DURATION, FIELD(drain.latency_target_ns), .standard = "100ms", .low = MS, .high = 60 * SECOND,
	 .help = "A commit that takes longer makes a drain slow down, for the sake of the ledger's other users."},

	{"relay.listen", SETTING_LISTEN, FIELD(relay.listen), .standard = "127.0.0.1:8083",
	 .help = "Where a relay shows its metrics and its health, to anybody who asks."},
	{"relay.secret", SETTING_SECRET, FIELD(relay.secret), .standard = "",
	 .help = "What a relay signs its posts with: whsec_ and the base64 of 24 to 64 random bytes."},
	{"relay.patience", SETTING_DURATION, FIELD(relay.patience_ns), .standard = "15m", .low = SECOND, .high = 720 * HOUR,
	 .help = "How long an endpoint may refuse the next change of a sale before the relay calls it an alert."},

	{"process.share_ports", SETTING_CHOICE, FIELD(process.share_ports), .standard = "off", .choices = {"off", "on"},
	 .help = "Whether another gate of this user may listen at the same addresses, and get its part of the connections."},
	{"process.core_dumps", SETTING_CHOICE, FIELD(process.core_dumps), .standard = "off", .choices = {"off", "on"},
	 .help = "Whether a crash may leave a core file, which has keys and tokens in it."},

	{"log.level", SETTING_CHOICE, FIELD(log.level), .standard = "info", .choices = {"debug", "info", "warn", "error", "off"},
	 .help = "The least level that is written.", .reloads = true},
	{"log.format", SETTING_CHOICE, FIELD(log.format), .standard = "auto", .choices = {"auto", "text", "json"},
	 .help = "text is for people, json for machines; auto: text on a terminal."},
};

size_t settings_count(void)
{
	_Static_assert(sizeof(settings_table) / sizeof(settings_table[0]) <= SETTINGS_MAX, "a place for each origin");
	return sizeof(settings_table) / sizeof(settings_table[0]);
}

void setting_environment_name(const struct setting *setting, char name[static SETTING_NAME_MAX])
{
	int size = snprintf(name, SETTING_NAME_MAX, "PENSTOCK_%s", setting->name);

	ASSERT(size < SETTING_NAME_MAX);
	for (char *at = name; *at; at++)
		*at = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
}

const char *settings_ignored(const struct settings *settings)
{
	return ((const struct settings_loaded *)settings)->ignored;
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
}

void settings_free(struct settings *settings)
{
	struct settings_loaded *loaded = (struct settings_loaded *)settings;

	if (!settings)
		return;
	wipe(settings->operator.token);
	wipe(settings->operator.tokens);
	wipe(settings->identity.jwt_key);
	wipe(settings->relay.secret);
	for (size_t i = 0; i < settings_count(); i++) {
		setting_release(&settings_table[i], settings);
		free(loaded->origins[i].text);
		free(loaded->origins[i].place);
	}
	free(loaded);
}

/* One value in both: as it was written, or where that is not kept, as it is. */
static bool same(const struct setting *setting, const struct settings *a, const struct settings *b)
{
	const struct settings_origin *origins = ((const struct settings_loaded *)a)->origins,
				     *others = ((const struct settings_loaded *)b)->origins;
	size_t place = (size_t)(setting - settings_table);

	if (setting->kind == SETTING_SECRET)
		return strcmp(*(char *const *)((const char *)a + setting->offset),
			      *(char *const *)((const char *)b + setting->offset)) == 0;
	return strcmp(origins[place].text, others[place].text) == 0;
}

static void append_name(const struct setting *setting, struct buffer *names)
{
	buffer_printf(names, "%s%s", names->size ? ", " : "", setting->name);
}

void settings_compare(const struct settings *start, const struct settings *last, const struct settings *fresh,
		      struct buffer *taken, struct buffer *left)
{
	for (size_t i = 0; i < settings_count(); i++) {
		const struct setting *setting = &settings_table[i];

		if (setting->reloads && !same(setting, last, fresh))
			append_name(setting, taken);
		else if (!setting->reloads && !same(setting, start, fresh))
			append_name(setting, left);
	}
}

int settings_take_flags(int *argc, char **argv, char **taken)
{
	int kept = 0, count = 0, at = 0, end = *argc;

	for (; at < end && strcmp(argv[at], "--") != 0; at++) {
		const char *name = argv[at] + 2, *equals = strchr(argv[at], '=');
		size_t name_size = equals ? (size_t)(equals - argv[at]) : strlen(argv[at]);

		if (strncmp(argv[at], "--", 2) != 0 || !memchr(name, '.', name_size - 2)) {
			argv[kept++] = argv[at];
			continue;
		}
		taken[count++] = argv[at];
		/*
		 * What begins with two dashes is the next option, not a value; a value that does is
		 * written behind "=".
		 */
		if (!equals && at + 1 < end && strncmp(argv[at + 1], "--", 2) != 0)
			taken[count++] = argv[++at];
	}
	while (at < end)
		argv[kept++] = argv[at++];
	if (kept < end)
		argv[kept] = NULL;
	*argc = kept;
	return count;
}
