/* Private to the gate: what the routes of sales and of their lots share. */
#pragma once

#include "gate/errand.h"

struct sale_control *operator_control(const struct gate_errand *errand);
/* Says what a refusal or a failure of sale control means; id: the sale's. */
void operator_say_control(struct gate_errand *errand, const char *id, int r);
