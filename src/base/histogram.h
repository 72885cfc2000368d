/*
 * Log-linear histogram (the idea of HdrHistogram): values from 0 to 2^40 with a relative error
 * under 1/64. For latency in nanoseconds or sizes. Fixed size (about 18 KiB). One writer with
 * relaxed atomics; any reader; merge adds.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 6, HISTOGRAM_VALUE_BITS = 40 };
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

struct histogram {
	_Atomic uint64_t counts[HISTOGRAM_BUCKETS];
	_Atomic uint64_t total, sum, max;
};

void histogram_record(struct histogram *histogram, uint64_t value); /* clamps at 2^40 - 1 */
void histogram_merge(struct histogram *into, const struct histogram *from);
/*
 * The smallest recorded-value bound v such that at least `quantile` (0..1) of the values are <= v;
 * 0 when empty.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);
/* How many recorded values are <= bound (by whole buckets). For Prometheus buckets. */
uint64_t histogram_count_below(const struct histogram *histogram, uint64_t bound);
