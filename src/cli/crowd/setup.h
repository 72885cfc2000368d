/*
 * What a crowd needs to know before it sets out: where the server is, who it is, what the sale
 * sells. Shared by rehearse and demo.
 */
#pragma once

#include "cli/client.h"
#include "cli/secrets.h"
#include "crowd/crowd.h"

/* Which sale, and where. */
struct crowd_target {
	struct option_list servers, operators; /* URLs; empty: the listener of the settings */
	const char *sale;                      /* NULL: the only one that is open or armed */
	const char *cacert;                    /* of https:// servers; NULL: the usual ones */
};

struct crowd_setup {
	struct tls *tls; /* NULL: no server is https:// */
	struct pool_server servers[POOL_SERVERS_MAX], operators[POOL_SERVERS_MAX];
	struct client client; /* to the (first) operator listener */
	struct token_maker maker;
	bool by_header;
	char *header; /* name of the trusted header */
	int64_t lifetime_s;
	char *sale;
	char *skus[CROWD_SKUS_MAX];
	size_t sku_count;
};

/*
 * Fills the servers, the identity, the sale and its SKUs of `options`. Raises the limit of
 * descriptors for options->connections. CLI_GO or the exit code, the error told. Deinit in either
 * case.
 */
int crowd_setup_init(struct crowd_setup *setup, struct crowd_options *options, const struct settings *settings,
		     const struct crowd_target *target) MUST_CHECK;
void crowd_setup_deinit(struct crowd_setup *setup);
