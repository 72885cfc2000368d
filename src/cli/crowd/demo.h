/* What the two faces of `penstock demo` share. */
#pragma once

#include "cli/client.h"
#include "cli/crowd/server_process.h"

struct demo_options {
	const char *folder;     /* NULL: a fresh one below TMPDIR; with --serve: penstock-sample */
	const char *storefront; /* with --serve: where the page that sells is served, an origin; NULL: nowhere */
	int64_t buyers, bots, units, seed;
	bool serve, clean;
};

enum { DEMO_PRICE = 17900 }; /* cents of euros */

struct demo_sale {
	const char *sku, *id;
	int64_t units, hold_s, opens_in_ms; /* 0: open at once */
	int limit_per_buyer;
};
/*
 * An item and a sale of it. A sale of that id that is there already is left as it is. CLI_GO or the
 * exit code.
 */
int demo_make_sale(struct client *client, const struct demo_sale *sale) MUST_CHECK;
/*
 * One thing that is done to one of "sales" or "orders"; takes `body`, which may be NULL. CLI_GO or
 * the exit code.
 */
int demo_act(struct client *client, const char *kind, const char *id, const char *action, json_t *body) MUST_CHECK;
/*
 * How this program is called from any folder: its whole path, which may not be in the PATH;
 * "penstock" where that is not known.
 */
const char *demo_program(void);
/* What stands at the end of the server's log: told when it did not start. */
void demo_show_log(const struct server_process *server);
/*
 * Settings that find the keys of the server in the current folder; nothing of our own environment
 * or file. CLI_GO or the exit code.
 */
int demo_settings(const struct server_process *server, struct settings **settings) MUST_CHECK;

/* `penstock demo --serve`. Exit code. */
int demo_serve(const struct demo_options *options);
