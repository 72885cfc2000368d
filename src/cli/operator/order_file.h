/* Orders that are confirmed or cancelled by a file: one a line, each for itself. */
#pragma once

#include "cli/cli.h"

struct order_file {
	const char *path;
	const char *action; /* "confirm", "cancel" */
	const char *reason; /* of each; NULL: it is not said */
	const char *url;    /* the operator listener; NULL: that of the settings */
	bool json, dry_run, yes;
};

/*
 * `body` with why, as a request has it; without where it is not said (NULL). Takes and gives
 * `body`.
 */
json_t *order_with_reason(json_t *body, const char *reason);
/*
 * The file has a line of titles (CSV): `order` or `id`, and for a confirm `reference`, `amount`,
 * `currency` and `method` of its payment, as an export of payments has them; or no titles, and an
 * order's id a line. What one order refuses is told, and the others go on; what no order can be
 * asked after ends it. The exit code: CLI_FAILED where any was refused.
 */
int order_file_run(struct cli *cli, const struct order_file *file) MUST_CHECK;
