#include "cli/crowd/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/clock.h"

static int identify(void *context, const char *buyer, struct buffer *headers)
{
	const struct crowd_setup *setup = context;
	char *token;
	int r;

	if (setup->by_header) {
		buffer_printf(headers, "%s: %s\r\n", setup->header, buyer);
		return 0;
	}
	r = identity_make_token(&setup->maker.identity, slice_of(buyer), clock_wall_ms(), setup->lifetime_s, &token);
	if (r < 0)
		return r;
	buffer_printf(headers, "Authorization: Bearer %s\r\n", token);
	free(token);
	return 0;
}

/* One token beforehand: a key that cannot sign is better told now than by the crowd. */
static int try_token(const struct crowd_setup *setup)
{
	struct buffer headers;
	int r;

	buffer_init(&headers, 8192);
	r = identify((void *)setup, "somebody", &headers);
	buffer_deinit(&headers);
	if (r < 0)
		return cli_error(CLI_USAGE,
				 "no token can be signed with identity.jwt_key: %s (but for HS256 that needs the private key)",
				 error_text(r));
	return CLI_GO;
}

static int raise_descriptors(uint32_t connections)
{
	struct rlimit limit;
	rlim_t needed = (rlim_t)connections + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return cli_error(CLI_FAILED, "descriptors: %s", error_text(-errno));
	if (limit.rlim_cur >= needed)
		return CLI_GO;
	if (limit.rlim_max < needed)
		return cli_error(CLI_USAGE, "%u connections need %llu descriptors, and the limit is %llu (ulimit -Hn)",
				 connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
	limit.rlim_cur = needed;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? cli_error(CLI_FAILED, "descriptors: %s", error_text(-errno)) : CLI_GO;
}

static bool can_be_bought(const json_t *sale)
{
	const char *state = json_string_value(json_object_get(sale, "state"));

	return state && (strcmp(state, "open") == 0 || strcmp(state, "armed") == 0);
}

/* The only sale that is open or armed. */
static int choose_sale(struct crowd_setup *setup)
{
	json_t *answer, *found = NULL, *sale;
	size_t index;
	int code = client_ask(&setup->client, "GET", "/v1/sales?limit=1000", NULL, &answer);

	if (code != CLI_GO)
		return code;
	json_array_foreach(json_object_get(answer, "sales"), index, sale)
	{
		if (!can_be_bought(sale))
			continue;
		if (found)
			code = cli_error(CLI_USAGE, "there are several sales: choose one with --sale");
		found = sale;
		if (code != CLI_GO)
			break;
	}
	if (code == CLI_GO && !found)
		code = cli_error(CLI_USAGE, "no sale is open or armed; make one with `penstock sale create`");
	if (code == CLI_GO) {
		setup->sale = strdup(json_string_value(json_object_get(found, "id")));
		code = setup->sale ? CLI_GO : cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	}
	json_decref(answer);
	return code;
}

static int read_skus(struct crowd_setup *setup)
{
	char path[160];
	json_t *answer, *lot;
	size_t index;
	int code;

	snprintf(path, sizeof(path), "/v1/sales/%s", setup->sale);
	code = client_ask(&setup->client, "GET", path, NULL, &answer);
	if (code != CLI_GO)
		return code;
	json_array_foreach(json_object_get(answer, "lots"), index, lot)
	{
		const char *sku = json_string_value(json_object_get(lot, "sku"));

		if (sku && setup->sku_count < CROWD_SKUS_MAX)
			setup->skus[setup->sku_count++] = strdup(sku);
	}
	json_decref(answer);
	if (setup->sku_count == 0)
		return cli_error(CLI_FAILED, "sale %s: the server told no lots", setup->sale);
	return CLI_GO;
}

static int parse_server(const char *url, const struct listen_list *listen, struct pool_server *server)
{
	char own[CLIENT_URL_SIZE];
	int r;

	client_url(listen, own);
	r = pool_server_parse(url ? url : own, server);
	if (r < 0)
		return cli_error(CLI_USAGE, "%s: %s", url ? url : own,
				 r == -EINVAL ? "wanted is http://HOST:PORT or https://HOST:PORT" : "there is no such host");
	return CLI_GO;
}

static int parse_servers(const struct option_list *urls, const struct listen_list *listen, struct pool_server *servers, size_t *count)
{
	int code = CLI_GO;

	if (urls->count > POOL_SERVERS_MAX)
		return cli_error(CLI_USAGE, "a crowd goes to %d servers at most", POOL_SERVERS_MAX);
	*count = urls->count ? urls->count : 1;
	for (size_t i = 0; code == CLI_GO && i < *count; i++)
		code = parse_server(urls->count ? urls->items[i] : NULL, listen, &servers[i]);
	return code;
}

/* Those that speak TLS get it. */
static int secure(struct crowd_setup *setup, struct pool_server *servers, size_t count, const char *cacert)
{
	const char *reason = "";
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!servers[i].secure)
			continue;
		if (!setup->tls)
			r = tls_new(&setup->tls, cacert, &reason);
		servers[i].tls = setup->tls;
	}
	return r < 0 ? cli_error(CLI_FAILED, "https: %s", r == -ENOENT ? reason : error_text(r)) : CLI_GO;
}

int crowd_setup_init(struct crowd_setup *setup, struct crowd_options *options, const struct settings *settings,
		     const struct crowd_target *target)
{
	int code;

	*setup = (struct crowd_setup){0};
	code = client_open(&setup->client, settings, target->operators.count ? target->operators.items[0] : NULL, target->cacert);
	setup->lifetime_s = 24 * 3600;
	setup->by_header = settings->identity.mode == IDENTITY_HEADER;
	setup->header = strdup(settings->identity.header);
	if (code == CLI_GO && !setup->by_header)
		code = secrets_token_maker_init(&setup->maker, settings);
	if (code == CLI_GO && !setup->by_header)
		code = try_token(setup);
	if (code == CLI_GO)
		code = parse_servers(&target->servers, &settings->gate.listen, setup->servers, &options->server_count);
	if (code == CLI_GO)
		code = parse_servers(&target->operators, &settings->operator.listen, setup->operators, &options->operator_count);
	if (code == CLI_GO)
		code = secure(setup, setup->servers, options->server_count, target->cacert);
	if (code == CLI_GO)
		code = secure(setup, setup->operators, options->operator_count, target->cacert);
	if (code == CLI_GO)
		code = raise_descriptors(options->connections);
	if (code == CLI_GO && target->sale)
		setup->sale = strdup(target->sale);
	else if (code == CLI_GO)
		code = choose_sale(setup);
	if (code == CLI_GO)
		code = read_skus(setup);
	options->servers = setup->servers;
	options->operators = setup->operators;
	options->operator_token = setup->client.token;
	options->sale = setup->sale;
	options->skus = (const char *const *)setup->skus;
	options->sku_count = setup->sku_count;
	options->identify = identify;
	options->context = setup;
	return code;
}

void crowd_setup_deinit(struct crowd_setup *setup)
{
	client_close(&setup->client);
	secrets_token_maker_deinit(&setup->maker);
	tls_free(setup->tls);
	free(setup->header);
	free(setup->sale);
	for (size_t i = 0; i < setup->sku_count; i++)
		free(setup->skus[i]);
	*setup = (struct crowd_setup){.client.socket = -1};
}
