#include "base/histogram.h"

/*
 * Values below 64 have a bucket each. Above, every power of two is cut into 64 buckets of equal
 * width, so a bucket is at most 1/64 of its values wide. An index is therefore the position of the
 * highest bit and the six bits below it.
 */
enum { SUB_BUCKETS = 1 << HISTOGRAM_SUB_BITS };
static const uint64_t value_max = ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1;

static unsigned index_of(uint64_t value)
{
	unsigned shift;

	if (value < SUB_BUCKETS)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift) - SUB_BUCKETS;
}

/* The largest value that falls into a bucket. */
static uint64_t upper_bound(unsigned index)
{
	unsigned shift;

	if (index < SUB_BUCKETS)
		return index;
	shift = (index >> HISTOGRAM_SUB_BITS) - 1;
	return (((uint64_t)(index % SUB_BUCKETS) + SUB_BUCKETS + 1) << shift) - 1;
}

static uint64_t load(const _Atomic uint64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

/* There is one writer: a load and a store are enough, and cheaper than a locked add. */
static void add(_Atomic uint64_t *cell, uint64_t value)
{
	atomic_store_explicit(cell, load(cell) + value, memory_order_relaxed);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
	if (value > value_max)
		value = value_max;
	add(&histogram->counts[index_of(value)], 1);
	add(&histogram->total, 1);
	add(&histogram->sum, value);
	if (value > load(&histogram->max))
		atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	uint64_t max = load(&from->max), total = 0;

	if (load(&from->total) == 0) /* most threads' of most kinds: their pages stay untouched */
		return;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t count = load(&from->counts[i]);

		if (count)
			add(&into->counts[i], count);
		total += count;
	}
	/*
	 * Not the writer's total, which may be ahead of or behind the buckets just read: what is
	 * shown must add up.
	 */
	add(&into->total, total);
	add(&into->sum, load(&from->sum));
	if (max > load(&into->max))
		atomic_store_explicit(&into->max, max, memory_order_relaxed);
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
	uint64_t total = 0, below = 0, max = load(&histogram->max);
	double wanted;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += load(&histogram->counts[i]);
	if (total == 0)
		return 0;
	wanted = quantile * (double)total;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += load(&histogram->counts[i]);
		if (below > 0 && (double)below >= wanted) {
			uint64_t bound = upper_bound(i);

			return bound < max ? bound : max;
		}
	}
	return max;
}

uint64_t histogram_count_below(const struct histogram *histogram, uint64_t bound)
{
	unsigned last = index_of(bound > value_max ? value_max : bound);
	uint64_t below = 0;

	/*
	 * The bucket that the bound itself falls into counts: a value that equals a bound must be
	 * below it.
	 */
	for (unsigned i = 0; i <= last; i++)
		below += load(&histogram->counts[i]);
	return below;
}
