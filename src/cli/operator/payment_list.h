/*
 * The payment side's own list of payments, held against the ledger's: `penstock audit --payments`.
 * Both ways: a payment that the ledger does not know was money for nothing, or an order that waits
 * for it in vain; one that the list does not know is an order that nobody has paid.
 */
#pragma once

#include <jansson.h>
#include "port/ledger.h"

/*
 * `path`: CSV with titles: `reference`, and `order`, `amount`, `currency` where they are known;
 * other columns are passed over. *findings: an array of objects, each with its reference and what
 * is wrong in words; *listed, *known: how many payments there are on each side. CLI_GO, or the exit
 * code: the file or the ledger could not be read.
 */
int payment_list_compare(const char *path, struct ledger *ledger, json_t *findings, size_t *listed, size_t *known) MUST_CHECK;
