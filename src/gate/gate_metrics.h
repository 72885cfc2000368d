/* Private to the gate: what it shows at /metrics. Before its threads run. */
#pragma once

#include "gate/thread.h"

void gate_register_metrics(struct gate *gate);
/* Sums over the loops of its threads. */
void gate_register_loop_metrics(struct gate *gate);
