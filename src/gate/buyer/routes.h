/* What answers a buyer, and the operators' like it. Each answers, or defers. */
#pragma once

#include "gate/thread.h"

void purchase_start(struct gate_request *request);
void own_orders_list(struct gate_request *request);
void orders_show(struct gate_request *request);
void orders_cancel(struct gate_request *request);
void orders_operator_list(struct gate_request *request);
void orders_operator_show(struct gate_request *request);
void orders_operator_confirm(struct gate_request *request);
void orders_operator_cancel(struct gate_request *request);
void orders_operator_extend(struct gate_request *request);
void sales_list(struct gate_request *request);
void sales_show(struct gate_request *request);
void feed_start(struct gate_request *request);
