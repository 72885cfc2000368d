#include <jansson.h>
#include <stdio.h>
#include "cli/commands.h"
#include "cli/output.h"

/* A drain tells anybody who asks. */
static int open_client(struct cli *cli, struct client *client, const char *url, bool drain)
{
	char own[CLIENT_URL_SIZE];
	struct settings *settings;
	int code;

	if (!drain)
		return output_session(cli, client, url);
	*client = (struct client){.socket = -1};
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	client_url(&settings->drain.listen, own);
	settings_free(settings);
	return client_open_url(client, own, cli->cacert);
}

static int health_run(struct cli *cli)
{
	const char *url = NULL;
	bool json = false, drain = false;
	const struct option table[] = {
		CLIENT_OPTIONS(&url, &json),
		{"drain", 0, OPTION_FLAG, &drain, NULL, "ask a drain, at the drain.listen of the settings"},
	};
	struct client client;
	json_t *answer = NULL;
	char name[CLIENT_NAME_SIZE];
	int status = 0, r, code = cli_options(cli, table, 3, 0, 0);

	if (code != CLI_GO)
		return code;
	if (drain && url)
		return cli_error(CLI_USAGE, "--drain asks drain.listen, --operator another address: give one of them");
	code = open_client(cli, &client, url, drain);
	if (code == CLI_GO) {
		r = client_call(&client, "GET", json ? "/health" : "/readyz", NULL, &status, &answer);
		if (r < 0)
			code = cli_error(CLI_FAILED, "%s: %s", client_name(&client, name), client_error(&client, r));
		else
			code = status == 200 ? CLI_OK : CLI_FAILED;
		if (r == 0 && json && answer)
			output_json(json_incref(answer));
		else if (r == 0)
			puts(status == 200 ? "ready" : "not ready");
	}
	json_decref(answer);
	client_close(&client);
	return code;
}

const struct command command_health = {
	.name = "health",
	.synopsis = "[--drain] [--json] [--SETTING VALUE...]",
	.summary = "Ask a running server or drain whether it is ready; exit 1 where it is not",
	.details = "For the health check of a container or a service manager. --json prints the state of each component.\n",
	.settings = true,
	.run = health_run,
};
