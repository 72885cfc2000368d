#include "cli/audit_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/style.h"

bool audit_holds(const struct ledger_audit *audit)
{
	return audit->p1_broken == 0 && audit->p2_broken == 0 && audit->p3_broken == 0 && audit->p4_broken == 0 &&
	       audit->log_broken == 0;
}

static void promise_line(const char *number, const char *text, int64_t broken, const char *what)
{
	if (broken == 0)
		printf("  %s%-4s%s %-40s %sholds%s\n", style(STYLE_BOLD), number, style(STYLE_END), text, style(STYLE_GREEN),
		       style(STYLE_END));
	else
		printf("  %s%-4s%s %-40s %sBROKEN%s: %" PRId64 " %s\n", style(STYLE_BOLD), number, style(STYLE_END), text,
		       style(STYLE_RED), style(STYLE_END), broken, what);
}

static const char *plural(int64_t count)
{
	return count == 1 ? "" : "s";
}

int audit_print(const struct ledger_audit *audit)
{
	printf("  %" PRId64 " sale%s, %" PRId64 " lot%s, %" PRId64 " order%s (%" PRId64 " held, %" PRId64 " confirmed, %" PRId64
	       " cancelled, %" PRId64 " expired)\n",
	       audit->sales, plural(audit->sales), audit->lots, plural(audit->lots), audit->orders, plural(audit->orders),
	       audit->held, audit->confirmed, audit->cancelled, audit->expired);
	printf("  units: %" PRId64 " allocated = %" PRId64 " available + %" PRId64 " held + %" PRId64 " confirmed + %" PRId64
	       " withdrawn; %" PRId64 " movement%s\n\n",
	       audit->units_allocated, audit->units_available, audit->units_held, audit->units_confirmed, audit->units_withdrawn,
	       audit->movements, plural(audit->movements));
	promise_line("P1", "never oversold", audit->p1_broken, "lots have more live units than they were given");
	promise_line("P2", "never lost", audit->p2_broken, "orders do not match their movements, or may lie among the dead letters");
	promise_line("P3", "never twice", audit->p3_broken, "buyers above their limit, or keys with two orders");
	promise_line("P4", "never leaked", audit->p4_broken, "balances are not the sum of their movements");
	promise_line("log", "the operator's log is whole", audit->log_broken, "rows do not follow from the one before");
	if (audit->dead_letters > 0)
		printf("\n  %" PRId64 " events could not be applied: see `penstock replay`\n", audit->dead_letters);
	if (audit->shared_payments > 0)
		printf("\n  %" PRId64 " payments are told for several orders: see GET /v1/orders?payment=\n", audit->shared_payments);
	if (audit->first[0])
		printf("\n  first fault: %s\n", audit->first);
	return audit_holds(audit) ? CLI_OK : CLI_FAILED;
}

json_t *audit_to_json(const struct ledger_audit *audit)
{
	json_t *first = audit->first[0] ? json_string(audit->first) : json_null();

	return json_pack("{s:b, s:{s:{s:I}, s:{s:I}, s:{s:I}, s:{s:I}}, s:{s:I, s:I}, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I, s:I}, s:o}",
			 "ok", audit_holds(audit), "promises", "p1", "broken", (json_int_t)audit->p1_broken, "p2", "broken",
			 (json_int_t)audit->p2_broken, "p3", "broken", (json_int_t)audit->p3_broken, "p4", "broken",
			 (json_int_t)audit->p4_broken, "operator_log", "rows", (json_int_t)audit->log_rows, "broken",
			 (json_int_t)audit->log_broken, "totals", "sales", (json_int_t)audit->sales, "lots",
			 (json_int_t)audit->lots, "orders", (json_int_t)audit->orders, "held", (json_int_t)audit->held,
			 "confirmed", (json_int_t)audit->confirmed, "cancelled", (json_int_t)audit->cancelled, "expired",
			 (json_int_t)audit->expired, "units_allocated", (json_int_t)audit->units_allocated, "units_available",
			 (json_int_t)audit->units_available, "units_held", (json_int_t)audit->units_held, "units_confirmed",
			 (json_int_t)audit->units_confirmed, "units_withdrawn", (json_int_t)audit->units_withdrawn, "movements",
			 (json_int_t)audit->movements, "dead_letters", (json_int_t)audit->dead_letters, "shared_payments",
			 (json_int_t)audit->shared_payments, "first", first);
}
