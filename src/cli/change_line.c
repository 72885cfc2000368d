#include "cli/change_line.h"

#include <inttypes.h>
#include <string.h>
#include "cli/output.h"
#include "model/order.h"

/* An amount stays as it is told, in the currency's smallest unit. */
static void append_payment(const json_t *event, struct buffer *out)
{
	const char *reference = output_field_text(event, "payment_reference");

	if (*reference)
		buffer_printf(out, ", paid %" PRId64 " %s by %s", output_field_integer(event, "payment_amount"),
			      output_field_text(event, "payment_currency"), reference);
}

/*
 * Where units went that were not for sale again, what the order has left, and the refund's own
 * name.
 */
static void append_refund(const json_t *event, struct buffer *out)
{
	const char *kind = output_field_text(event, "kind"), *units = output_field_text(event, "units");
	const char *reference = output_field_text(event, "reference");
	bool reduced = strcmp(kind, "order.reduced") == 0;

	if (!reduced && strcmp(kind, "order.cancelled") != 0 && strcmp(kind, "order.refunded") != 0)
		return;
	if (reduced)
		buffer_printf(out, ", %" PRId64 " left", output_field_integer(event, "left"));
	if (*units)
		buffer_printf(out, ", units%s %s", strcmp(units, "gone") == 0 ? "" : " to the", units);
	if (*reference)
		buffer_printf(out, ", by %s", reference);
}

void change_line(const json_t *change, struct buffer *out)
{
	const json_t *data = json_object_get(change, "data"), *event = json_object_get(data, "event"),
		     *order = json_object_get(data, "order");
	int64_t quantity = output_field_integer(event, "quantity");
	const char *state = output_field_text(data, "state");

	if (!quantity)
		quantity = output_field_integer(order, "quantity");
	buffer_printf(out, "%s  %-15s  %s  %s", output_field_text(change, "timestamp"), output_field_text(event, "kind"),
		      output_field_text(data, "sale"), output_field_text(event, "id"));
	if (order && !json_is_null(order))
		buffer_printf(out, "  %s", output_field_text(order, "buyer"));
	buffer_printf(out, "  %" PRId64 " x %s", quantity, output_field_text(data, "sku"));
	if (*state)
		buffer_printf(out, "  %s", state);
	append_payment(event, out);
	append_refund(event, out);
	buffer_append_text(out, "\n");
}

bool change_is_refund(const json_t *change)
{
	const json_t *data = json_object_get(change, "data");
	const char *kind = output_field_text(json_object_get(data, "event"), "kind");

	return strcmp(kind, "order.refunded") == 0 ||
	       (strcmp(kind, "order.reduced") == 0 &&
		strcmp(output_field_text(data, "state"), order_state_name(ORDER_CONFIRMED)) == 0);
}
