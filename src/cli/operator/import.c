/*
 * `penstock import`: items and sales of a file, all of them or none. The server decides that, in
 * one transaction (POST /v1/imports); here the file is read, and what the server refuses is told by
 * the line where it stands.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/commands.h"
#include "cli/operator/import_csv.h"
#include "cli/output.h"

/* --- A file of JSON --- */

/*
 * Where in the text each element of "items" and "sales" begins: what was parsed does not know it.
 */
struct walk {
	const char *at;
	size_t line;
	int depth;
	char name[8]; /* the last name at depth 1 */
};

/* Behind a string, which `at` is at the start of; its text into `name` where it fits. */
static void pass_string(struct walk *walk)
{
	const char *start = ++walk->at;

	for (; *walk->at && *walk->at != '"'; walk->at++)
		if (*walk->at == '\\' && walk->at[1])
			walk->at++;
	if (walk->depth == 1)
		snprintf(walk->name, sizeof(walk->name), "%.*s", (int)(walk->at - start), start);
	if (*walk->at)
		walk->at++;
}

static int note_lines(const char *text, struct import_file *file)
{
	struct walk walk = {.at = text, .line = 1};
	int code = CLI_GO;

	while (*walk.at && code == CLI_GO) {
		char byte = *walk.at;

		walk.line += byte == '\n';
		if (byte == '"') {
			pass_string(&walk);
			continue;
		}
		if (byte == '{' && walk.depth == 2 && strcmp(walk.name, "items") == 0)
			code = import_note_line(&file->item_lines, walk.line);
		else if (byte == '{' && walk.depth == 2 && strcmp(walk.name, "sales") == 0)
			code = import_note_line(&file->sale_lines, walk.line);
		walk.depth += (byte == '{' || byte == '[') - (byte == '}' || byte == ']');
		walk.at++;
	}
	return code;
}

static int read_json(struct import_file *file, struct slice text)
{
	json_error_t error;
	const char *name;
	json_t *value;

	file->body = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, &error);
	if (!file->body)
		return cli_error(CLI_USAGE, "%s:%d: %s", file->path, error.line, error.text);
	if (!json_is_object(file->body))
		return cli_error(CLI_USAGE, "%s:1: wanted is an object with items and sales", file->path);
	json_object_foreach(file->body, name, value)
	{
		if ((strcmp(name, "items") != 0 && strcmp(name, "sales") != 0) || !json_is_array(value))
			return cli_error(CLI_USAGE, "%s: \"%s\": wanted are `items` and `sales`, which are arrays", file->path, name);
	}
	return note_lines(text.data, file);
}

/* --- What comes of it --- */

/* The line of the element that a problem's field names: "sales[2].lots[1]"; 0: none. */
static size_t line_of(const struct import_file *file, const char *field)
{
	const struct import_lines *lines = strncmp(field, "sales[", 6) == 0   ? &file->sale_lines
					   : strncmp(field, "items[", 6) == 0 ? &file->item_lines
									      : NULL;
	size_t place = lines ? strtoul(field + 6, NULL, 10) : 0;

	return lines && place < lines->count ? lines->all[place] : 0;
}

static int say_refused(const struct import_file *file, int status, const json_t *problem)
{
	const char *field = output_field_text(problem, "field"), *detail = output_field_text(problem, "detail");
	size_t line = line_of(file, field);

	if (!detail[0])
		detail = output_field_text(problem, "title");
	if (line)
		cli_error(CLI_FAILED, "%s:%zu: %s: %s", file->path, line, field, detail);
	else
		cli_error(CLI_FAILED, "%s: %d %s: %s", file->path, status, output_field_text(problem, "code"), detail);
	return cli_error(CLI_FAILED, "nothing was made");
}

static void say_counts(const char *what, const json_t *counts, bool dry_run)
{
	printf("%s: %" PRId64 " %s, %" PRId64 " there already\n", what, output_field_integer(counts, "created"),
	       dry_run ? "would be made" : "made", output_field_integer(counts, "unchanged"));
}

static int send_file(struct cli *cli, struct import_file *file, const char *url, bool dry_run, bool json)
{
	struct client client;
	json_t *answer = NULL;
	int status = 0, r, code = output_session(cli, &client, url);
	char name[CLIENT_NAME_SIZE];

	if (code == CLI_GO) {
		json_object_set_new(file->body, "dry_run", json_boolean(dry_run));
		r = client_call(&client, "POST", "/v1/imports", json_incref(file->body), &status, &answer);
		if (r < 0)
			code = cli_error(CLI_FAILED, "%s: %s; give the same file again: what is made already is left as it is",
					 client_name(&client, name), client_error(&client, r));
		else if (status != 200)
			code = say_refused(file, status, answer);
	}
	client_close(&client);
	if (code == CLI_GO && json)
		return output_json(answer);
	if (code == CLI_GO) {
		say_counts("items", json_object_get(answer, "items"), dry_run);
		say_counts("sales", json_object_get(answer, "sales"), dry_run);
		code = CLI_OK;
	}
	json_decref(answer);
	return code;
}

static int import_run(struct cli *cli)
{
	struct import_file file = {0};
	const char *url = NULL;
	bool dry_run = false, json = false;
	const struct option table[] = {
		{"dry-run", 'n', OPTION_FLAG, &dry_run, NULL, "decide all of it, and make nothing"},
		CLIENT_OPTIONS(&url, &json),
	};
	struct buffer text;
	struct slice body, start;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 1, 1);

	if (code != CLI_GO)
		return code;
	file.path = cli->argv[0];
	code = output_read_file(file.path, &text);
	buffer_append(&text, "", 1);
	if (code == CLI_GO) {
		text.size--;
		body = start = slice_without_mark(buffer_slice(&text));
		while (start.size && strchr(" \t\r\n", *start.data))
			start = (struct slice){start.data + 1, start.size - 1};
		code = start.size && *start.data == '{' ? read_json(&file, body) : import_read_csv(&file, body);
	}
	if (code == CLI_GO)
		code = send_file(cli, &file, url, dry_run, json);
	import_file_deinit(&file);
	buffer_deinit(&text);
	return code;
}

const struct command command_import = {
	.name = "import",
	.synopsis = "FILE [--dry-run]",
	.summary = "Make the items and sales of a file (JSON or CSV), all of them or none",
	.details = "JSON: {\"items\":[...],\"sales\":[...]}, each as POST /v1/items and POST /v1/sales take it.\n"
		   "CSV: a line of titles, then an item or a lot of a sale a line. sku, item_name, on_hand make an item; sale, sale_name, sku, units, "
		   "price, currency, limit, hold, rate (3/60 or off), opens_at, closes_at, schedule, announce, late_confirm (yes or no) a sale, whose "
		   "lines each have one of its lots, and what is said of the sale in any of them.\n"
		   "What is there already as the file has it stays as it is, so the same file again changes nothing: items of the same name, drafts of "
		   "the same terms and lots, sales that are no drafts any more. Sales are made as drafts.\n",
	.settings = true,
	.run = import_run,
};
