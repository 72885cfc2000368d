#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/pause.h"
#include "base/uuid.h"
#include "cli/crowd/demo.h"
#include "cli/secrets.h"
#include "cli/style.h"

enum { READY_MS = 30000, UNITS = 1000, HOLD_S = 120, LIMIT = 5 };

static volatile sig_atomic_t signalled;

static void note(int signal_number)
{
	signalled = signal_number;
}

/* As they stand: whoever reads them stands in another folder. */
static void print_commands(const struct server_process *server)
{
	static const char *const commands[] = {"sale show sample", "order list", "token you"};
	const char *program = demo_program();

	printf("Look at it:\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  (cd '%s' && '%s' %s%s%s)\n", server->folder, program, commands[i],
		       i < 2 && server->operator_port != 8081 ? " --operator " : "",
		       i < 2 && server->operator_port != 8081 ? server->operator_url : "");
	printf("  (cd '%s' && '%s' audit)\n\n", server->folder, program);
	printf("What happens is printed below, as a shop's endpoint would hear it (penstock relay --to -).\n"
	       "Ctrl-C stops it; what was sold stays in the ledger.\n\n");
}

/* A key of its own at each start: the one of an earlier start has its order. */
static void print_purchase(const struct server_process *server, const char *token)
{
	struct uuid_generator ids = {0};
	struct uuid uuid = uuid_make(&ids, clock_wall_ms(), 0);
	char key[UUID_TEXT_SIZE];

	uuid_format(&uuid, key);
	printf("Buy one (the token is good for a day, for the buyer \"you\"). The same again is the same order; another key buys another:\n\n");
	printf("  TOKEN=%s\n\n", token);
	printf("  ORDER=$(curl -si -w '\\n' %s/v1/sales/sample/orders -H \"Authorization: Bearer $TOKEN\" \\\n"
	       "       -H 'Idempotency-Key: %s' -H 'Content-Type: application/json' -d '{\"quantity\":1}' \\\n"
	       "       | tee /dev/stderr | sed -n 's/.*\"id\":\"\\([^\"]*\\)\".*/\\1/p')\n\n",
	       server->public_url, key);
	printf("Pay for it within %d seconds, as the payment side does (docs/payments.md); else it is for sale again:\n\n", HOLD_S);
	printf("  curl -s -w '\\n' %s/v1/orders/$ORDER/confirm -H 'Content-Type: application/json' \\\n"
	       "       -H \"Authorization: Bearer $(cat '%s/penstock.db.operator-token')\" \\\n"
	       "       -d '{\"payment\":{\"reference\":\"pay-'$ORDER'\",\"amount\":%d,\"currency\":\"EUR\",\"method\":\"card\"}}'\n\n",
	       server->operator_url, server->folder, DEMO_PRICE);
}

/* The token stands behind the #, which no server is sent. */
static void print_storefront(const struct server_process *server, const char *storefront, const char *token)
{
	printf("Or in a browser, as a buyer sees it (examples/storefront):\n\n");
	printf("  %s/#api=%s&sale=sample&token=%s\n\n", storefront, server->public_url, token);
}

static int print_welcome(const struct server_process *server, const struct settings *settings, const char *storefront)
{
	struct token_maker maker;
	char *token = NULL;
	int code = secrets_token_maker_init(&maker, settings);

	if (code == CLI_GO && identity_make_token(&maker.identity, SLICE("you"), clock_wall_ms(), 24 * 3600, &token) < 0)
		code = cli_error(CLI_FAILED, "no token could be made");
	secrets_token_maker_deinit(&maker);
	if (code != CLI_GO)
		return code;
	printf("\n%sPenstock is up, with a sample sale of %d units.%s\n\n", style(STYLE_BOLD), UNITS, style(STYLE_END));
	printf("  buyers     %s        documentation: %s/docs\n", server->public_url, server->public_url);
	printf("  operators  %s        console:       %s/dashboard\n", server->operator_url, server->operator_url);
	printf("  ledger     %s/penstock.db    operator's token: %s/penstock.db.operator-token\n\n", server->folder, server->folder);
	print_purchase(server, token);
	if (storefront)
		print_storefront(server, storefront, token);
	print_commands(server);
	fflush(stdout);
	free(token);
	return CLI_GO;
}

static int set_up(struct server_process *server, const char *storefront)
{
	struct settings *settings;
	struct client client;
	int code = demo_settings(server, &settings);

	if (code != CLI_GO)
		return code;
	code = client_open(&client, settings, server->operator_url, NULL);
	if (code == CLI_GO)
		code = demo_make_sale(&client, &(struct demo_sale){"SAMPLE-42", "sample", UNITS, HOLD_S, 0, LIMIT});
	client_close(&client);
	if (code == CLI_GO)
		code = print_welcome(server, settings, storefront);
	settings_free(settings);
	return code;
}

/* It prints what happens, until it is ended. */
static int hear(struct server_process *relay, const struct server_process *server)
{
	const char *const arguments[] = {"penstock",           "relay",       "--to", "-", "--name", "sample", "--operator",
					 server->operator_url, "--log.level", "warn", NULL};
	int r = server_process_start_beside(relay, server, arguments);

	return r < 0 ? cli_error(CLI_FAILED, "the relay did not start: %s", error_text(r)) : CLI_GO;
}

/* Until the server ends; a signal to us is passed on, to who hears of it first. */
static int stay(struct server_process *server, struct server_process *relay)
{
	for (;;) {
		int signal_number = signalled;

		if (signal_number) {
			signalled = 0;
			server_process_end(relay, SIGTERM);
			kill(server->pid, signal_number);
		}
		if (waitpid(server->pid, &server->exit_status, WNOHANG) == server->pid) {
			server->pid = 0;
			return WIFEXITED(server->exit_status) && WEXITSTATUS(server->exit_status) == 0 ? CLI_OK : CLI_FAILED;
		}
		pause_sleep(100000000);
	}
}

int demo_serve(const struct demo_options *options)
{
	const char *wanted = options->folder ? options->folder : "penstock-sample";
	struct server_process server, relay = {0};
	char folder[PATH_MAX];
	int code, r;

	if (mkdir(wanted, 0777) < 0 && errno != EEXIST)
		return cli_error(CLI_FAILED, "%s: %s", wanted, error_text(-errno));
	if (!realpath(wanted, folder))
		return cli_error(CLI_FAILED, "%s: %s", wanted, error_text(-errno));
	r = server_process_init(&server, folder, 8080, 8081);
	if (r < 0)
		return cli_error(CLI_FAILED, "%s: %s", folder, error_text(r));
	server.log_to_terminal = true;
	if (options->storefront) {
		server.flags[0] = "--gate.origins";
		server.flags[1] = options->storefront;
	}
	signal(SIGINT, note);
	signal(SIGTERM, note);
	r = server_process_start(&server);
	if (r == 0)
		r = server_process_wait_ready(&server, READY_MS);
	if (r < 0) {
		server_process_end(&server, SIGTERM);
		return cli_error(CLI_FAILED, "the server did not start; see above");
	}
	code = set_up(&server, options->storefront);
	if (code == CLI_GO)
		code = hear(&relay, &server);
	if (code == CLI_GO)
		code = stay(&server, &relay);
	server_process_end(&relay, SIGTERM);
	server_process_end(&server, SIGTERM);
	return code;
}
