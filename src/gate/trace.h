/*
 * W3C Trace Context: the traceparent of a request, taken from the client where it is well formed,
 * else made.
 */
#pragma once

#include <stdint.h>
#include "model/limits.h"
#include "text/slice.h"

struct trace {
	char text[TRACE_SIZE]; /* 00-<32 hex>-<16 hex>-<2 hex> */
};

void trace_take(struct trace *trace, struct slice traceparent);
/* 32 hex digits, without a NUL behind them. */
static inline const char *trace_id(const struct trace *trace)
{
	return trace->text + 3;
}
static inline struct slice trace_slice(const struct trace *trace)
{
	return (struct slice){trace->text, TRACE_SIZE};
}
