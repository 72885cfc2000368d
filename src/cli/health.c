#include <jansson.h>
#include <stdio.h>
#include "cli/commands.h"
#include "cli/output.h"

static int run(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	struct client client;
	json_t *answer = NULL;
	int status = 0, r, code = cli_options(cli, table, 2, 0, 0);

	if (code != CLI_GO)
		return code;
	code = client_session(cli, &client, url);
	if (code == CLI_GO) {
		r = client_call(&client, "GET", json ? "/health" : "/readyz", NULL, &status, &answer);
		if (r < 0)
			code = cli_error(CLI_FAILED, "http://%s: %s", client.place.host, error_text(r));
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
	.synopsis = "[--json] [--SETTING VALUE...]",
	.summary = "Ask a running server whether it is ready; exit 1 where it is not",
	.details = "For the health check of a container or a service manager. --json prints the state of each component.\n",
	.settings = true,
	.run = run,
};
