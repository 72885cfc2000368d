/*
 * Any bytes: decoding refuses them with a reason, or gives an event that is encoded and decoded to
 * itself. A space before them, which keeps the quick reader away, changes neither the event nor the
 * reason.
 */
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/log.h"
#include "model/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct event *a, const struct event *b)
{
	ASSERT(a->kind == b->kind);
	ASSERT(a->sale == b->sale);
	ASSERT(a->epoch == b->epoch);
	ASSERT(a->lot == b->lot);
	ASSERT(a->quantity == b->quantity);
	ASSERT(a->buyer_units == b->buyer_units);
	ASSERT(a->limit_per_buyer == b->limit_per_buyer);
	ASSERT(a->left == b->left);
	ASSERT(a->units_to == b->units_to);
	ASSERT(a->priced == b->priced);
	ASSERT(a->unit_price == b->unit_price);
	ASSERT(uuid_equal(&a->id, &b->id));
	ASSERT(a->at_ms == b->at_ms);
	ASSERT(a->hold_expires_at_ms == b->hold_expires_at_ms);
	ASSERT(slice_equal(a->buyer, b->buyer));
	ASSERT(slice_equal(a->key, b->key));
	ASSERT(a->actor_kind == b->actor_kind);
	ASSERT(uuid_equal(&a->request, &b->request));
	ASSERT(slice_equal(a->refund, b->refund));
	ASSERT(slice_equal(a->reason, b->reason));
	ASSERT(slice_equal(a->labels.reference, b->labels.reference));
	ASSERT(slice_equal(a->labels.metadata, b->labels.metadata));
	ASSERT(slice_equal(a->payment.reference, b->payment.reference));
	ASSERT(slice_equal(a->payment.method, b->payment.method));
	ASSERT(a->payment.amount == b->payment.amount);
	ASSERT(memcmp(a->payment.currency, b->payment.currency, sizeof(a->payment.currency)) == 0);
	ASSERT(slice_equal(a->actor, b->actor));
	ASSERT(slice_equal(a->trace, b->trace));
}

static void check_spaced(const uint8_t *data, size_t size, int error, const struct event *event, const char *reason)
{
	struct event again;
	struct event_text text;
	struct buffer spaced;
	const char *its_reason;

	buffer_init(&spaced, size + 1);
	buffer_append(&spaced, " ", 1);
	buffer_append(&spaced, data, size);
	ASSERT(!spaced.failed);
	ASSERT(event_decode(buffer_slice(&spaced), &again, &text, &its_reason) == error);
	if (error)
		ASSERT(strcmp(its_reason, reason) == 0);
	else
		check_same(event, &again);
	buffer_deinit(&spaced);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event event, again;
	struct event_text text, text_again;
	struct buffer out;
	const char *reason;
	int error;

	log_set_level(LOG_OFF);
	error = event_decode((struct slice){(const char *)data, size}, &event, &text, &reason);
	check_spaced(data, size, error, &event, reason);
	if (error) {
		ASSERT(error == -EBADMSG || error == -EPROTONOSUPPORT);
		ASSERT(reason);
		return 0;
	}
	ASSERT(!reason);
	buffer_init(&out, 1 << 16);
	event_encode(&event, &out);
	ASSERT(!out.failed);
	ASSERT(event_decode(buffer_slice(&out), &again, &text_again, &reason) == 0);
	check_same(&event, &again);
	buffer_deinit(&out);
	return 0;
}
