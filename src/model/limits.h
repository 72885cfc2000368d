/*
 * Every size in the program has a limit, and this is where the domain's limits are. They bound the
 * memory of one request and one row; none is a tuning knob.
 */
#pragma once

enum {
	SALE_ID_MAX = 64,       /* bytes; [a-z0-9] first, then [a-z0-9._-] */
	SKU_MAX = 64,           /* bytes; [A-Za-z0-9._-] */
	NAME_MAX_BYTES = 200,   /* bytes of UTF-8, no control characters */
	BUYER_MAX = 128,        /* bytes; printable ASCII without space: what a token's `sub` may be */
	KEY_MAX = 128,          /* bytes of an Idempotency-Key; printable ASCII */
	LOTS_MAX = 200,         /* lots in a sale: more sizes than any shoe has */
	UNITS_MAX = 1000000000, /* of one lot or item: sums of LOTS_MAX lots stay far below 2^63 */
	LIMIT_MAX = 1000,       /* units a buyer may have of a sale */
	RATE_REQUESTS_MAX = 60,
	RATE_SECONDS_MAX = 3600,
	HOLD_SECONDS_MAX = 7 * 24 * 3600,
	PAYMENT_REFERENCE_MAX = 128, /* bytes; printable ASCII without space */
	PAYMENT_METHOD_MAX = 32,     /* likewise */
	ORDER_REFERENCE_MAX = 128,   /* likewise */
	REASON_MAX = 200,            /* bytes of why an order was changed; as NAME_MAX_BYTES */
	METADATA_MAX = 512,          /* bytes of an order's metadata, as a JSON object without spaces */
	METADATA_PAIRS_MAX = 8,
	METADATA_NAME_MAX = 40, /* bytes; printable ASCII without space */
	TRACE_SIZE = 55,        /* characters of a traceparent (W3C Trace Context, section 3.2) */
};
