#include "model/sale.h"

#include <stdlib.h>

static const char *const state_names[] = {
	[SALE_DRAFT] = "draft",   [SALE_ARMED] = "armed", [SALE_OPEN] = "open",
	[SALE_PAUSED] = "paused", [SALE_ENDED] = "ended", [SALE_DELETED] = "deleted",
};

static const char *const allowed_moves[] = {
	[SALE_DRAFT] = "changed, announced, scheduled, armed, opened or deleted",
	[SALE_ARMED] = "changed (not its limit and rate), opened, paused, disarmed or ended, and its units added or withdrawn",
	[SALE_OPEN] = "paused or ended, and its units added or withdrawn",
	[SALE_PAUSED] = "resumed or ended, and its units added or withdrawn",
	[SALE_ENDED] = "read: it is over",
	[SALE_DELETED] = "read in the operator log: it is gone",
};

static enum sale_move move(enum sale_state state, bool allowed, enum sale_state to, enum sale_state *next)
{
	if (state == to)
		return SALE_MOVE_ALREADY;
	if (!allowed)
		return SALE_MOVE_REFUSED;
	*next = to;
	return SALE_MOVED;
}

enum sale_move sale_next(enum sale_state state, bool opened, enum sale_action action, enum sale_state *next)
{
	ASSERT(state >= SALE_DRAFT);
	ASSERT(state <= SALE_DELETED);
	*next = state;
	switch (action) {
	case SALE_ARM:
		return move(state, state == SALE_DRAFT, SALE_ARMED, next);
	case SALE_START:
		return move(state, state == SALE_ARMED, SALE_OPEN, next);
	case SALE_PAUSE:
		return move(state, state == SALE_OPEN || state == SALE_ARMED, SALE_PAUSED, next);
	case SALE_RESUME:
		return move(state, state == SALE_PAUSED, opened ? SALE_OPEN : SALE_ARMED, next);
	case SALE_END:
		return move(state, state == SALE_ARMED || state == SALE_OPEN || state == SALE_PAUSED, SALE_ENDED, next);
	case SALE_DELETE:
		return move(state, state == SALE_DRAFT, SALE_DELETED, next);
	case SALE_DISARM:
		return move(state, state == SALE_ARMED || (state == SALE_PAUSED && !opened), SALE_DRAFT, next);
	}
	assertion_failed("a known action", __FILE__, __LINE__, __func__);
}

bool sale_allows(enum sale_state state, bool opened, enum sale_action action)
{
	enum sale_state next;

	if (state == SALE_DRAFT && action == SALE_START)
		return true;
	return sale_next(state, opened, action, &next) == SALE_MOVED;
}

const char *sale_action_name(enum sale_action action)
{
	static const char *const names[] = {
		[SALE_ARM] = "arm", [SALE_START] = "open",    [SALE_PAUSE] = "pause",   [SALE_RESUME] = "resume",
		[SALE_END] = "end", [SALE_DELETE] = "delete", [SALE_DISARM] = "disarm",
	};

	ASSERT(action >= SALE_ARM);
	ASSERT(action <= SALE_ACTION_LAST);
	return names[action];
}

enum sale_phase sale_phase(const struct sale *sale, int64_t wall_ms)
{
	if (sale->state == SALE_DRAFT)
		return sale->announced ? SALE_PHASE_COMING : SALE_PHASE_HIDDEN;
	if (sale->state == SALE_DELETED)
		return SALE_PHASE_HIDDEN;
	if (sale->state == SALE_ENDED)
		return SALE_PHASE_ENDED;
	if (sale->closes_at_ms != SALE_NO_TIME && wall_ms >= sale->closes_at_ms)
		return SALE_PHASE_ENDED;
	if (sale->state == SALE_PAUSED)
		return SALE_PHASE_PAUSED;
	if (sale->state == SALE_OPEN)
		return SALE_PHASE_OPEN;
	if (sale->opens_at_ms != SALE_NO_TIME && wall_ms >= sale->opens_at_ms)
		return SALE_PHASE_OPEN;
	return SALE_PHASE_WAITING;
}

bool sale_in_stock(const struct sale *sale)
{
	return sale->state != SALE_DRAFT && sale->state != SALE_DELETED;
}

const char *sale_state_name(enum sale_state state)
{
	ASSERT(state >= SALE_DRAFT);
	ASSERT(state <= SALE_DELETED);
	return state_names[state];
}

const char *sale_state_allows(enum sale_state state, bool opened)
{
	ASSERT(state >= SALE_DRAFT);
	ASSERT(state <= SALE_DELETED);
	if (state == SALE_PAUSED && !opened)
		return "changed (not its limit and rate), resumed, disarmed or ended, and its units added or withdrawn";
	return allowed_moves[state];
}

int sale_state_parse(struct slice name, enum sale_state *state)
{
	for (int i = SALE_DRAFT; i <= SALE_DELETED; i++)
		if (slice_equal(name, slice_of(state_names[i]))) {
			*state = (enum sale_state)i;
			return 0;
		}
	return -EINVAL;
}

int sale_find_lot(const struct sale *sale, struct slice sku)
{
	for (uint32_t i = 0; i < sale->lot_count; i++)
		if (slice_equal(slice_of(sale->lots[i].sku), sku))
			return (int)i;
	return -1;
}

struct sale *sale_copy(const struct sale *sale)
{
	size_t size = sizeof(*sale) + sale->lot_count * sizeof(sale->lots[0]);
	struct sale *copy = malloc(size);

	if (copy)
		memcpy(copy, sale, size);
	return copy;
}

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool sale_id_valid(struct slice id)
{
	if (id.size == 0 || id.size > SALE_ID_MAX || !is_lower_or_digit(id.data[0]))
		return false;
	for (size_t i = 0; i < id.size; i++) {
		char c = id.data[i];

		if (!is_lower_or_digit(c) && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

bool sale_sku_valid(struct slice sku)
{
	if (sku.size == 0 || sku.size > SKU_MAX || sku.data[0] == '.')
		return false;
	for (size_t i = 0; i < sku.size; i++) {
		char c = sku.data[i];

		if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

bool sale_name_valid(struct slice name)
{
	if (name.size == 0 || name.size > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < name.size; i++)
		if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f)
			return false;
	return true;
}

static bool printable(struct slice text, char lowest, size_t size_max)
{
	if (text.size == 0 || text.size > size_max)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < lowest || text.data[i] > '~')
			return false;
	return true;
}

bool sale_buyer_valid(struct slice buyer)
{
	return printable(buyer, '!', BUYER_MAX);
}

bool sale_key_valid(struct slice key)
{
	return printable(key, ' ', KEY_MAX);
}

bool sale_key_reserved(struct slice key)
{
	enum { SIZE = sizeof(LATE_CONFIRM_KEY) - 1 };

	return key.size >= SIZE && memcmp(key.data, LATE_CONFIRM_KEY, SIZE) == 0;
}
