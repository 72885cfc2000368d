#include "workers/sale_turn.h"

#include <stdlib.h>
#include "base/lock.h"

struct sale_turn {
	struct lock lock; /* held for a whole operation, across I/O */
	struct sale_control *control;
};

int sale_turn_new(struct sale_turn **out, struct sale_control *control)
{
	struct sale_turn *turn = calloc(1, sizeof(*turn));

	if (!turn)
		return error_origin(-ENOMEM);
	lock_init(&turn->lock);
	turn->control = control;
	*out = turn;
	return 0;
}

void sale_turn_free(struct sale_turn *turn)
{
	if (!turn)
		return;
	sale_control_free(turn->control);
	lock_deinit(&turn->lock);
	free(turn);
}

struct sale_control *sale_turn_take(struct sale_turn *turn)
{
	lock_take(&turn->lock);
	return turn->control;
}

void sale_turn_end(struct sale_turn *turn)
{
	lock_release(&turn->lock);
}

int sale_turn_brake(const struct sale_turn *turn, uint32_t sale, bool stopped, const struct ledger_actor *actor)
{
	return sale_control_brake(turn->control, sale, stopped, actor);
}
