/* Orders that are confirmed or cancelled by a file: one a line, each for itself. */
#pragma once

#include <jansson.h>
#include "cli/client.h"

struct order_file {
	const char *path;
	const char *action; /* "confirm", "cancel" */
	json_t *body;       /* what is asked for each, besides what its line says; borrowed */
	const char *url;    /* the operator listener; NULL: that of the settings */
	bool json, dry_run, yes;
};

/*
 * Confirms or cancels one order. A cancel whose body names its refund (`reference`) goes under that
 * name as its key: asked again, by whoever is the same operator, it takes no second unit. Where
 * another refund of the order was done at the same moment its key stays refused, and "NAME 2" is
 * next, always in this order. `body` is taken over. As client_call().
 */
int order_act(struct client *client, const char *path, json_t *body, int *status, json_t **answer) MUST_CHECK;
/*
 * The file has a line of titles (CSV): `order` or `id`, and for a confirm `reference`, `amount`,
 * `currency` and `method` of its payment, as an export of payments has them; for a cancel
 * `refund_quantity`, `refund_units`, `refund_reference` and `refund_reason`, names that no export
 * of orders or payments has for something else; or no titles, and an order's id a line. A line that
 * takes some of an order's units names its refund, so that the file can be given again. What one
 * order refuses is told, and the others go on; what no order can be asked after ends it. The exit
 * code: CLI_FAILED where any was refused.
 */
int order_file_run(struct cli *cli, const struct order_file *file) MUST_CHECK;
