#include "simulation/judge/watch_log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"
#include "base/clock.h"

struct watch_log {
	struct judge *judge;
	struct journal_sim *log;
	int64_t next[JOURNAL_SIM_PARTITIONS_MAX];
};

struct watch_log *watch_log_new(struct judge *judge, struct journal_sim *log)
{
	struct watch_log *watch = calloc(1, sizeof(*watch));

	ASSERT(watch);
	watch->judge = judge;
	watch->log = log;
	return watch;
}

void watch_log_free(struct watch_log *watch)
{
	free(watch);
}

enum history_record_kind watch_log_kind(const char *name)
{
	static const char *const names[] = {
		[RECORD_RESERVED] = "order.reserved",   [RECORD_CONFIRMED] = "order.confirmed",
		[RECORD_CANCELLED] = "order.cancelled", [RECORD_REFUNDED] = "order.refunded",
		[RECORD_EXPIRED] = "order.expired",     [RECORD_EXTENDED] = "order.extended",
		[RECORD_WITHDRAWN] = "stock.withdrawn", [RECORD_PAID] = "order.paid",
		[RECORD_REDUCED] = "order.reduced",     [RECORD_BARRIER] = "sale.barrier",
	};

	for (size_t i = 1; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return (enum history_record_kind)i;
	return 0;
}

static uint32_t number(json_t *value, const char *name)
{
	return (uint32_t)json_integer_value(json_object_get(value, name));
}

static const char *text(json_t *value, const char *name)
{
	return json_string_value(json_object_get(value, name));
}

static enum history_place place(json_t *value)
{
	const char *name = text(value, "units");

	if (!name || strcmp(name, "sale") == 0)
		return PLACE_SALE;
	return strcmp(name, "gone") == 0 ? PLACE_GONE : PLACE_WAREHOUSE;
}

static void tell(struct watch_log *watch, json_t *value)
{
	const char *id = text(value, "id"), *hold = text(value, "hold_expires_at");
	struct history_record record = {
		.kind = watch_log_kind(text(value, "kind")),
		.sale = number(value, "sale"),
		.epoch = number(value, "epoch"),
		.lot = number(value, "lot"),
		.quantity = number(value, "quantity"),
		.left = number(value, "left"),
		.to = place(value),
		.buyer = text(value, "buyer"),
		.key = text(value, "key"),
		.actor = text(value, "actor"),
		.payment = text(value, "payment_reference"),
		.reason = text(value, "reason"),
	};

	if (!record.kind || !id || uuid_parse((struct slice){id, strlen(id)}, &record.id) < 0)
		return;
	if (hold && clock_parse(hold, strlen(hold), &record.hold_expires_at_ms) < 0)
		return;
	history_record(watch->judge, &record);
}

static void look_at(struct watch_log *watch, uint32_t partition)
{
	int64_t end = journal_sim_end(watch->log, partition);
	struct journal_record record;

	for (; watch->next[partition] < end; watch->next[partition]++) {
		json_t *value;

		if (!journal_sim_look(watch->log, partition, watch->next[partition], &record))
			continue;
		value = json_loadb(record.value.data, record.value.size, 0, NULL);
		if (value)
			tell(watch, value);
		json_decref(value);
	}
}

void watch_log_look(struct watch_log *watch)
{
	uint32_t count = journal_sim_partition_count(watch->log);

	for (uint32_t i = 0; i < count; i++)
		if (journal_sim_end(watch->log, i) != watch->next[i])
			look_at(watch, i);
}
