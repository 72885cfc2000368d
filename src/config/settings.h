/*
 * The settings: one table in settings.c declares each once (name, type, default, unit, one line of
 * help); from it come the file, the environment, the flags, --help, `penstock config` and
 * docs/settings.md. Order: default < file < environment < flag. An unknown name or a bad value
 * stops the start and says where it stands, what is wrong and what would be right.
 *
 *   file         gate.listen = 127.0.0.1:8080        (# starts a comment line)
 *   environment  PENSTOCK_GATE_LISTEN
 *                (set and empty is not set)
 *   flag         --gate.listen 127.0.0.1:8080  or  --gate.listen=127.0.0.1:8080
 *
 * A secret may also be read from a file: `operator.token_file = PATH`,
 * PENSTOCK_OPERATOR_TOKEN_FILE, --operator.token_file (one line end behind it is cut). Durations:
 * 250ms, 2s, 5m, 24h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/address.h"
#include "base/error.h"
#include "base/log.h"
#include "text/buffer.h"
#include "text/web_origin.h"

struct settings_rate {
	uint32_t requests, seconds; /* requests 0: off */
};
enum identity_mode { IDENTITY_JWT, IDENTITY_HEADER };
enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256, JWT_PS256, JWT_EDDSA };
enum share_ports { SHARE_PORTS_OFF, SHARE_PORTS_ON };
enum core_dumps { CORE_DUMPS_OFF, CORE_DUMPS_ON };
enum redis_eviction { REDIS_EVICTION_REFUSE, REDIS_EVICTION_ALLOW };

/* Texts are owned by the settings, never NULL; empty where not set. */
struct settings {
	struct {
		struct listen_list listen;             /* gate.listen           127.0.0.1:8080 */
		int64_t threads;                       /* gate.threads          0: one per core but one, at least 1 */
		struct settings_rate address_failures; /* gate.address_failures 30/60; "off" */
		struct settings_rate address_rate;     /* gate.address_rate     off */
		int64_t connections_max;               /* gate.connections_max  10000 */
		struct network_list trusted_proxies;   /* gate.trusted_proxies  (none) */
		struct web_origin_list origins;        /* gate.origins          (none) */
		int64_t header_bytes_max;              /* gate.header_bytes_max   16384: of one request's line and headers */
		int64_t header_fields_max;             /* gate.header_fields_max  100 */
		int64_t header_timeout_ns;             /* gate.header_timeout   10s */
		int64_t body_timeout_ns;               /* gate.body_timeout     10s */
		int64_t idle_timeout_ns;               /* gate.idle_timeout     75s */
		int64_t write_timeout_ns;              /* gate.write_timeout    10s */
		int64_t in_flight_max;   /* gate.in_flight_max    4096: purchases waiting for the journal, per thread */
		int64_t access_log;      /* gate.access_log       0: of how many requests one is logged; 0: none is */
		int64_t queue_target_ns; /* gate.queue_target     50ms: what has waited longer is turned away; 0: nothing is */
		int64_t stop_timeout_ns; /* gate.stop_timeout     8s: for answers in flight after SIGTERM */
	} gate;
	struct {
		struct listen_list listen; /* operator.listen  127.0.0.1:8081 */
		char *hosts;               /* operator.hosts   (none) */
		char *token;               /* operator.token   secret; one operator "operator" with every scope */
		char *tokens; /* operator.tokens  secret; "alice:read+orders:HASH, …" as `penstock token --operator` prints */
	} operator;
	struct {
		enum identity_mode mode; /* identity.mode           jwt */
		char *header;            /* identity.header         X-Buyer-Id */
		char *jwt_key;           /* identity.jwt_key        secret; HS256: the shared secret; else public keys in PEM */
		char *jwks_file;         /* identity.jwks_file      (none) */
		enum jwt_algorithm jwt_algorithm; /* identity.jwt_algorithm  HS256 */
		char *jwt_issuer;                 /* identity.jwt_issuer     (not checked) */
		char *jwt_audience;               /* identity.jwt_audience   (not checked) */
		int64_t jwt_leeway_ns;            /* identity.jwt_leeway     5s */
		int64_t cache_entries; /* identity.cache_entries  16384: verified tokens remembered, per thread; 0: none */
	} identity;
	struct {
		char *url;          /* stock.url         memory: */
		int64_t outbox_max; /* stock.outbox_max  65536: grants in flight */
		struct {
			enum redis_eviction eviction; /* stock.redis.eviction  refuse: a maxmemory-policy that throws orders away */
		} redis;
	} stock;
	struct {
		char *url;               /* journal.url           direct: */
		int64_t ack_deadline_ns; /* journal.ack_deadline  2s */
		int64_t batch_max;       /* journal.batch_max     2048 events a commit */
		int64_t lane_max;        /* journal.lane_max      16384 events waiting */
		struct {
			int64_t partitions;   /* journal.kafka.partitions   12; these four: of a topic that is made */
			int64_t replication;  /* journal.kafka.replication  3 */
			int64_t min_insync;   /* journal.kafka.min_insync   2 */
			int64_t retention_ns; /* journal.kafka.retention    168h */
			char *properties;     /* journal.kafka.properties   secret; "NAME=VALUE;NAME=VALUE" for librdkafka */
		} kafka;
	} journal;
	struct {
		char *url; /* ledger.url  sqlite:penstock.db */
	} ledger;
	struct {
		int64_t hold_grace_ns; /* sale.hold_grace  2s: a confirm is in time until deadline + grace */
		int64_t retention_ns; /* sale.retention   24h: an ended sale's orders stay in memory for replays (at least 24h) */
	} sale;
	struct {
		int64_t attempts; /* rate.attempts  10: times a sale's rate that a buyer may be refused; 0: any number */
	} rate;
	struct {
		struct listen_list listen; /* drain.listen          127.0.0.1:8082 */
		int64_t max_rate; /* drain.max_rate        0: orders a second, 0 unlimited; nothing to do where the journal is direct */
		int64_t batch_max;         /* drain.batch_max       2048 records a commit */
		int64_t latency_target_ns; /* drain.latency_target  100ms: of one commit */
	} drain;
	struct {
		struct listen_list listen; /* relay.listen    127.0.0.1:8083 */
		char *secret;              /* relay.secret    what posts are signed with */
		int64_t patience_ns;       /* relay.patience  15m: how long an endpoint may refuse before it is an alert */
	} relay;
	struct {
		enum share_ports share_ports; /* process.share_ports  off */
		enum core_dumps core_dumps;   /* process.core_dumps  off */
	} process;
	struct {
		enum log_level level;   /* log.level   info */
		enum log_format format; /* log.format  auto | text | json */
	} log;
};

