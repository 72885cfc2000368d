/* The commands, one file each. */
#pragma once

#include "cli/cli.h"

extern const struct command command_serve, command_drain, command_demo, command_rehearse, command_audit, command_sale,
	command_item, command_log, command_order, command_token, command_relay, command_replay, command_config, command_health,
	command_completion, command_version, command_export, command_jwks, command_import;
