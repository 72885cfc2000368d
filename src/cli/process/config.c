#include "cli/commands.h"

static int config_run(struct cli *cli)
{
	bool document = false;
	const struct option table[] = {
		{"document", 0, OPTION_FLAG, &document, NULL, "print docs/settings.md: every setting with its meaning"},
	};
	struct settings *settings = NULL;
	struct buffer out;
	int code = cli_options(cli, table, 1, 0, 0);

	if (code != CLI_GO)
		return code;
	if (!document) {
		code = cli_settings(cli, &settings);
		if (code != CLI_GO)
			return code;
	}
	buffer_init(&out, 1 << 20);
	if (document)
		settings_document(&out);
	else
		settings_print(settings, &out);
	code = cli_print(&out);
	buffer_deinit(&out);
	settings_free(settings);
	return code;
}

const struct command command_config = {
	.name = "config",
	.synopsis = "[--document] [--SETTING VALUE...]",
	.summary = "Print the settings in force, secrets hidden",
	.details = "What it prints can be used as a settings file.\n",
	.settings = true,
	.run = config_run,
};
