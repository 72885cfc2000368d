#include "cli/relay/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"

static const struct backoff_range again = {.first_ns = 500000000, .most_ns = 60000000000};

static void change_free(struct change *change)
{
	free(change->cursor);
	free(change->id);
	free(change->body);
	free(change);
}

void lines_deinit(struct lines *lines)
{
	struct line *next;

	for (size_t i = 0; i < lines->count; i++)
		change_free(lines->order[i]);
	for (struct line *line = lines->first; line; line = next) {
		next = line->next;
		free(line);
	}
	free(lines->order);
	free(lines->low);
	*lines = (struct lines){0};
}

static struct line *line_of(struct lines *lines, const char *sale)
{
	struct line *line;

	for (line = lines->first; line; line = line->next)
		if (strcmp(line->sale, sale) == 0)
			return line;
	line = calloc(1, sizeof(*line));
	if (!line)
		return NULL;
	snprintf(line->sale, sizeof(line->sale), "%s", sale);
	line->next = lines->first;
	lines->first = line;
	return line;
}

/* The number in a cursor; 0: it is none. */
static int64_t number_of(const char *cursor)
{
	const char *dot = cursor ? strchr(cursor, '.') : NULL;

	return dot ? strtoll(dot + 1, NULL, 10) : 0;
}

int lines_restore(struct lines *lines, const json_t *position)
{
	const char *after = json_string_value(json_object_get(position, "after"));
	const json_t *ahead = json_object_get(position, "ahead");

	if (!json_is_object(position))
		return 0;
	if (after && !(lines->low = strdup(after)))
		return error_origin(-ENOMEM);
	for (size_t i = 0; i < json_array_size(ahead); i++) {
		const char *sale = json_string_value(json_array_get(json_array_get(ahead, i), 0));
		const char *cursor = json_string_value(json_array_get(json_array_get(ahead, i), 1));
		struct line *line;

		if (!sale || !number_of(cursor))
			return -EBADMSG;
		line = line_of(lines, sale);
		if (!line)
			return error_origin(-ENOMEM);
		line->done_to = number_of(cursor);
	}
	return 0;
}

json_t *lines_position(const struct lines *lines)
{
	enum { AHEAD_MAX = 24 }; /* of those beyond it, what was sent is sent again after a restart */
	json_t *ahead = json_array();

	for (const struct line *line = lines->first; line && json_array_size(ahead) < AHEAD_MAX; line = line->next) {
		const struct change *last = NULL;

		for (size_t i = 0; i < lines->count; i++)
			if (lines->order[i]->done && lines->order[i]->line == line)
				last = lines->order[i];
		if (last)
			json_array_append_new(ahead, json_pack("[ss]", line->sale, last->cursor));
	}
	return json_pack("{s:o,s:o}", "after", lines->low ? json_string(lines->low) : json_null(), "ahead", ahead);
}

/* The low-water mark rises over what is done. */
static void advance(struct lines *lines)
{
	size_t done = 0;

	while (done < lines->count && lines->order[done]->done) {
		free(lines->low);
		lines->low = lines->order[done]->cursor;
		lines->order[done]->cursor = NULL;
		change_free(lines->order[done++]);
	}
	lines->count -= done;
	memmove(lines->order, lines->order + done, lines->count * sizeof(*lines->order));
}

int lines_add(struct lines *lines, const json_t *json)
{
	const char *cursor = json_string_value(json_object_get(json, "cursor")),
		   *id = json_string_value(json_object_get(json, "id"));
	const char *sale = json_string_value(json_object_get(json_object_get(json, "data"), "sale"));
	struct change *change;

	if (!cursor || !id || !sale || !number_of(cursor))
		return -EBADMSG;
	change = calloc(1, sizeof(*change));
	if (!change || array_fit(&lines->order, &lines->capacity, lines->count + 1, sizeof(struct change *))) {
		free(change);
		return error_origin(-ENOMEM);
	}
	*change = (struct change){
		NULL, line_of(lines, sale), number_of(cursor), strdup(cursor), strdup(id), json_dumps(json, JSON_COMPACT), false};
	if (!change->line || !change->cursor || !change->id || !change->body) {
		change_free(change);
		return error_origin(-ENOMEM);
	}
	lines->order[lines->count++] = change;
	if (change->number <= change->line->done_to) {
		change->done = true;
		advance(lines);
		return 0;
	}
	if (change->line->tail)
		change->line->tail->behind = change;
	else
		change->line->head = change;
	change->line->tail = change;
	return 0;
}

struct change *lines_due(struct lines *lines, int64_t now_ns, int64_t *wait_ns)
{
	for (struct line *line = lines->first; line; line = line->next) {
		if (!line->head || line->in_flight)
			continue;
		if (line->backoff.not_before_ns <= now_ns) {
			line->in_flight = true;
			return line->head;
		}
		if (line->backoff.not_before_ns - now_ns < *wait_ns)
			*wait_ns = line->backoff.not_before_ns - now_ns;
	}
	return NULL;
}

void lines_done(struct lines *lines, struct change *change)
{
	struct line *line = change->line;

	line->head = change->behind;
	if (!line->head)
		line->tail = NULL;
	line->in_flight = line->told = false;
	line->failing_since_ns = 0;
	backoff_reset(&line->backoff);
	change->done = true;
	advance(lines);
}

void lines_failed(struct change *change, int64_t now_ns)
{
	struct line *line = change->line;

	line->in_flight = false;
	if (line->failing_since_ns == 0)
		line->failing_since_ns = now_ns;
	(void)backoff_fail(&line->backoff, &again, -EIO);
}