struct settings_sources {
	/*
	 * NULL: the one that PENSTOCK_CONFIG in the environment names, else "penstock.conf" in the
	 * current folder where it exists. A named one must exist.
	 */
	const char *file;
	char *const *environment; /* NULL: none */
	int flag_count;           /* settings flags, as settings_take_flags() left them */
	char *const *flags;
};

/*
 * 0, or -EINVAL, -ENOENT, -ENOMEM with the error's text (one line, no newline) appended to `error`.
 * *settings is the caller's to free.
 */
int settings_load(struct settings **settings, const struct settings_sources *sources, struct buffer *error) MUST_CHECK;
/*
 * What a reload would change: the names of what may be taken over while the program runs, against
 * those loaded last, and of what only a restart changes, against those of the start.
 * Comma-separated, no values.
 */
void settings_compare(const struct settings *start, const struct settings *last, const struct settings *fresh,
		      struct buffer *taken, struct buffer *left);
void settings_free(struct settings *settings); /* wipes secrets; NULL is fine */

/*
 * The variables whose names begin as ours do and that Kubernetes makes for a Service, with a space
 * between; they are no settings. Empty: there are none. Lives as long as the settings.
 */
const char *settings_ignored(const struct settings *settings);

/*
 * Splits a command's arguments: those that are settings flags (their name has a dot, with their
 * value) go to `taken`, the rest stay in argv in order and *argc shrinks. "--" ends the search.
 * `taken` has room for *argc. Returns how many were taken. Values are not checked here; a flag that
 * lacks its value is taken alone, and settings_load() says so.
 */
int settings_take_flags(int *argc, char **argv, char **taken);

void settings_print(const struct settings *settings,
		    struct buffer *out); /* as a file that could be loaded; secrets as "(hidden)" in a comment */
void settings_help(struct buffer *out);  /* the flags, for --help */
/* Each flag, without its dashes; choices: up to a NULL, or NULL where any text may be right. */
void settings_flags(void (*tell)(void *context, const char *name, const char *help, const char *const *choices), void *context);
void settings_document(struct buffer *out); /* docs/settings.md */

/*
 * The URL for people and logs: without anything that could be a password, however broken it is, and
 * cut to the room there is.
 */
enum { SETTINGS_URL_TEXT_SIZE = 256 };
void settings_url_text(const char *url, char text[static SETTINGS_URL_TEXT_SIZE]);
/*
 * Whether everybody who reads the URL finds its password where we do: "@", ":" and "/" in one are
 * percent-encoded.
 */
bool settings_url_is_plain(const char *url);
