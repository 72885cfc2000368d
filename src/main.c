/* Arguments -> command -> exit code. */
#include <signal.h>
#include <stddef.h>
#include "cli/commands.h"

static const struct command *const commands[] = {
	&command_serve,  &command_demo,  &command_rehearse,   &command_audit,   &command_sale,
	&command_item,   &command_order, &command_log,        &command_export,  &command_import,
	&command_token,  &command_drain, &command_relay,      &command_replay,  &command_config,
	&command_health, &command_jwks,  &command_completion, &command_version, NULL,
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* a client that hangs up is an answer of write(2), not our end */
	return cli_main(commands, argc, argv);
}
