/* Private to the gate: bodies that make or change a sale. What is refused is said in the reply. */
#pragma once

#include <jansson.h>
#include "core/sale_control.h"
#include "gate/reply.h"

/*
 * The sale that the body describes, malloc'd; NULL: refused. path: what it is called in messages
 * ("", "sales[2].").
 */
struct sale *operator_sale_read_new(json_t *body, const char *path, struct reply *reply);
/*
 * What the body changes: fields of `change` (enum sale_field, in *given), or *lots, borrowed from
 * it. 0, or 1: refused.
 */
int operator_sale_read_change(json_t *body, struct sale *change, unsigned *given, json_t **lots, struct reply *reply) MUST_CHECK;
/*
 * SKU and units of the sale's lot_count lots; path: likewise; min: units that a lot must have. 0,
 * or 1: refused.
 */
int operator_sale_read_lots(json_t *array, const char *path, struct sale *sale, int64_t min, struct reply *reply) MUST_CHECK;
