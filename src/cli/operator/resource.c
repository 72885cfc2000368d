#include "cli/operator/resource.h"

#include <stdio.h>
#include <string.h>

/* So that what buyers are told is not taken for all that there is. CLI_GO, or the exit code. */
static int ask_for_operators(struct client *client, const struct resource *resource)
{
	json_t *who = NULL;
	int code = resource->also_buyers ? client_ask(client, "GET", "/v1/whoami", NULL, &who) : CLI_GO;

	if (code == CLI_GO)
		json_decref(who);
	return code;
}

static int look(struct cli *cli, const struct resource *resource, const char *url, const char *path, json_t **answer)
{
	struct client client;
	int code = output_session(cli, &client, url);

	if (code == CLI_GO)
		code = ask_for_operators(&client, resource);
	if (code == CLI_GO)
		code = client_ask(&client, "GET", path, NULL, answer);
	client_close(&client);
	return code;
}

int resource_ask(struct cli *cli, const struct resource *resource, const char *url, bool json, const char *method,
		 const char *path, json_t *body)
{
	json_t *answer = NULL;
	int code = strcmp(method, "GET") == 0 ? look(cli, resource, url, path, &answer)
					      : output_ask(cli, url, method, path, body, &answer);

	if (code != CLI_GO)
		return code;
	if (json)
		return output_json(answer);
	if (!resource->show)
		return output_rows(json_pack("[o]", answer), false, resource->titles, resource->cells);
	resource->show(answer);
	json_decref(answer);
	return CLI_OK;
}

int resource_path(const struct cli *cli, const struct resource *resource, const char *action, char path[static OUTPUT_PATH_SIZE])
{
	char before[32];

	snprintf(before, sizeof(before), "%s/", resource->path);
	return output_path(path, before, cli->argv[0], action);
}

int resource_list(struct cli *cli, const struct resource *resource)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	struct client client;
	int code = cli_options(cli, table, 2, 0, 0);

	if (code != CLI_GO)
		return code;
	code = output_session(cli, &client, url);
	if (code == CLI_GO)
		code = ask_for_operators(&client, resource);
	if (code == CLI_GO)
		code = output_list(&client, json, resource->path, resource->list, resource->titles, resource->cells);
	client_close(&client);
	return code;
}

int resource_act(struct cli *cli, const struct resource *resource, const char *method, const char *action)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	char path[OUTPUT_PATH_SIZE];
	int code = cli_options(cli, table, 2, 1, 1);

	if (code == CLI_GO)
		code = resource_path(cli, resource, action, path);
	return code == CLI_GO ? resource_ask(cli, resource, url, json, method, path, NULL) : code;
}
