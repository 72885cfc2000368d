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
#include "cli/crowd/demo.h"
#include "cli/secrets.h"
#include "cli/style.h"

enum { READY_MS = 30000, UNITS = 1000, HOLD_S = 120 };

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
	printf("  (cd '%s' && '%s' audit)\n\nCtrl-C stops it; what was sold stays in the ledger.\n\n", server->folder, program);
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
	printf("Buy one (the token is good for a day, for the buyer \"you\"):\n\n");
	printf("  TOKEN=%s\n\n", token);
	printf("  curl -i %s/v1/sales/sample/orders -H \"Authorization: Bearer $TOKEN\" \\\n"
	       "       -H 'Idempotency-Key: first' -H 'Content-Type: application/json' -d '{\"quantity\":1}'\n\n",
	       server->public_url);
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
	code = client_open(&client, settings, server->operator_url);
	if (code == CLI_GO)
		code = demo_make_sale(&client, "SAMPLE-42", "sample", UNITS, HOLD_S, 0);
	client_close(&client);
	if (code == CLI_GO)
		code = print_welcome(server, settings, storefront);
	settings_free(settings);
	return code;
}

/* Until the server ends; a signal to us is passed on. */
static int stay(struct server_process *server)
{
	for (;;) {
		int signal_number = signalled;

		if (signal_number) {
			signalled = 0;
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
	struct server_process server;
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
		return stay(&server);
	server_process_end(&server, SIGTERM);
	return code;
}
