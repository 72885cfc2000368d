/*
 * What an order was paid with, as the payment side tells it. Its reference is the payment side's
 * own name for the payment: within a sale it pays for one order. Without a reference nothing is a
 * payment: the amount and the currency are only compared.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "model/limits.h"
#include "text/slice.h"

enum { PAYMENT_NO_AMOUNT = -1 };
#define PAYMENT_AMOUNT_MAX INT64_C(1000000000000000) /* a price's largest times an order's units stays below */

struct payment {
	struct slice reference; /* empty: none */
	struct slice method;    /* empty: not told */
	int64_t amount;         /* of the whole order, in the currency's smallest unit; PAYMENT_NO_AMOUNT: not told */
	char currency[4];       /* ISO 4217; empty: not told */
};

/* The same with its own texts, for rows. */
struct payment_row {
	char reference[PAYMENT_REFERENCE_MAX + 1], method[PAYMENT_METHOD_MAX + 1];
	int64_t amount;
	char currency[4];
};

void payment_row_set(struct payment_row *row, const struct payment *payment);
/* As it stands in the row. */
struct payment payment_of_row(const struct payment_row *row);

bool payment_reference_valid(struct slice reference);
bool payment_method_valid(struct slice method);
bool payment_currency_valid(struct slice currency);
/* Three capital letters; false, and untouched, where it is none. */
bool payment_set_currency(struct payment *payment, struct slice currency);
