/*
 * Every refusal that a client can get: one table gives its status, code, title and first words (RFC
 * 9457). Types are urn:penstock:problem:CODE; they and the codes are stable.
 */
#pragma once

#include "base/error.h"
#include "text/buffer.h"

/*
 * Each: PROBLEM(name, status, code, title, detail). What buyers' purchases are refused with is
 * chosen in model/refusal.h.
 */
#define PROBLEMS(PROBLEM)                                                                                                                  \
	PROBLEM(MALFORMED_REQUEST, 400, "malformed-request", "Malformed request",                                                          \
		"The request is not valid HTTP/1.1 or its body is not valid JSON.")                                                        \
	PROBLEM(LENGTH_REQUIRED, 411, "length-required", "Length required",                                                                \
		"Send the body with a Content-Length; chunked bodies are not read.")                                                       \
	PROBLEM(BODY_TOO_LARGE, 413, "body-too-large", "Body too large",                                                                   \
		"A body has at most 16384 bytes, on the operators' listener 524288.")                                                      \
	PROBLEM(HEADERS_TOO_LARGE, 431, "headers-too-large", "Headers too large",                                                          \
		"The request line and headers together are more bytes, or more headers, than are taken here.")                             \
	PROBLEM(HTTP_VERSION, 505, "http-version", "HTTP version not supported", "Use HTTP/1.1.")                                          \
	PROBLEM(TRANSFER_ENCODING, 501, "transfer-encoding", "Transfer coding not supported",                                              \
		"Send the body plain, with a Content-Length.")                                                                             \
	PROBLEM(EXPECTATION, 417, "expectation", "Expectation failed", "The only expectation that is met is 100-continue.")                \
	PROBLEM(REQUEST_TIMEOUT, 408, "request-timeout", "Request timeout", "The whole request did not arrive in time.")                   \
	PROBLEM(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported-media-type", "Unsupported media type", "Send the body as application/json.")     \
	PROBLEM(INVALID_VALUE, 422, "invalid-value", "Invalid value", "A value is not what it must be.")                                   \
	PROBLEM(UNKNOWN_FIELD, 422, "unknown-field", "Unknown field", "The body has a field that is not known here.")                      \
	PROBLEM(KEY_REUSED, 422, "idempotency-key-reused", "Idempotency key reused",                                                       \
		"This Idempotency-Key was used with another body. Another request needs another key.")                                     \
	PROBLEM(UNAUTHORIZED, 401, "unauthorized", "Unauthorized", "Who asks is not known.")                                               \
	PROBLEM(FORBIDDEN, 403, "forbidden", "Forbidden", "This operator's scopes do not allow it.")                                       \
	PROBLEM(NOT_FOUND, 404, "not-found", "Not found", "There is nothing at this path. See /openapi.json.")                             \
	PROBLEM(UNKNOWN_SALE, 404, "unknown-sale", "Unknown sale", "There is no sale of this id.")                                         \
	PROBLEM(UNKNOWN_ORDER, 404, "unknown-order", "Unknown order", "There is no order of this id, or it is not yours.")                 \
	PROBLEM(UNKNOWN_ITEM, 404, "unknown-item", "Unknown item", "There is no item of this SKU.")                                        \
	PROBLEM(METHOD_NOT_ALLOWED, 405, "method-not-allowed", "Method not allowed",                                                       \
		"The Allow header says which methods this path has.")                                                                      \
	PROBLEM(WRONG_HOST, 421, "wrong-host", "Wrong host",                                                                               \
		"This listener answers to localhost, its own address and the names in operator.hosts.")                                    \
	PROBLEM(SALE_NOT_OPEN, 409, "sale-not-open", "Sale not open", "The sale is not open now.")                                         \
	PROBLEM(BUYER_LIMIT, 409, "buyer-limit-reached", "Limit per buyer reached",                                                        \
		"You have as many units of this sale as one buyer may have.")                                                              \
	PROBLEM(IN_FLIGHT, 409, "request-in-flight", "Request in flight",                                                                  \
		"An earlier request for the same is still being decided. Ask again shortly.")                                              \
	PROBLEM(HOLD_EXPIRED, 409, "hold-expired", "Hold expired", "The hold ran out before the order was confirmed.")                     \
	PROBLEM(ORDER_STATE, 409, "order-state", "Order state", "The state of the order does not allow it.")                               \
	PROBLEM(ORDER_QUANTITY, 409, "order-quantity", "Order quantity", "The order does not have so many units. Nothing was done.")       \
	PROBLEM(PAID_ALREADY, 409, "paid-already", "Paid already",                                                                         \
		"The order has another payment. Nothing was done: give the second one back.")                                              \
	PROBLEM(WRONG_AMOUNT, 409, "wrong-amount", "Wrong amount", "The payment is not what the order costs. Nothing was done.")           \
	PROBLEM(REFERENCE_USED, 409, "reference-used", "Reference used",                                                                   \
		"This payment has paid for another order of the sale. Nothing was done.")                                                  \
	PROBLEM(SALE_STATE, 409, "sale-state", "Sale state", "The state of the sale does not allow it.")                                   \
	PROBLEM(NOT_ENOUGH_UNITS, 409, "not-enough-units", "Not enough units", "The item does not have so many units on hand.")            \
	PROBLEM(NAME_TAKEN, 409, "name-taken", "Name taken", "There is one of this name already.")                                         \
	PROBLEM(SALE_CHANGED, 409, "sale-changed", "Sale changed", "Somebody else changed the sale at the same time. Read it again.")      \
	PROBLEM(RELAY_CHANGED, 409, "relay-changed", "Relay changed",                                                                      \
		"Another process has kept the position of this relay, or an operator has skipped a change. Read it again.")                \
	PROBLEM(SOLD_OUT, 410, "sold-out", "Sold out", "There are not so many units left.")                                                \
	PROBLEM(SALE_ENDED, 410, "sale-ended", "Sale ended", "The sale is over.")                                                          \
	PROBLEM(CURSOR_UNKNOWN, 410, "cursor-unknown", "Cursor unknown",                                                                   \
		"This ledger has no such place: it was restored from a backup, or is another. Begin anew, at a time or at the beginning.") \
	PROBLEM(RATE_LIMITED, 429, "rate-limited", "Too many requests", "You ask more often than the sale allows one buyer.")              \
	PROBLEM(ADDRESS_RATE_LIMITED, 429, "address-rate-limited", "Too many requests",                                                    \
		"Your address asks more often than one address may.")                                                                      \
	PROBLEM(OVERLOADED, 503, "overloaded", "Overloaded", "There is no room for this request now.")                                     \
	PROBLEM(FENCED, 503, "fenced", "Fenced", "The stock of this sale is being rebuilt.")                                               \
	PROBLEM(JOURNAL_UNAVAILABLE, 503, "journal-unavailable", "Journal unavailable",                                                    \
		"The order could not be made durable and was not accepted. Ask again.")                                                    \
	PROBLEM(STOCK_UNAVAILABLE, 503, "stock-unavailable", "Stock unavailable", "The stock cannot be reached. Nothing was done.")        \
	PROBLEM(LEDGER_UNAVAILABLE, 503, "ledger-unavailable", "Ledger unavailable", "The ledger cannot be reached. Nothing was done.")    \
	PROBLEM(SHUTTING_DOWN, 503, "shutting-down", "Shutting down",                                                                      \
		"This server is stopping. Ask again: another one, or this one restarted, will answer.")                                    \
	PROBLEM(OUTCOME_UNKNOWN, 503, "outcome-unknown", "Outcome unknown",                                                                \
		"It cannot be said yet whether this was done. Retry with the same Idempotency-Key to learn it.")

enum problem {
#define PROBLEM(name, ...) PROBLEM_##name,
	PROBLEMS(PROBLEM)
#undef PROBLEM
		PROBLEM_COUNT,
};

int problem_status(enum problem problem);
const char *problem_code(enum problem problem);
/*
 * The document. detail NULL: the table's. members: further JSON members, each beginning with a
 * comma, or empty.
 */
void problem_render(enum problem problem, const char *detail, struct slice members, struct buffer *out);
