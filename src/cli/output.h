/*
 * What the commands over the operator's routes share: one connection a command, paths, lists, JSON.
 */
#pragma once

#include "cli/client.h"
#include "cli/table.h"

enum { OUTPUT_PATH_SIZE = 256, OUTPUT_PAGE = 1000 /* rows that a page has, where there are so many */ };

/*
 * Loads the settings and opens the client by them. CLI_GO or the exit code; close in either case.
 */
int output_session(struct cli *cli, struct client *client, const char *url) MUST_CHECK;

/* One question to one client. Takes `body`. CLI_GO and *answer, or the exit code. */
int output_ask(struct cli *cli, const char *url, const char *method, const char *path, json_t *body, json_t **answer) MUST_CHECK;

/* All of a file. Deinit in either case. CLI_GO or the exit code. */
int output_read_file(const char *path, struct buffer *text) MUST_CHECK;

/* "" and 0 where the field is missing, null or of another kind. */
const char *output_field_text(const json_t *object, const char *name);
int64_t output_field_integer(const json_t *object, const char *name);

/* Prints the JSON, indented, and drops it. */
int output_json(json_t *json);
/*
 * before + name + after; a name that no URL path could carry is refused. CLI_GO or the exit code.
 */
/* As a value in a query: everything but letters, digits and "-._~" is percent-encoded. */
void output_append_query(struct buffer *out, const char *text);
int output_path(char path[static OUTPUT_PATH_SIZE], const char *before, const char *name, const char *after) MUST_CHECK;
/*
 * Before what cannot be taken back: asks on a terminal; elsewhere it must have been said with
 * --yes. The question ends with a question mark. CLI_GO, or the exit code: nothing is to be done.
 */
int output_sure(const struct cli *cli, bool yes, const char *format, ...) __attribute__((format(printf, 3, 4))) MUST_CHECK;
#define YES_OPTION(yes)                                            \
	{                                                          \
		"yes", 'y', OPTION_FLAG, (yes), NULL, "do not ask" \
	}
/* A number of units, at least 1. CLI_GO or the exit code. */
int output_units(const struct cli *cli, const char *text, int64_t *units) MUST_CHECK;
/* The rows of an array as a table, or as JSON; takes the array. The exit code. */
int output_rows(json_t *rows, bool json, const char *const *titles, void (*cells)(struct table *, const json_t *));
/* "&name=value" at the end of a path that has a query; NULL: nothing. */
void output_filter(struct buffer *path, const char *name, const char *value);
/*
 * Each page of a list in turn, and no more of them in memory than one: its rows, which are the
 * array `name` of each answer. A page returns CLI_GO for the next one, CLI_OK where it is enough,
 * or an exit code, the error told. CLI_OK at the end. `path` may carry a query. `first`: the first
 * page's `after`; NULL: it is the beginning.
 */
typedef int output_page_fn(void *context, const json_t *rows);
int output_pages(struct client *client, const char *path, const char *first, const char *name, output_page_fn *page,
		 void *context) MUST_CHECK;
/* "?name=value" at the end of a path, or "&name=value" where it has a query; NULL: nothing. */
void output_add_query(struct buffer *path, const char *name, const char *value);
/* Every page of a list as one table, or as one JSON array. `path` may carry a query. */
int output_list(struct client *client, bool json, const char *path, const char *name, const char *const *titles,
		void (*cells)(struct table *, const json_t *));

/* "12,345" in one of a few static places: good for the arguments of one printf. */
const char *output_thousands(uint64_t number);
/*
 * A moment in any of the forms that commands take: "2027-01-01 10:00 Europe/Berlin", RFC 3339.
 * also: what the option takes besides, ", or …", or "". CLI_GO, or a usage error, said.
 */
int output_moment(const struct cli *cli, const char *option, const char *at, const char *also, int64_t *wall_ms);
