/* An operation of the plan, from its first request until its answer. */
#pragma once

#include <jansson.h>
#include "simulation/world/parts.h"

struct asking {
	struct world *world;
	const struct plan_op *op;
	uint32_t number;
	struct draw draw;
	struct world_request request;
	char target[192], body[256], key[32], buyer[16], payment[16];
	struct history_operation history;
	struct world_answer answer;
};

/* request.c: the request, as it is sent at each attempt. */
void request_write(struct asking *asking);
/* answer.c: an order, as any answer shows it. False: it is none. */
bool answer_read_order(json_t *object, struct history_order *order);
int64_t answer_time(json_t *object, const char *name); /* ms; 0: it is not there */
/* It has come to `operation` of the history. */
void answer_tell_judge(struct asking *asking, uint32_t operation);
