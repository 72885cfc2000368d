#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/setting.h"
#include "config/settings.h"

#define SECOND 1000000000LL

/* Each test runs in an empty folder of its own. */
static char folder[64];
static int home;
static struct settings *settings;
static struct buffer message;

static int enter(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/penstock-settings-XXXXXX");
	home = open(".", O_RDONLY | O_DIRECTORY);
	buffer_init(&message, 4096);
	settings = NULL;
	return home >= 0 && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	static const char *const names[] = {"penstock.conf", "other.conf", "secret"};

	(void)state;
	settings_free(settings);
	buffer_deinit(&message);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	if (fchdir(home) < 0 || rmdir(folder) < 0)
		return -1;
	return close(home);
}

static void write_bytes(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
}

static void write_file(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

/* Lists end with NULL; a file's text is put into penstock.conf. */
static int load(const char *file_text, const char *const *environment, const char *const *flags)
{
	struct settings_sources sources = {.environment = (char *const *)environment, .flags = (char *const *)flags};

	while (flags && flags[sources.flag_count])
		sources.flag_count++;
	if (file_text)
		write_file("penstock.conf", file_text);
	settings_free(settings);
	settings = NULL;
	buffer_clear(&message);
	return settings_load(&settings, &sources, &message);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_message(const char *expected)
{
	buffer_append(&message, "", 1);
	assert_string_equal(message.data, expected);
}

static void assert_fails(const char *file_text, const char *const *environment, const char *const *flags, const char *expected)
{
	assert_int_equal(load(file_text, environment, flags), -EINVAL);
	assert_null(settings);
	assert_message(expected);
}

/* It fails, and says `part`. */
static void assert_fault(const char *file_text, const char *const *environment, const char *const *flags, const char *part)
{
	assert_int_equal(load(file_text, environment, flags), -EINVAL);
	assert_null(settings);
	buffer_append(&message, "", 1);
	assert_non_null(strstr(message.data, part));
}

static void assert_loads(const char *file_text, const char *const *environment, const char *const *flags)
{
	int error = load(file_text, environment, flags);

	assert_int_equal(message.size, 0);
	assert_int_equal(error, 0);
	assert_non_null(settings);
}

/* --- Sources --- */

static void test_defaults_without_any_source(void **state)
{
	(void)state;
	assert_loads(NULL, NULL, NULL);
	assert_int_equal(settings->gate.listen.count, 1);
	assert_int_equal(settings->gate.listen.items[0].port, 8080);
	assert_true(address_is_loopback(&settings->gate.listen.items[0].address));
	assert_int_equal(settings->operator.listen.items[0].port, 8081);
	assert_int_equal(settings->gate.address_rate.requests, 0); /* neighbours do not punish each other */
	assert_int_equal(settings->gate.address_failures.requests, 30);
	assert_int_equal(settings->gate.address_failures.seconds, 60);
	assert_int_equal(settings->gate.trusted_proxies.count, 0);
	assert_int_equal(settings->gate.idle_timeout_ns, 75 * SECOND);
	assert_int_equal(settings->journal.ack_deadline_ns, 2 * SECOND);
	assert_int_equal(settings->sale.retention_ns, 24 * 3600 * SECOND);
	assert_int_equal(settings->identity.mode, IDENTITY_JWT);
	assert_int_equal(settings->identity.jwt_algorithm, JWT_HS256);
	assert_int_equal(settings->log.level, LOG_INFO);
	assert_int_equal(settings->log.format, LOG_FORMAT_AUTO);
	assert_string_equal(settings->stock.url, "memory:");
	assert_string_equal(settings->ledger.url, "sqlite:penstock.db");
	assert_string_equal(settings->operator.token, "");
	assert_string_equal(settings->identity.jwt_issuer, "");
}

static void test_stronger_source_wins(void **state)
{
	static const char file[] = "gate.threads = 1\ngate.in_flight_max = 1\njournal.batch_max = 1\n";
	const char *const *environment = LIST("PENSTOCK_GATE_IN_FLIGHT_MAX=2", "PENSTOCK_JOURNAL_BATCH_MAX=2");

	(void)state;
	assert_loads(file, environment, LIST("--journal.batch_max=3"));
	assert_int_equal(settings->gate.threads, 1);
	assert_int_equal(settings->gate.in_flight_max, 2);
	assert_int_equal(settings->journal.batch_max, 3);
	assert_int_equal(settings->journal.lane_max, 16384);
}

static void test_file_may_be_laid_out_freely(void **state)
{
	(void)state;
	assert_loads("# a comment = 3\n"
		     "\n"
		     "   \t \r\n"
		     "gate.threads=2\r\n"
		     "\t gate.listen   =  127.0.0.1:1 , [::1]:2 proxy \n"
		     "  # another\n"
		     "identity.jwt_issuer = https://issuer.example/?a=b # not a comment\n"
		     "identity.jwt_audience =\n"
		     "drain.max_rate = 7",
		     NULL, NULL);
	assert_int_equal(settings->gate.threads, 2);
	assert_int_equal(settings->gate.listen.count, 2);
	assert_true(settings->gate.listen.items[1].proxy);
	assert_string_equal(settings->identity.jwt_issuer, "https://issuer.example/?a=b # not a comment");
	assert_string_equal(settings->identity.jwt_audience, "");
	assert_int_equal(settings->drain.max_rate, 7);
}

/* As editors on Windows write UTF-8. */
static void test_a_mark_of_byte_order_is_no_part_of_a_file(void **state)
{
	(void)state;
	write_file("secret", "\xef\xbb\xbfs3cret\n");
	assert_loads("\xef\xbb\xbfgate.threads = 2\r\noperator.token_file = secret\r\n", NULL, NULL);
	assert_int_equal(settings->gate.threads, 2);
	assert_string_equal(settings->operator.token, "s3cret");
}

static void test_named_file_must_exist(void **state)
{
	const struct settings_sources sources = {.file = "other.conf"};

	(void)state;
	assert_int_equal(settings_load(&settings, &sources, &message), -ENOENT);
	assert_message("other.conf: no such file or directory");
	buffer_clear(&message);
	write_file("penstock.conf", "gate.threads = 1\n"); /* is not looked at */
	write_file("other.conf", "gate.threads = 2\n");
	assert_int_equal(settings_load(&settings, &sources, &message), 0);
	assert_int_equal(settings->gate.threads, 2);
}

static void test_environment_names_the_file(void **state)
{
	(void)state;
	write_file("other.conf", "gate.threads = 2\n");
	assert_loads("gate.threads = 1\n", LIST("PENSTOCK_CONFIG=other.conf"), NULL);
	assert_int_equal(settings->gate.threads, 2);
	assert_loads(NULL, LIST("PENSTOCK_CONFIG="), NULL);
	assert_int_equal(settings->gate.threads, 1);
	assert_int_equal(load(NULL, LIST("PENSTOCK_CONFIG=gone.conf"), NULL), -ENOENT);
	assert_message("gone.conf: no such file or directory");
}

static void test_unreadable_file_is_explained(void **state)
{
	const struct settings_sources sources = {.file = "."};

	(void)state;
	assert_int_equal(settings_load(&settings, &sources, &message), -EINVAL);
	assert_message(".: is a directory");
}

static void test_environment_of_others_is_left_alone(void **state)
{
	(void)state;
	assert_loads(NULL,
		     LIST("HOME=/root", "PENSTOCK=1", "PENSTOCKX_GATE=1", "odd", "PENSTOCK_FAILPOINTS=a=on",
			  "PENSTOCK_FAILPOINTS_FILE=/tmp/x", "penstock_gate_threads=9"),
		     NULL);
	assert_int_equal(settings->gate.threads, 0);
}

static void test_variable_that_is_set_and_empty_is_not_set(void **state)
{
	(void)state;
	assert_loads(NULL, LIST("PENSTOCK_GATE_THREADS=", "PENSTOCK_CONFIG=", "PENSTOCK_GATE_ADDRESS_RATE="), NULL);
	assert_int_equal(settings->gate.threads, 0);
}

static void test_variables_that_kubernetes_makes_for_a_service_are_no_settings(void **state)
{
	(void)state;
	assert_loads(NULL,
		     LIST("PENSTOCK_SERVICE_HOST=10.0.0.1", "PENSTOCK_SERVICE_PORT=8080", "PENSTOCK_SERVICE_PORT_HTTP=8080",
			  "PENSTOCK_PORT=tcp://10.0.0.1:8080", "PENSTOCK_PORT_8080_TCP=tcp://10.0.0.1:8080",
			  "PENSTOCK_PORT_8080_TCP_PROTO=tcp", "PENSTOCK_PORT_8080_TCP_PORT=8080",
			  "PENSTOCK_PORT_8080_TCP_ADDR=10.0.0.1", "PENSTOCK_GATE_PORT=tcp://10.0.0.2:1", "PENSTOCK_GATE_THREADS=3"),
		     NULL);
	assert_int_equal(settings->gate.threads, 3);
	assert_non_null(strstr(settings_ignored(settings), "PENSTOCK_PORT_8080_TCP_ADDR"));
	assert_null(strstr(settings_ignored(settings), "THREADS"));
}

static void test_last_flag_wins(void **state)
{
	(void)state;
	assert_loads(NULL, NULL, LIST("--gate.threads", "1", "--gate.threads=2", "--log.level", "debug"));
	assert_int_equal(settings->gate.threads, 2);
	assert_int_equal(settings->log.level, LOG_DEBUG);
}

/* --- Faults --- */

static void test_fault_in_the_file_is_told_with_its_line(void **state)
{
	(void)state;
	assert_fails("\n# x\ngate.threads = many\n", NULL, NULL,
		     "penstock.conf:3: gate.threads: \"many\" is not a whole number from 0 to 256");
	assert_fails("gate.threds = 1\n", NULL, NULL,
		     "penstock.conf:1: \"gate.threds\": there is no such setting; did you mean gate.threads?");
	assert_fails("colour = red\n", NULL, NULL,
		     "penstock.conf:1: \"colour\": there is no such setting; `penstock config` prints them all");
	assert_fails("gate.threads_file = x\n", NULL, NULL,
		     "penstock.conf:1: \"gate.threads_file\": there is no such setting; `penstock config` prints them all");
	assert_fails("gate.threads\n", NULL, NULL,
		     "penstock.conf:1: \"gate.threads\" is not NAME = VALUE, nor a comment that begins with #");
	assert_fails("gate.threads = 1\n\ngate.threads = 1\n", NULL, NULL,
		     "penstock.conf:3: gate.threads: it is set already at penstock.conf:1; leave one of them out");
	assert_fails("operator.token = x\noperator.token_file = y\n", NULL, NULL,
		     "penstock.conf:2: operator.token_file: it is set already at penstock.conf:1; leave one of them out");
	assert_fails(" = 3\n", NULL, NULL, "penstock.conf:1: \"\": there is no such setting; `penstock config` prints them all");
}

static void test_fault_in_the_environment_is_told_with_its_name(void **state)
{
	(void)state;
	assert_fails(NULL, LIST("PENSTOCK_GATE_THREADS=-1"), NULL,
		     "PENSTOCK_GATE_THREADS: \"-1\" is not a whole number from 0 to 256");
	assert_fails(NULL, LIST("PENSTOCK_GATE_THREAD=1"), NULL,
		     "PENSTOCK_GATE_THREAD: there is no such setting; did you mean PENSTOCK_GATE_THREADS?");
	assert_fails(NULL, LIST("PENSTOCK_X=1"), NULL, "PENSTOCK_X: there is no such setting; `penstock config` prints them all");
	assert_fails(NULL, LIST("PENSTOCK_OPERATOR_TOKEN=a", "PENSTOCK_OPERATOR_TOKEN_FILE=b"), NULL,
		     "PENSTOCK_OPERATOR_TOKEN_FILE: it is set already by PENSTOCK_OPERATOR_TOKEN; leave one of them out");
}

static void test_fault_in_a_flag_is_told_with_its_name(void **state)
{
	(void)state;
	assert_fails(NULL, NULL, LIST("--gate.threads=257"), "--gate.threads: \"257\" is not a whole number from 0 to 256");
	assert_fails(NULL, NULL, LIST("--gate.thraeds", "1"),
		     "--gate.thraeds: there is no such setting; did you mean --gate.threads?");
	assert_fails(NULL, NULL, LIST("--log.level"), "--log.level: it needs a value: debug, info, warn, error or off");
	assert_fails(NULL, NULL, LIST("--log.level", "--gate.threads=1"),
		     "--log.level: it needs a value: debug, info, warn, error or off");
}

static void test_value_of_each_kind_says_what_would_be_right(void **state)
{
	static const struct {
		const char *flag, *expected;
	} cases[] = {
		{"--log.level=loud", "--log.level: \"loud\" is not one of debug, info, warn, error or off"},
		{"--log.level=INFO", "--log.level: \"INFO\" is not one of debug, info, warn, error or off"},
		{"--identity.mode=", "--identity.mode: \"\" is not one of jwt or header"},
		{"--gate.threads=", "--gate.threads: \"\" is not a whole number from 0 to 256"},
		{"--gate.threads=1.5", "--gate.threads: \"1.5\" is not a whole number from 0 to 256"},
		{"--gate.threads=99999999999999999999", "--gate.threads: \"99999999999999999999\" is not a whole number from 0 to 256"},
		{"--gate.body_timeout=10",
		 "--gate.body_timeout: \"10\" is not a duration from 100ms to 1h, such as 250ms, 2s, 5m or 24h"},
		{"--gate.body_timeout=2h",
		 "--gate.body_timeout: \"2h\" is not a duration from 100ms to 1h, such as 250ms, 2s, 5m or 24h"},
		{"--gate.body_timeout=s", "--gate.body_timeout: \"s\" is not a duration from 100ms to 1h, such as 250ms, 2s, 5m or 24h"},
		{"--gate.body_timeout=9223372036854775807h", "--gate.body_timeout: \"9223372036854775807h\" is not a duration from 100ms "
							     "to 1h, such as 250ms, 2s, 5m or 24h"},
		{"--gate.trusted_proxies=10.0.0.0/8, 0.0.0.0/0",
		 "--gate.trusted_proxies: this is everybody: whoever is trusted must be named"},
		{"--gate.trusted_proxies=::/0", "--gate.trusted_proxies: this is everybody: whoever is trusted must be named"},
		{"--gate.trusted_proxies=::ffff:0:0/96", "--gate.trusted_proxies: this is everybody: whoever is trusted must be named"},
		{"--gate.address_rate=3", "--gate.address_rate: \"3\" is not REQUESTS/SECONDS such as 3/60, or off"},
		{"--gate.address_rate=0/60", "--gate.address_rate: \"0/60\" is not REQUESTS/SECONDS such as 3/60, or off"},
		{"--gate.address_rate=3/0", "--gate.address_rate: \"3/0\" is not REQUESTS/SECONDS such as 3/60, or off"},
		{"--gate.address_rate=3/60/1", "--gate.address_rate: \"3/60/1\" is not REQUESTS/SECONDS such as 3/60, or off"},
		{"--gate.listen=127.0.0.1:1,here:2", "--gate.listen: \"here:2\" is not ADDRESS:PORT such as 127.0.0.1:8080 or "
						     "[::1]:8080, comma-separated"},
		{"--gate.trusted_proxies=10.0.0.0/8, ten", "--gate.trusted_proxies: \"ten\" is not addresses and networks such as "
							   "10.0.0.0/8 or 2001:db8::/32, comma-separated"},
		{"--ledger.url=penstock.db", "--ledger.url: its value is not a URL such as sqlite:penstock.db"},
		{"--ledger.url=", "--ledger.url: its value is not a URL such as sqlite:penstock.db"},
		{"--identity.header=a\x1b[31m", "--identity.header: \"a\\u001b[31m\" is not text"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_fails(NULL, NULL, LIST(cases[i].flag), cases[i].expected);
}

static void test_list_that_is_too_long_says_how_many_may_be(void **state)
{
	char flag[2048] = "--gate.listen=127.0.0.1:1";

	(void)state;
	for (int i = 0; i < LISTEN_MAX; i++)
		strcat(flag, ",127.0.0.1:1");
	assert_fails(NULL, NULL, LIST(flag), "--gate.listen: there are more than 8");
	strcpy(flag, "--gate.trusted_proxies=10.0.0.1");
	for (int i = 0; i < NETWORKS_MAX; i++)
		strcat(flag, ",10.0.0.1");
	assert_fails(NULL, NULL, LIST(flag), "--gate.trusted_proxies: there are more than 64");
}

static void test_good_values_of_each_kind(void **state)
{
	(void)state;
	assert_loads(NULL, NULL,
		     LIST("--gate.body_timeout=250ms", "--gate.idle_timeout=5m", "--gate.header_timeout=1h", "--gate.stop_timeout=0s",
			  "--gate.address_rate=off", "--identity.mode=header", "--identity.jwt_algorithm=ES256",
			  "--log.format=json", "--gate.trusted_proxies=10.0.0.0/8,::1", "--gate.connections_max=1000000"));
	assert_int_equal(settings->gate.body_timeout_ns, SECOND / 4);
	assert_int_equal(settings->gate.idle_timeout_ns, 300 * SECOND);
	assert_int_equal(settings->gate.header_timeout_ns, 3600 * SECOND);
	assert_int_equal(settings->gate.stop_timeout_ns, 0);
	assert_int_equal(settings->gate.address_rate.requests, 0);
	assert_int_equal(settings->identity.mode, IDENTITY_HEADER);
	assert_int_equal(settings->identity.jwt_algorithm, JWT_ES256);
	assert_int_equal(settings->log.format, LOG_FORMAT_JSON);
	assert_int_equal(settings->gate.trusted_proxies.count, 2);
	assert_int_equal(settings->gate.connections_max, 1000000);
}

/* --- Secrets --- */

static void test_secret_comes_from_a_file_by_every_way(void **state)
{
	(void)state;
	write_file("secret", "s3cret\n");
	assert_loads("operator.token_file = secret\n", NULL, NULL);
	assert_string_equal(settings->operator.token, "s3cret");
	assert_loads("", LIST("PENSTOCK_OPERATOR_TOKEN_FILE=secret"), NULL);
	assert_string_equal(settings->operator.token, "s3cret");
	assert_loads("", NULL, LIST("--operator.token_file", "secret"));
	assert_string_equal(settings->operator.token, "s3cret");
	assert_loads("operator.token_file = secret\n", NULL, LIST("--operator.token=other"));
	assert_string_equal(settings->operator.token, "other");
}

static void test_only_one_newline_of_a_secret_is_cut(void **state)
{
	(void)state;
	write_file("secret", " -----BEGIN\nEND----- \n\n");
	assert_loads(NULL, NULL, LIST("--identity.jwt_key_file=secret"));
	assert_string_equal(settings->identity.jwt_key, " -----BEGIN\nEND----- \n");
}

/*
 * Found: a secret that was saved with the line end of Windows had a "\r" behind it, and matched
 * none.
 */
static void test_a_line_end_of_windows_is_no_part_of_a_secret(void **state)
{
	(void)state;
	write_file("secret", "s3cret\r\n");
	assert_loads(NULL, NULL, LIST("--operator.token_file=secret"));
	assert_string_equal(settings->operator.token, "s3cret");
	write_file("secret", "\r\n");
	assert_fails("", LIST("PENSTOCK_OPERATOR_TOKEN_FILE=secret"), NULL,
		     "PENSTOCK_OPERATOR_TOKEN_FILE: secret is empty; it must hold the secret");
}

static void test_bad_secret_file_is_explained(void **state)
{
	static char large[70000];

	(void)state;
	assert_fails("operator.token_file = secret\n", NULL, NULL,
		     "penstock.conf:1: operator.token_file: cannot read secret: no such file or directory");
	write_file("secret", "");
	assert_fails("", LIST("PENSTOCK_OPERATOR_TOKEN_FILE=secret"), NULL,
		     "PENSTOCK_OPERATOR_TOKEN_FILE: secret is empty; it must hold the secret");
	write_file("secret", "\n");
	assert_fails("", NULL, LIST("--operator.token_file=secret"),
		     "--operator.token_file: secret is empty; it must hold the secret");
	write_bytes("secret", "a\0b", 3);
	assert_fails("", NULL, LIST("--operator.token_file=secret"), "--operator.token_file: the secret has a NUL byte in it");
	memset(large, 'x', sizeof(large));
	write_bytes("secret", large, sizeof(large));
	assert_fails("", NULL, LIST("--operator.token_file=secret"), "--operator.token_file: cannot read secret: file too large");
}

static struct slice printed(void)
{
	buffer_clear(&message);
	settings_print(settings, &message);
	buffer_append(&message, "", 1);
	assert_false(message.failed);
	message.size--;
	return buffer_slice(&message);
}

static void test_print_hides_secrets_and_passwords(void **state)
{
	(void)state;
	write_file("secret", "pearl1\n");
	assert_loads("operator.token_file = secret\n", LIST("PENSTOCK_IDENTITY_JWT_KEY=pearl2"),
		     LIST("--operator.tokens=pearl3", "--ledger.url=postgresql://me:pearl4@host/db"));
	printed();
	assert_null(strstr(message.data, "pearl"));
	assert_non_null(strstr(message.data, "# from penstock.conf:1\n# operator.token (hidden)\n"));
	assert_non_null(strstr(message.data, "# from PENSTOCK_IDENTITY_JWT_KEY\n# identity.jwt_key (hidden)\n"));
	assert_non_null(strstr(message.data, "# ledger.url = postgresql://me:(hidden)@host/db\n"));
	assert_loads("", NULL, NULL);
	printed();
	assert_non_null(strstr(message.data, "\n# operator.token (not set)\n"));
}

static void assert_shown(const char *url, const char *shown)
{
	char text[SETTINGS_URL_TEXT_SIZE];

	settings_url_text(url, text);
	assert_string_equal(text, shown);
}

static void test_no_password_of_a_url_is_shown_however_broken_it_is(void **state)
{
	static const char *const broken[] = {
		"postgresql://me:pearl@more:pearl@host/db",
		"postgresql://me:pe/arl?pearl@host/db",
		"postgresql://me:pearl host/db",
		"postgresql://me:pearl",
		"postgresql:me:pearl@host/db",
		"postgresql:/me:pearl@host/db",
		"postgresql://host/db?password=pearl",
		"postgresql://host/db?sslpassword=pearl&user=me",
		"postgresql://host/db?options=-c%20x.y%3Dpearl",
		"postgresql://host/db?PASSWORD=pearl;pearl",
		"postgresql://host/db#pearl",
		"redis://me:pearl@/host",
		"redis+sentinel://a:1,b:pearl@c/name",
		"me:pearl@host",
		"pearl",
	};
	char text[SETTINGS_URL_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		settings_url_text(broken[i], text);
		assert_null(strstr(text, "pearl"));
	}
	assert_shown("postgresql://me@host:5432/db?sslmode=require&options=x",
		     "postgresql://me@host:5432/db?sslmode=require&options=(hidden)");
	assert_shown("postgresql://me:pearl@[::1]:5432,b/db", "postgresql://me:(hidden)@[::1]:5432,b/db");
	assert_shown("sqlite:/srv/a b@c.db", "sqlite:/srv/a b@c.db");
	assert_shown("memory:", "memory:");
	assert_shown("kafka://a:9092,b/penstock", "kafka://a:9092,b/penstock");
}

static void test_a_url_is_plain_where_everybody_reads_it_alike(void **state)
{
	(void)state;
	assert_true(settings_url_is_plain("postgresql://me:p%40ss@host:5432,other/db?x=a@b"));
	assert_true(settings_url_is_plain("postgresql:///db?host=/run/postgresql"));
	assert_true(settings_url_is_plain("redis+sentinel://u:p@a,b:26380,[fe80::1]:3/drops/2"));
	assert_true(settings_url_is_plain("sqlite:/a@b/c"));
	assert_false(settings_url_is_plain("postgresql://me:p@ss@host/db"));
	assert_false(settings_url_is_plain("postgresql://me:p/ss@host/db"));
	assert_false(settings_url_is_plain("postgresql://me:pass host/db"));
	assert_false(settings_url_is_plain("postgresql://me:secret"));
}

static void test_a_line_or_url_that_is_wrong_is_not_repeated(void **state)
{
	(void)state;
	assert_fault("operator.token: pearl\n", NULL, NULL, "operator.token");
	assert_null(strstr(message.data, "pearl"));
	assert_fault("ledger.url = pearl\n", NULL, NULL, "ledger.url");
	assert_null(strstr(message.data, "pearl"));
}

static void test_file_that_others_may_write_is_refused(void **state)
{
	(void)state;
	write_file("secret", "the secret of everybody\n");
	assert_int_equal(chmod("secret", 0666), 0);
	assert_fault("operator.token_file = secret\n", NULL, NULL, "nobody else may write it");
	assert_int_equal(chmod("secret", 0440), 0);
	assert_int_equal(symlink("secret", "link"), 0);
	assert_loads("operator.token_file = link\n", NULL, NULL);
	assert_int_equal(unlink("link"), 0);
	write_file("shared.conf", "gate.threads = 2\n");
	assert_int_equal(chmod("shared.conf", 0620), 0);
	assert_fault(NULL, LIST("PENSTOCK_CONFIG=shared.conf"), NULL, "nobody else may write it");
	assert_int_equal(unlink("shared.conf"), 0);
}

static void test_what_is_printed_can_be_loaded(void **state)
{
	char *first;

	(void)state;
	assert_loads("gate.listen = 0.0.0.0:80 proxy, [::1]:81\ngate.address_rate = off\nlog.level = warn\n",
		     LIST("PENSTOCK_SALE_HOLD_GRACE=1500ms"), LIST("--identity.jwt_issuer", "https://i.example"));
	printed();
	first = strdup(message.data);
	assert_non_null(first);
	assert_loads(first, NULL, NULL);
	free(first);
	assert_int_equal(settings->gate.listen.count, 2);
	assert_int_equal(settings->gate.address_rate.requests, 0);
	assert_int_equal(settings->log.level, LOG_WARN);
	assert_int_equal(settings->sale.hold_grace_ns, 1500000000);
	assert_string_equal(settings->identity.jwt_issuer, "https://i.example");
}

/* --- Flags of a command --- */

static void test_take_flags_leaves_everything_else_in_order(void **state)
{
	const char *arguments[] = {
		"serve", "--gate.threads", "2",  "--ready-file",  "a.b", "name", "--log.level=debug", "--file=x.y",
		"-v",    "--log.format",   "--", "--gate.listen", "x",   NULL};
	char **argv = (char **)arguments;
	char *taken[14];
	int argc = 13;

	(void)state;
	assert_int_equal(settings_take_flags(&argc, argv, taken), 4);
	assert_string_equal(taken[0], "--gate.threads");
	assert_string_equal(taken[1], "2");
	assert_string_equal(taken[2], "--log.level=debug");
	assert_string_equal(taken[3], "--log.format"); /* lacks its value: said when it is loaded */
	assert_int_equal(argc, 9);
	assert_string_equal(argv[0], "serve");
	assert_string_equal(argv[1], "--ready-file");
	assert_string_equal(argv[2], "a.b");
	assert_string_equal(argv[3], "name");
	assert_string_equal(argv[4], "--file=x.y");
	assert_string_equal(argv[5], "-v");
	assert_string_equal(argv[6], "--");
	assert_string_equal(argv[7], "--gate.listen");
	assert_string_equal(argv[8], "x");
	assert_null(argv[9]);
}

static void test_take_flags_of_nothing(void **state)
{
	char *argv[] = {NULL}, *taken[1];
	int argc = 0;

	(void)state;
	assert_int_equal(settings_take_flags(&argc, argv, taken), 0);
	assert_int_equal(argc, 0);
}

/* --- Help and page --- */

static void test_help_and_page_name_every_setting(void **state)
{
	struct buffer help, page;

	(void)state;
	buffer_init(&help, 1 << 20);
	buffer_init(&page, 1 << 20);
	settings_help(&help);
	settings_document(&page);
	buffer_append(&help, "", 1);
	buffer_append(&page, "", 1);
	for (size_t i = 0; i < settings_count(); i++) {
		char text[2 * SETTING_NAME_MAX];

		snprintf(text, sizeof(text), "\n  --%s ", settings_table[i].name);
		assert_true(i == 0 ? strncmp(help.data, text + 1, strlen(text) - 1) == 0 : strstr(help.data, text) != NULL);
		snprintf(text, sizeof(text), "\n| `%s` | ", settings_table[i].name);
		assert_non_null(strstr(page.data, text));
	}
	buffer_deinit(&help);
	buffer_deinit(&page);
}

static void test_page_in_docs_is_up_to_date(void **state)
{
	const char *root = getenv("SOURCE_ROOT");
	static char path[4096], committed[1 << 17];
	struct buffer page;
	FILE *file;

	(void)state;
	if (!root)
		skip(); /* run by hand, outside the build */
	snprintf(path, sizeof(path), "%s/docs/settings.md", root);
	file = fopen(path, "r");
	assert_non_null(file);
	committed[fread(committed, 1, sizeof(committed) - 1, file)] = '\0';
	fclose(file);
	buffer_init(&page, 1 << 20);
	settings_document(&page);
	buffer_append(&page, "", 1);
	if (strcmp(committed, page.data) != 0)
		fail_msg("docs/settings.md is stale: write it again with `penstock config --document`");
	buffer_deinit(&page);
}

static void test_table_is_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < settings_count(); i++) {
		const char *name = settings_table[i].name;
		size_t section = strcspn(name, ".") + 1, help_size = strlen(settings_table[i].help);

		assert_non_null(strchr(name, '.'));
		assert_int_equal(settings_table[i].help[help_size - 1], '.');
		assert_null(strchr(settings_table[i].help, '|')); /* it becomes a cell of a table */
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(name, settings_table[j].name);
			/* A section is one run of the table. */
			if (strncmp(name, settings_table[j].name, section) == 0)
				assert_int_equal(strncmp(name, settings_table[i - 1].name, section), 0);
		}
	}
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter, leave)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_defaults_without_any_source),
		IN_FOLDER(test_stronger_source_wins),
		IN_FOLDER(test_file_may_be_laid_out_freely),
		IN_FOLDER(test_a_mark_of_byte_order_is_no_part_of_a_file),
		IN_FOLDER(test_named_file_must_exist),
		IN_FOLDER(test_environment_names_the_file),
		IN_FOLDER(test_unreadable_file_is_explained),
		IN_FOLDER(test_environment_of_others_is_left_alone),
		IN_FOLDER(test_variable_that_is_set_and_empty_is_not_set),
		IN_FOLDER(test_variables_that_kubernetes_makes_for_a_service_are_no_settings),
		IN_FOLDER(test_last_flag_wins),
		IN_FOLDER(test_fault_in_the_file_is_told_with_its_line),
		IN_FOLDER(test_fault_in_the_environment_is_told_with_its_name),
		IN_FOLDER(test_fault_in_a_flag_is_told_with_its_name),
		IN_FOLDER(test_value_of_each_kind_says_what_would_be_right),
		IN_FOLDER(test_list_that_is_too_long_says_how_many_may_be),
		IN_FOLDER(test_good_values_of_each_kind),
		IN_FOLDER(test_secret_comes_from_a_file_by_every_way),
		IN_FOLDER(test_only_one_newline_of_a_secret_is_cut),
		IN_FOLDER(test_a_line_end_of_windows_is_no_part_of_a_secret),
		IN_FOLDER(test_bad_secret_file_is_explained),
		IN_FOLDER(test_print_hides_secrets_and_passwords),
		cmocka_unit_test(test_no_password_of_a_url_is_shown_however_broken_it_is),
		cmocka_unit_test(test_a_url_is_plain_where_everybody_reads_it_alike),
		IN_FOLDER(test_a_line_or_url_that_is_wrong_is_not_repeated),
		IN_FOLDER(test_file_that_others_may_write_is_refused),
		IN_FOLDER(test_what_is_printed_can_be_loaded),
		IN_FOLDER(test_take_flags_leaves_everything_else_in_order),
		IN_FOLDER(test_take_flags_of_nothing),
		cmocka_unit_test(test_help_and_page_name_every_setting),
		cmocka_unit_test(test_page_in_docs_is_up_to_date),
		cmocka_unit_test(test_table_is_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
