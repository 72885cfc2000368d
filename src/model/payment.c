#include "model/payment.h"

#include <string.h>
#include "base/assertion.h"

static bool all_within(struct slice text, char low, char high, size_t max)
{
	if (text.size < 1 || text.size > max)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < low || text.data[i] > high)
			return false;
	return true;
}

static void copy(char *to, size_t size, struct slice text)
{
	ASSERT(text.size < size);
	if (text.size)
		memcpy(to, text.data, text.size);
	to[text.size] = '\0';
}

void payment_row_set(struct payment_row *row, const struct payment *payment)
{
	copy(row->reference, sizeof(row->reference), payment->reference);
	copy(row->method, sizeof(row->method), payment->method);
	row->amount = payment->amount;
	memcpy(row->currency, payment->currency, sizeof(row->currency));
}

struct payment payment_of_row(const struct payment_row *row)
{
	struct payment payment = {.reference = slice_of(row->reference), .method = slice_of(row->method), .amount = row->amount};

	memcpy(payment.currency, row->currency, sizeof(payment.currency));
	return payment;
}

bool payment_reference_valid(struct slice reference)
{
	return all_within(reference, '!', '~', PAYMENT_REFERENCE_MAX);
}

bool payment_method_valid(struct slice method)
{
	return all_within(method, '!', '~', PAYMENT_METHOD_MAX);
}

bool payment_currency_valid(struct slice currency)
{
	return currency.size == 3 && all_within(currency, 'A', 'Z', 3);
}

bool payment_set_currency(struct payment *payment, struct slice currency)
{
	if (!payment_currency_valid(currency))
		return false;
	memcpy(payment->currency, currency.data, currency.size);
	payment->currency[currency.size] = '\0';
	return true;
}
