#include "cli/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/zone.h"
#include "cli/style.h"
#include "model/limits.h"

enum { THOUSANDS_PLACES = 12, FILE_MAX = 64 * 1024 * 1024, READ_STEP = 64 * 1024 };

int output_session(struct cli *cli, struct client *client, const char *url)
{
	struct settings *settings;
	int code;

	*client = (struct client){.socket = -1};
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	code = client_open(client, settings, url, cli->cacert);
	settings_free(settings);
	return code;
}

int output_ask(struct cli *cli, const char *url, const char *method, const char *path, json_t *body, json_t **answer)
{
	struct client client;
	int code = output_session(cli, &client, url);

	if (code == CLI_GO)
		code = client_ask(&client, method, path, body, answer);
	else
		json_decref(body);
	client_close(&client);
	return code;
}

int output_read_file(const char *path, struct buffer *text)
{
	FILE *file = fopen(path, "re");
	char *room;
	size_t got;
	int r = file ? 0 : errno;

	buffer_init(text, FILE_MAX);
	while (r == 0) {
		room = buffer_reserve(text, READ_STEP);
		got = room ? fread(room, 1, READ_STEP, file) : 0;
		text->size += got;
		if (!room)
			r = EFBIG;
		else if (ferror(file))
			r = errno;
		else if (got == 0)
			break;
	}
	if (file)
		fclose(file);
	return r ? cli_error(CLI_USAGE, "%s: %s", path, error_text(-r)) : CLI_GO;
}

const char *output_field_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

int64_t output_field_integer(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

int output_json(json_t *json)
{
	/* On a terminal nothing that acts on it, in whatever a server has sent. */
	char *text = json_dumps(json, JSON_INDENT(2) | (style_is_terminal(1) ? JSON_ENSURE_ASCII : 0));

	json_decref(json);
	if (!text)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	puts(text);
	free(text);
	return CLI_OK;
}

int output_path(char path[static OUTPUT_PATH_SIZE], const char *before, const char *name, const char *after)
{
	for (const char *at = name; *at; at++) {
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *at))
			return cli_error(CLI_USAGE, "\"%s\": a name is made of letters, digits, dots, dashes and underscores", name);
	}
	if (name[0] == '\0' || snprintf(path, OUTPUT_PATH_SIZE, "%s%s%s", before, name, after) >= OUTPUT_PATH_SIZE)
		return cli_error(CLI_USAGE, "\"%s\" is no name", name);
	return CLI_GO;
}

int output_sure(const struct cli *cli, bool yes, const char *format, ...)
{
	char answer[16] = "";
	va_list arguments;

	if (yes)
		return CLI_GO;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return cli_usage(cli, "this cannot be taken back, and there is no terminal to ask on: say --yes");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" [y/N] ", stderr);
	if (fgets(answer, sizeof(answer), stdin) && (strcasecmp(answer, "y\n") == 0 || strcasecmp(answer, "yes\n") == 0))
		return CLI_GO;
	return cli_error(CLI_FAILED, "nothing was done");
}

int output_units(const struct cli *cli, const char *text, int64_t *units)
{
	char *end;

	errno = 0;
	*units = strtoll(text, &end, 10);
	if (errno || end == text || *end || *units < 1 || *units > UNITS_MAX)
		return cli_usage(cli, "\"%s\": wanted is a number of units, 1 to %d", text, UNITS_MAX);
	return CLI_GO;
}

int output_rows(json_t *rows, bool json, const char *const *titles, void (*cells)(struct table *, const json_t *))
{
	struct table table;
	json_t *row;
	size_t index;

	if (json)
		return output_json(rows);
	table_init(&table, titles);
	json_array_foreach(rows, index, row) cells(&table, row);
	table_print(&table);
	table_deinit(&table);
	json_decref(rows);
	return CLI_OK;
}

void output_append_query(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		if ((*text >= '0' && *text <= '9') || (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z') ||
		    strchr("-._~", *text))
			buffer_append(out, text, 1);
		else
			buffer_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void output_filter(struct buffer *path, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_printf(path, "&%s=", name);
	output_append_query(path, value);
}

void output_add_query(struct buffer *path, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_printf(path, "%c%s=", memchr(path->data, '?', path->size) ? '&' : '?', name);
	output_append_query(path, value);
}

/* One page; *after: the next page's query, empty at the end. */
static int fetch_page(struct client *client, const char *path, struct buffer *after, json_t **answer)
{
	struct buffer query;
	json_t *next;
	int code;

	buffer_init(&query, 4096);
	buffer_printf(&query, "%s%climit=%d", path, strchr(path, '?') ? '&' : '?', OUTPUT_PAGE);
	if (after->size > 0) {
		buffer_append_text(&query, "&after=");
		buffer_append_slice(&query, buffer_slice(after));
	}
	buffer_append(&query, "", 1);
	code = client_ask(client, "GET", query.data, NULL, answer);
	buffer_deinit(&query);
	buffer_clear(after);
	if (code != CLI_GO)
		return code;
	next = json_object_get(*answer, "next");
	if (json_is_string(next))
		output_append_query(after, json_string_value(next));
	else if (json_is_integer(next))
		buffer_append_int(after, json_integer_value(next));
	return CLI_GO;
}

int output_pages(struct client *client, const char *path, const char *first, const char *name, output_page_fn *page, void *context)
{
	struct buffer after;
	json_t *answer;
	int code;

	buffer_init(&after, 1024);
	if (first)
		output_append_query(&after, first);
	do {
		code = fetch_page(client, path, &after, &answer);
		if (code != CLI_GO)
			break;
		if (json_is_array(json_object_get(answer, name)))
			code = page(context, json_object_get(answer, name));
		else
			code = cli_error(CLI_FAILED, "GET %s: the answer has no %s", path, name);
		json_decref(answer);
	} while (code == CLI_GO && after.size > 0);
	buffer_deinit(&after);
	return code == CLI_GO ? CLI_OK : code;
}

static int gather(void *context, const json_t *rows)
{
	return json_array_extend(context, (json_t *)rows) == 0 ? CLI_GO : cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
}

int output_list(struct client *client, bool json, const char *path, const char *name, const char *const *titles,
		void (*cells)(struct table *, const json_t *))
{
	json_t *all = json_array();
	int code = output_pages(client, path, NULL, name, gather, all);

	if (code != CLI_OK) {
		json_decref(all);
		return code;
	}
	return output_rows(all, json, titles, cells);
}

const char *output_thousands(uint64_t number)
{
	static char places[THOUSANDS_PLACES][32];
	static unsigned next;
	char digits[24], *out = places[next = (next + 1) % THOUSANDS_PLACES];
	int size = snprintf(digits, sizeof(digits), "%" PRIu64, number), at = 0;

	for (int i = 0; i < size; i++) {
		if (i > 0 && (size - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

int output_moment(const struct cli *cli, const char *option, const char *at, const char *also, int64_t *wall_ms)
{
	int r = zone_parse(at, wall_ms);

	if (r == -ENOENT)
		return cli_usage(cli, "--%s %s: there is no such zone; wanted is a name like Europe/Berlin", option, at);
	if (r == -ERANGE)
		return cli_usage(cli, "--%s %s: the clocks are changed there: give the offset, like 2027-03-28T03:30:00+02:00",
				 option, at);
	if (r < 0)
		return cli_usage(cli, "--%s %s: wanted is a time like \"2027-01-01 10:00 Europe/Berlin\" or 2027-01-01T10:00:00Z%s",
				 option, at, also);
	return CLI_GO;
}
