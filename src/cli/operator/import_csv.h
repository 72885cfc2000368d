/* What `penstock import` reads, and where each part of it stands in the file. */
#pragma once

#include <jansson.h>
#include "cli/cli.h"
#include "text/slice.h"

/* The line of each element, by its place. */
struct import_lines {
	size_t *all, count, capacity;
};

struct import_file {
	const char *path;
	json_t *body; /* of POST /v1/imports */
	struct import_lines item_lines, sale_lines;
};

void import_file_deinit(struct import_file *file);
/* CLI_GO or the exit code. */
int import_note_line(struct import_lines *lines, size_t line) MUST_CHECK;
/* file->body of a text with a line of titles. CLI_GO, or the exit code, the error told. */
int import_read_csv(struct import_file *file, struct slice text) MUST_CHECK;
