/* The options by which a sale is made and changed, and the body of a request that they become. */
#pragma once

#include "cli/output.h"

/* What can be said of a sale, on creation and later. */
struct sale_terms {
	const char *url, *like, *name, *currency, *rate, *opens_at, *closes_at;
	struct option_list lots;
	int64_t price, limit, hold_ms, opens_in_ms, closes_in_ms;
	bool json, late_confirm, no_late_confirm, schedule, no_schedule, announce, no_announce, arm, open;
};
extern const struct sale_terms sale_no_terms; /* nothing was given */

#define SALE_TERMS_OPTIONS(terms)                                                                                                 \
	{"name", 'n', OPTION_TEXT, &(terms).name, "TEXT", "what people call it (a new sale: its id)"},                            \
		{"price", 'p', OPTION_INTEGER, &(terms).price, "N", "in minor units: 17900 is 179.00"},                           \
		{"currency", 0, OPTION_TEXT, &(terms).currency, "CODE", "ISO 4217 (as it was; a new sale: EUR)"},                 \
		{"limit", 'l', OPTION_INTEGER, &(terms).limit, "N", "units a buyer may have, over all lots (a new sale: 1)"},     \
		{"rate",        0,           OPTION_TEXT,                                                                         \
		 &(terms).rate, "N/SECONDS", "requests of a buyer in any so many seconds, or off (a new sale: 3/60)"},            \
		{"hold",           0,      OPTION_DURATION,                                                                       \
		 &(terms).hold_ms, "TIME", "how long an order waits for its payment; 0: not at all (a new sale: 120s)"},          \
		{"opens-at", 0, OPTION_TEXT, &(terms).opens_at, "TIME", "\"2027-01-01 10:00 Europe/Berlin\", RFC 3339, or none"}, \
		{"opens-in", 0, OPTION_DURATION, &(terms).opens_in_ms, "TIME", "from now: 10s, 5m"},                              \
		{"closes-at", 0, OPTION_TEXT, &(terms).closes_at, "TIME", "as --opens-at"},                                       \
		{"closes-in", 0, OPTION_DURATION, &(terms).closes_in_ms, "TIME", "from now"},                                     \
		{"late-confirm",        0,    OPTION_FLAG,                                                                        \
		 &(terms).late_confirm, NULL, "a payment after the hold may still get a unit, if one is left"},                   \
		{"no-late-confirm", 0, OPTION_FLAG, &(terms).no_late_confirm, NULL, "it may not"},                                \
		{"schedule", 0, OPTION_FLAG, &(terms).schedule, NULL, "the clock arms it before it opens"},                       \
		{"no-schedule", 0, OPTION_FLAG, &(terms).no_schedule, NULL, "it does not"},                                       \
		{"announce", 0, OPTION_FLAG, &(terms).announce, NULL, "the public sees its name and times"},                      \
	{                                                                                                                         \
		"no-announce", 0, OPTION_FLAG, &(terms).no_announce, NULL, "it does not"                                          \
	}

/*
 * Puts what was given into `body`: the terms; the lots, each of at least so many units. CLI_GO or
 * the exit code. A price whose currency was not said lacks it until sale_set_currency() gives it
 * that of `other`, the sale that is changed or that this one is like; NULL, or of no price: EUR.
 */
int sale_set_terms(const struct cli *cli, json_t *body, const struct sale_terms *terms) MUST_CHECK;
bool sale_lacks_currency(const json_t *body);
void sale_set_currency(json_t *body, const json_t *other);
/*
 * The terms and lots of another sale, as the server shows it, as those of one that is made. Its
 * times are not taken over, but how long it was open is, where the new one opens by `terms` and is
 * not said to close.
 */
void sale_set_like(json_t *body, const json_t *other, const struct sale_terms *terms);
int sale_set_lots(const struct cli *cli, json_t *body, const struct option_list *lots, int64_t least) MUST_CHECK;
