#include "cli/operator/resource.h"

#include <stdio.h>

int resource_ask(struct cli *cli, const struct resource *resource, const char *url, bool json, const char *method,
		 const char *path, json_t *body)
{
	json_t *answer;
	int code = output_ask(cli, url, method, path, body, &answer);

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
	int code = cli_options(cli, table, 2, 0, 0);

	return code == CLI_GO ? output_list(cli, url, json, resource->path, resource->list, resource->titles, resource->cells) : code;
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
