#include "workers/return_batch.h"

void return_batch(struct message **messages, void **scratch, size_t count)
{
	while (count) {
		struct lane *lane = messages[0]->reply;
		size_t same = 0, other = 0, pushed = 0;

		for (size_t i = 0; i < count; i++) {
			if (messages[i]->reply == lane)
				scratch[same++] = messages[i];
			else
				messages[other++] = messages[i];
		}
		while (pushed < same) {
			ASSERT(!lane_closed(lane));
			pushed += lane_push(lane, LANE_URGENT, scratch + pushed, same - pushed);
		}
		count = other;
	}
}
