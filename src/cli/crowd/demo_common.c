#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/crowd/demo.h"
#include "cli/output.h"

const char *demo_program(void)
{
	static char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[size > 0 ? size : 0] = '\0';
	return size > 0 ? path : "penstock";
}

/* Asks; an answer that the name is taken is fine. */
static int ask_once(struct client *client, const char *path, json_t *body, bool *taken)
{
	const char *code;
	json_t *answer;
	int status, r = client_call(client, "POST", path, body, &status, &answer);

	*taken = false;
	if (r < 0)
		return cli_error(CLI_FAILED, "POST %s: %s", path, error_text(r));
	code = json_string_value(json_object_get(answer, "code"));
	*taken = status == 409 && code && strcmp(code, "name-taken") == 0;
	if (status / 100 != 2 && !*taken) {
		cli_error(CLI_FAILED, "POST %s: %d %s", path, status, code ? code : "");
		json_decref(answer);
		return CLI_FAILED;
	}
	json_decref(answer);
	return CLI_GO;
}

int demo_act(struct client *client, const char *kind, const char *id, const char *action, json_t *body)
{
	char path[OUTPUT_PATH_SIZE];
	json_t *answer;
	int code;

	snprintf(path, sizeof(path), "/v1/%s/%s/%s", kind, id, action);
	code = client_ask(client, "POST", path, body, &answer);
	if (code == CLI_GO)
		json_decref(answer);
	return code;
}

int demo_make_sale(struct client *client, const struct demo_sale *sale)
{
	char opens_at[CLOCK_TEXT_SIZE];
	bool taken;
	json_t *body = json_pack("{s:s, s:s, s:I}", "sku", sale->sku, "name", "Air 1, size 42", "on_hand", (json_int_t)sale->units);
	int code = ask_once(client, "/v1/items", body, &taken);

	if (code != CLI_GO)
		return code;
	clock_format(clock_wall_ms() + sale->opens_in_ms, opens_at);
	body = json_pack("{s:s, s:s, s:[{s:s, s:I}], s:{s:i, s:s}, s:i, s:{s:i, s:i}, s:I, s:o}", "id", sale->id, "name", "Air 1 drop",
			 "lots", "sku", sale->sku, "units", (json_int_t)sale->units, "price", "amount", DEMO_PRICE, "currency",
			 "EUR", "limit_per_buyer", sale->limit_per_buyer, "rate", "requests", 3, "seconds", 60, "hold_seconds",
			 (json_int_t)sale->hold_s, "opens_at", sale->opens_in_ms > 0 ? json_string(opens_at) : json_null());
	code = ask_once(client, "/v1/sales", body, &taken);
	if (code != CLI_GO || taken)
		return code;
	code = demo_act(client, "sales", sale->id, "arm", NULL);
	return code == CLI_GO && sale->opens_in_ms == 0 ? demo_act(client, "sales", sale->id, "open", NULL) : code;
}

void demo_show_log(const struct server_process *server)
{
	FILE *log = server->log_to_terminal ? NULL : fopen(server->log_file, "r");
	char text[4096];
	size_t size;

	if (!log)
		return;
	fseek(log, 0, SEEK_END);
	fseek(log, ftell(log) > (long)sizeof(text) ? -(long)sizeof(text) : -ftell(log), SEEK_END);
	size = fread(text, 1, sizeof(text), log);
	fclose(log);
	fprintf(stderr, "The end of its log (%s):\n%.*s\n", server->log_file, (int)size, text);
}

int demo_settings(const struct server_process *server, struct settings **settings)
{
	char ledger[SERVER_PATH_SIZE + 64];
	char *flags[] = {ledger, NULL};
	struct settings_sources sources = {.file = "/dev/null", .flag_count = 1, .flags = flags};
	struct buffer error;
	int r;

	snprintf(ledger, sizeof(ledger), "--ledger.url=sqlite:%s/penstock.db", server->folder);
	buffer_init(&error, 4096);
	r = settings_load(settings, &sources, &error);
	if (r < 0)
		cli_error(CLI_FAILED, "settings: %.*s", (int)error.size, error.data ? error.data : "");
	buffer_deinit(&error);
	return r < 0 ? CLI_FAILED : CLI_GO;
}
