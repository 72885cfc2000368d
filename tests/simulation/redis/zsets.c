/* Commands on sorted sets. */
#include "simulation/redis/server.h"

static void add(struct sim_call *call)
{
	struct sim_value *zset;
	double score;
	int64_t fresh = 0;

	if (call->count % 2 == 1) {
		sim_reply_error(call, "ERR syntax error");
		return;
	}
	for (size_t i = 2; i < call->count; i += 2)
		if (!sim_take_double(call, call->args[i], "ERR value is not a valid float", &score))
			return;
	if (!sim_take_value(call, call->args[1], SIM_ZSET, &zset))
		return;
	if (!zset)
		zset = sim_make(sim_keys(call), call->args[1], SIM_ZSET);
	for (size_t i = 2; i < call->count; i += 2) {
		(void)sim_take_double(call, call->args[i], "", &score);
		fresh += sim_zset_add(zset, call->args[i + 1], score);
	}
	sim_reply_int(call, fresh);
}

static void take_away(struct sim_call *call)
{
	struct sim_value *zset;
	int64_t gone = 0;

	if (!sim_take_value(call, call->args[1], SIM_ZSET, &zset))
		return;
	for (size_t i = 2; zset && i < call->count; i++)
		gone += sim_zset_remove(zset, call->args[i]);
	if (zset && zset->fields.count == 0)
		sim_delete(sim_keys(call), call->args[1], call->now_ms);
	sim_reply_int(call, gone);
}

static void size(struct sim_call *call)
{
	struct sim_value *zset;

	if (sim_take_value(call, call->args[1], SIM_ZSET, &zset))
		sim_reply_int(call, zset ? (int64_t)zset->fields.count : 0);
}

struct range {
	bool by_score, scores;
	int64_t offset, limit; /* negative: no limit */
};

static bool take_options(struct sim_call *call, struct range *range)
{
	bool limited = false;

	*range = (struct range){.limit = -1};
	for (size_t i = 4; i < call->count; i++) {
		if (sim_is(call->args[i], "WITHSCORES")) {
			range->scores = true;
		} else if (sim_is(call->args[i], "BYSCORE") && !range->by_score) {
			range->by_score = true;
		} else if (sim_is(call->args[i], "LIMIT") && i + 2 < call->count) {
			if (!sim_take_int(call, call->args[i + 1], &range->offset) ||
			    !sim_take_int(call, call->args[i + 2], &range->limit))
				return false;
			limited = true;
			i += 2;
		} else {
			sim_reply_error(call, "ERR syntax error");
			return false;
		}
	}
	if (limited && !range->by_score && range->limit != -1)
		sim_reply_error(call, "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
	return !limited || range->by_score || range->limit == -1;
}

static void reply_members(struct sim_call *call, const struct sim_value *zset, size_t from, size_t count, bool scores)
{
	char text[SIM_NUMBER_SIZE];

	sim_reply_array(call, scores ? count * 2 : count);
	for (size_t i = from; i < from + count; i++) {
		sim_reply_text(call, zset->sorted[i].name);
		if (!scores)
			continue;
		sim_reply_text(call, sim_number_text(text, zset->sorted[i].score));
	}
}

static bool take_bound(struct sim_call *call, struct slice text, double *bound, bool *open)
{
	*open = text.size > 0 && text.data[0] == '(';
	if (*open)
		text = (struct slice){text.data + 1, text.size - 1};
	*bound = 0;
	return text.size == 0 || sim_take_double(call, text, "ERR min or max is not a float", bound);
}

static void range_by_score(struct sim_call *call, const struct range *range)
{
	struct sim_value *zset;
	double low, high;
	bool above, below;
	size_t from = 0, count = 0, members;

	if (!take_bound(call, call->args[2], &low, &above) || !take_bound(call, call->args[3], &high, &below) ||
	    !sim_take_value(call, call->args[1], SIM_ZSET, &zset))
		return;
	members = zset ? zset->fields.count : 0;
	while (from < members && (zset->sorted[from].score < low || (above && zset->sorted[from].score <= low)))
		from++;
	while (from + count < members &&
	       (zset->sorted[from + count].score < high || (!below && zset->sorted[from + count].score <= high)))
		count++;
	if (range->offset < 0 || (size_t)range->offset >= count)
		count = 0;
	else
		count -= (size_t)range->offset;
	if (range->limit >= 0 && count > (size_t)range->limit)
		count = (size_t)range->limit;
	reply_members(call, zset, count ? from + (size_t)range->offset : 0, count, range->scores);
}

static void range_by_place(struct sim_call *call, const struct range *range)
{
	int64_t first, last, members;
	struct sim_value *zset;

	if (!sim_take_int(call, call->args[2], &first) || !sim_take_int(call, call->args[3], &last) ||
	    !sim_take_value(call, call->args[1], SIM_ZSET, &zset))
		return;
	members = zset ? (int64_t)zset->fields.count : 0;
	first = first < 0 ? first + members : first;
	last = last < 0 ? last + members : last;
	first = first < 0 ? 0 : first;
	last = last >= members ? members - 1 : last;
	reply_members(call, zset, (size_t)first, first > last ? 0 : (size_t)(last - first + 1), range->scores);
}

static void get_range(struct sim_call *call)
{
	struct range range;

	if (!take_options(call, &range))
		return;
	if (range.by_score)
		range_by_score(call, &range);
	else
		range_by_place(call, &range);
}

const struct sim_command sim_zset_commands[] = {
	{"zadd", -4, .grows = true, .writes = true, .run = add},
	{"zrem", -3, .writes = true, .run = take_away},
	{"zcard", 2, .run = size},
	{"zrange", -4, .run = get_range},
	{0},
};
