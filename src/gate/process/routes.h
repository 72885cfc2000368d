/* What answers whoever watches the process, and the pages that are part of it. */
#pragma once

#include "gate/ledger_task.h"

void clock_show(struct gate_request *request);
void diagnostics_live(struct gate_request *request);
void diagnostics_ready(struct gate_request *request);
void diagnostics_health(struct gate_request *request);
void diagnostics_metrics(struct gate_request *request);
void diagnostics_log_level(struct gate_request *request);
void diagnostics_set_log_level(struct ledger_task *task);
void pages_openapi_public(struct gate_request *request);
void pages_openapi_operator(struct gate_request *request);
void pages_docs(struct gate_request *request);
void pages_root(struct gate_request *request); /* to the console */
void pages_dashboard(struct gate_request *request);
void pages_engine(struct gate_request *request);
void pages_asset(struct gate_request *request);
