/* Private to the gate: /metrics by sale, for the sales that sale_tally_choose() chooses. */
#pragma once

#include "gate/thread.h"

/* Before the threads run. */
void sale_metrics_register(struct gate *gate);
/* What purchases of the sale have come to, over all threads. Any thread. */
void sale_metrics_purchases(const struct gate *gate, uint32_t sale, uint64_t counts[PURCHASE_OUTCOMES]);
