/* How the judgement of a ledger, and of a rehearsal, is shown. */
#pragma once

#include <jansson.h>
#include "cli/cli.h"

/* Whether every sum of the audit is as promised. */
bool audit_holds(const struct ledger_audit *audit);
/* CLI_OK where every promise holds, else CLI_FAILED. */
int audit_print(const struct ledger_audit *audit);
json_t *audit_to_json(const struct ledger_audit *audit);
