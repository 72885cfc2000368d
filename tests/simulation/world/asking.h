/* An operation of the plan, from its first request until its answer. */
#pragma once

#include "simulation/world/parts.h"

struct asking {
	struct world *world;
	const struct plan_op *op;
	uint32_t number;
	struct draw draw;
	struct world_request request;
	char target[192], body[256], key[32], buyer[16];
	struct history_operation history;
	struct world_answer answer;
};

/* request.c: the request, as it is sent at each attempt. */
void request_write(struct asking *asking);
/* answer.c: it has come to `operation` of the history. */
void answer_tell_judge(struct asking *asking, uint32_t operation);
