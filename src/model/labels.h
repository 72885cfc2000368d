/*
 * What a shop writes on an order when it is placed: its own name for it, and a few pairs of its
 * own. Nothing here means anything to the program; but a purchase that says something else is
 * another request, so both are part of what an Idempotency-Key is compared by.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "model/limits.h"
#include "text/slice.h"

struct labels {
	struct slice reference; /* empty: none */
	struct slice metadata;  /* a JSON object of texts, by name, without spaces; empty: none */
};

bool labels_reference_valid(struct slice reference);
/* Whether it is as labels_write_metadata() writes it. */
bool labels_metadata_valid(struct slice metadata);
/*
 * The object as it is kept, in `text`: two that say the same are the same text. Its size (0: it has
 * no pairs); -EINVAL: it has too many, or one that is no text or has a bad name, or is too long.
 */
int labels_write_metadata(const json_t *object, char text[static METADATA_MAX]);
/*
 * Stands for them where they are compared; 0: there are none. No secret: whoever makes two that are
 * alike gets an earlier order of their own for it.
 */
uint64_t labels_fingerprint(const struct labels *labels);
