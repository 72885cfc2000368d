#include "crowd/tally.h"

#include <stdlib.h>
#include <string.h>
#include "base/error.h"

const char *tally_kind_name(enum tally_kind kind)
{
	static const char *const names[TALLY_KINDS] = {
		[TALLY_ACCEPTED] = "accepted", [TALLY_REPLAYED] = "replayed", [TALLY_SOLD_OUT] = "sold out",
		[TALLY_LIMITED] = "limited",   [TALLY_NOT_NOW] = "not now",   [TALLY_UNAVAILABLE] = "unavailable",
		[TALLY_LOST] = "lost",         [TALLY_OTHER] = "other",
	};

	ASSERT(kind < TALLY_KINDS);
	return names[kind];
}

void tally_init(struct tally *tally)
{
	memset(tally, 0, sizeof(*tally));
}

void tally_deinit(struct tally *tally)
{
	free(tally->slices);
	tally->slices = NULL;
	tally->slice_count = tally->slice_capacity = 0;
}

static struct tally_slice *slice_at(struct tally *tally, int64_t since_start_ns)
{
	size_t index = since_start_ns < 0 ? 0 : (size_t)(since_start_ns / (TALLY_SLICE_MS * INT64_C(1000000)));

	if (index >= TALLY_SLICES_MAX)
		index = TALLY_SLICES_MAX - 1;
	if (index >= tally->slice_capacity) {
		size_t capacity = index + 256;
		struct tally_slice *slices = realloc(tally->slices, capacity * sizeof(slices[0]));

		if (!slices)
			return NULL;
		memset(slices + tally->slice_capacity, 0, (capacity - tally->slice_capacity) * sizeof(slices[0]));
		tally->slices = slices;
		tally->slice_capacity = capacity;
	}
	if (index >= tally->slice_count)
		tally->slice_count = index + 1;
	return &tally->slices[index];
}

void tally_count(struct tally *tally, enum tally_kind kind, int64_t since_start_ns)
{
	struct tally_slice *slice = slice_at(tally, since_start_ns);

	ASSERT(kind < TALLY_KINDS);
	tally->kinds[kind]++;
	if (slice)
		slice->counts[kind]++;
}

static void add_outcome(struct tally *tally, int status, struct slice code, uint64_t count)
{
	struct tally_outcome *outcome;

	if (code.size >= TALLY_CODE_SIZE)
		code.size = TALLY_CODE_SIZE - 1;
	for (size_t i = 0; i < tally->outcome_count; i++) {
		outcome = &tally->outcomes[i];
		if (outcome->status == status && slice_equal(slice_of(outcome->code), code)) {
			outcome->count += count;
			return;
		}
	}
	/* The last place stands for all that have none. */
	if (tally->outcome_count == TALLY_OUTCOMES_MAX) {
		tally->outcomes[TALLY_OUTCOMES_MAX - 1].count += count;
		return;
	}
	outcome = &tally->outcomes[tally->outcome_count++];
	*outcome = (struct tally_outcome){.status = status, .count = count};
	if (code.size > 0)
		memcpy(outcome->code, code.data, code.size);
}

void tally_outcome(struct tally *tally, int status, struct slice code)
{
	add_outcome(tally, status, code, 1);
}

void tally_merge(struct tally *into, const struct tally *from, int64_t offset_ns)
{
	for (size_t i = 0; i < from->outcome_count; i++)
		add_outcome(into, from->outcomes[i].status, slice_of(from->outcomes[i].code), from->outcomes[i].count);
	for (size_t kind = 0; kind < TALLY_KINDS; kind++)
		into->kinds[kind] += from->kinds[kind];
	for (size_t i = 0; i < from->slice_count; i++) {
		struct tally_slice *slice = slice_at(into, offset_ns + (int64_t)i * TALLY_SLICE_MS * 1000000);

		for (size_t kind = 0; slice && kind < TALLY_KINDS; kind++)
			slice->counts[kind] += from->slices[i].counts[kind];
	}
}
