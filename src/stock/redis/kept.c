/*
 * The rows of sales as the ledger had them, kept in Redis for gates that cannot ask the ledger. See
 * functions/kept.lua.
 *
 * A row is input when it is read, whoever has written it: each value within its bounds, nothing
 * missing, nothing left over, and a sum over it, so that bytes that were changed on their way are
 * no other sale's terms. What may be sold it does not say: that is the fence's word, in the same
 * answer.
 */
#include <stdlib.h>
#include "base/siphash.h"
#include "stock/redis/redis_stock.h"

enum {
	ROW_FORM = 1,
	SALE_ROW_MAX = 65536, /* 200 lots of some 100 bytes, and names */
	SCHEDULED = 1,
	ANNOUNCED = 2,
	LATE_CONFIRM = 4,
	OPENED = 8,
	RECALLS_MAX = 256,
};

/* Of no secret: it finds bytes that were changed, not who changes them. */
static uint64_t sum_of(struct slice row)
{
	static const struct siphash_key key = {0};

	return siphash64(&key, row.data, row.size);
}

/* --- Rows --- */

static void write_lot(struct buffer *out, const struct sale_lot *lot)
{
	redis_write_text(out, slice_of(lot->sku));
	redis_write(out, lot->item, 4);
	redis_write(out, (uint64_t)lot->allocated, 4);
	redis_write(out, (uint64_t)lot->withdrawn, 4);
}

static void write_stops(struct buffer *out, const struct sale_stops *stops)
{
	const struct slice requests = sale_stops_bytes(stops);

	redis_write(out, stops->count, 4);
	redis_write(out, stops->answered, 4);
	redis_write(out, requests.size, 2);
	buffer_append_slice(out, requests);
}

void redis_row_write(const struct sale *sale, struct buffer *out)
{
	redis_write(out, ROW_FORM, 1);
	redis_write(out, sale->number, 4);
	redis_write(out, sale->epoch, 4);
	redis_write(out, sale->version, 4);
	redis_write(out, sale->change, 8);
	redis_write(out, (uint64_t)sale->state, 1);
	redis_write_text(out, slice_of(sale->id));
	redis_write_text(out, slice_of(sale->name));
	redis_write(out, (uint64_t)sale->price_minor, 8);
	redis_write_text(out, slice_of(sale->currency));
	redis_write(out, sale->limit_per_buyer, 4);
	redis_write(out, sale->rate_requests, 4);
	redis_write(out, sale->rate_seconds, 4);
	redis_write(out, sale->hold_seconds, 4);
	redis_write(out,
		    sale->scheduled * SCHEDULED + sale->announced * ANNOUNCED + sale->late_confirm * LATE_CONFIRM + sale->opened * OPENED,
		    1);
	redis_write(out, (uint64_t)sale->opens_at_ms, 8);
	redis_write(out, (uint64_t)sale->closes_at_ms, 8);
	redis_write(out, (uint64_t)sale->created_at_ms, 8);
	redis_write(out, (uint64_t)sale->ended_at_ms, 8);
	write_stops(out, &sale->stops);
	redis_write(out, sale->lot_count, 2);
	for (uint32_t i = 0; i < sale->lot_count; i++)
		write_lot(out, &sale->lots[i]);
}

static void read_text(struct redis_reader *row, char *text, size_t size_max)
{
	struct slice slice = redis_read_name(row, size_max);

	if (slice.size)
		memcpy(text, slice.data, slice.size);
}

/* SALE_NO_TIME, or a time. */
static int64_t read_time(struct redis_reader *row)
{
	struct redis_reader ahead = *row;

	if (redis_read64(&ahead) != SALE_NO_TIME || ahead.failed)
		return redis_read_time(row);
	*row = ahead;
	return SALE_NO_TIME;
}

static void read_stops(struct redis_reader *row, struct sale_stops *stops)
{
	const uint32_t count = redis_read32(row);
	const uint32_t answered = redis_read_within(row, 4, 0, count);
	const uint32_t size = redis_read_within(row, 2, 0, sizeof(stops->requests));

	sale_stops_read(stops, count, answered, redis_read_bytes(row, size));
	if (sale_stops_bytes(stops).size != size)
		redis_read_fail(row);
}

static void read_lot(struct redis_reader *row, struct sale_lot *lot)
{
	read_text(row, lot->sku, SKU_MAX);
	lot->item = redis_read32(row);
	lot->allocated = redis_read_within(row, 4, 0, UNITS_MAX);
	lot->withdrawn = redis_read_within(row, 4, 0, (uint32_t)lot->allocated);
	if (!sale_sku_valid(slice_of(lot->sku)))
		redis_read_fail(row);
}

static void read_terms(struct redis_reader *row, struct sale *sale)
{
	uint8_t flags;

	sale->number = redis_read_within(row, 4, 1, UUID_TAG_MAX);
	sale->epoch = redis_read_within(row, 4, 1, UINT32_MAX);
	sale->version = redis_read32(row);
	sale->change = redis_read(row, 8);
	sale->state = (enum sale_state)redis_read_within(row, 1, SALE_DRAFT, SALE_DELETED);
	read_text(row, sale->id, SALE_ID_MAX);
	read_text(row, sale->name, NAME_MAX_BYTES);
	sale->price_minor = redis_read64(row);
	read_text(row, sale->currency, sizeof(sale->currency) - 1);
	sale->limit_per_buyer = redis_read_within(row, 4, 1, LIMIT_MAX);
	sale->rate_requests = redis_read_within(row, 4, 0, RATE_REQUESTS_MAX);
	sale->rate_seconds = redis_read_within(row, 4, 0, RATE_SECONDS_MAX);
	sale->hold_seconds = redis_read_within(row, 4, 0, HOLD_SECONDS_MAX);
	flags = redis_read8(row);
	sale->scheduled = flags & SCHEDULED;
	sale->announced = flags & ANNOUNCED;
	sale->late_confirm = flags & LATE_CONFIRM;
	sale->opened = flags & OPENED;
	sale->opens_at_ms = read_time(row);
	sale->closes_at_ms = read_time(row);
	sale->created_at_ms = redis_read_time(row);
	sale->ended_at_ms = read_time(row);
	read_stops(row, &sale->stops);
	sale->lot_count = redis_read_within(row, 2, 1, LOTS_MAX);
	if (!sale_id_valid(slice_of(sale->id)) || !sale_name_valid(slice_of(sale->name)) || sale->price_minor < 0)
		redis_read_fail(row);
}

struct sale *redis_row_read(struct slice text)
{
	struct redis_reader row = {.data = (const unsigned char *)text.data, .size = text.size};
	struct sale *sale = calloc(1, sizeof(*sale) + LOTS_MAX * sizeof(sale->lots[0]));

	if (!sale)
		return NULL;
	if (redis_read8(&row) != ROW_FORM) /* another program's, of a form that we do not know */
		redis_read_fail(&row);
	read_terms(&row, sale);
	for (uint32_t i = 0; i < sale->lot_count && !row.failed; i++)
		read_lot(&row, &sale->lots[i]);
	if (!row.failed && row.size == 0)
		return sale;
	free(sale);
	return NULL;
}

/* --- Of a sale --- */

static void keep_some(struct stock_redis *redis, const struct sale *const *sales, size_t count)
{
	struct redis_reader answer;
	struct redis_trip trip;

	redis_trip_begin(&trip, redis);
	for (size_t i = 0; i < count; i++) {
		struct redis_look look = redis_sales_look(&redis->sales, sales[i]->number);
		struct buffer *argument, row;

		buffer_init(&row, SALE_ROW_MAX);
		redis_row_write(sales[i], &row);
		redis_trip_call(&trip, REDIS_KEEP, sales[i]->number, &look);
		argument = redis_trip_argument(&trip);
		redis_write(argument, sales[i]->number, 4);
		redis_write(argument, sales[i]->epoch, 4);
		redis_write(argument, sales[i]->change, 8);
		argument = redis_trip_argument(&trip);
		redis_write(argument, sum_of(buffer_slice(&row)), 8);
		buffer_append_slice(argument, buffer_slice(&row));
		buffer_deinit(&row);
	}
	redis_trip_send(&trip);
	for (size_t i = 0; i < count; i++)
		(void)redis_trip_next(&trip, &answer);
	redis_trip_end(&trip);
}

void redis_keep(struct stock *stock, const struct sale *const *sales, size_t count)
{
	for (size_t start = 0; start < count; start += REDIS_BATCH)
		keep_some(redis_of(stock), sales + start, count - start < REDIS_BATCH ? count - start : REDIS_BATCH);
}

/* The part of an answer that was kept, whole as it was written; else `answer` has failed. */
static struct slice read_kept(struct redis_reader *answer)
{
	uint32_t size = redis_read_within(answer, 4, 8, SALE_ROW_MAX);
	uint64_t sum = redis_read(answer, 8);
	struct slice row = redis_read_bytes(answer, size - 8);

	if (!answer->failed && sum_of(row) == sum)
		return row;
	redis_read_fail(answer);
	return SLICE_NULL;
}

static int take_row(uint32_t number, struct redis_reader *answer, struct sale **out)
{
	int status = redis_read8(answer);
	uint32_t epoch = redis_read32(answer);
	struct sale *sale;

	if (answer->failed || (status != STOCK_DONE && status != STOCK_FENCED && status != STOCK_UNKNOWN_SALE))
		return STOCK_UNAVAILABLE;
	if (status != STOCK_DONE)
		return status;
	sale = redis_row_read(read_kept(answer));
	if (sale && !answer->failed && sale->number == number && sale->epoch == epoch) {
		*out = sale;
		return 0;
	}
	free(sale);
	return STOCK_UNAVAILABLE;
}

int redis_recall(struct stock *stock, uint32_t number, struct sale **sale)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look look = redis_sales_look(&redis->sales, number);
	int outcome = STOCK_UNAVAILABLE;
	struct redis_reader answer;
	struct redis_trip trip;

	*sale = NULL;
	redis_trip_begin(&trip, redis);
	redis_trip_call(&trip, REDIS_RECALL, number, &look);
	redis_trip_send(&trip);
	switch (redis_trip_next(&trip, &answer)) {
	case REDIS_ANSWERED:
		outcome = take_row(number, &answer, sale);
		break;
	case REDIS_FORGOTTEN:
		outcome = STOCK_FENCED;
		break;
	default:
		break;
	}
	redis_trip_end(&trip);
	return outcome;
}

int redis_kept(struct stock *stock, uint32_t after, uint32_t *numbers, size_t max, size_t *count)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look nothing = {0};
	struct redis_reader answer;
	struct redis_trip trip;
	struct buffer *argument;
	uint32_t found = 0, last = after;
	bool fine;

	*count = 0;
	redis_trip_begin(&trip, redis);
	redis_trip_call(&trip, REDIS_KEPT, 0, &nothing);
	argument = redis_trip_argument(&trip);
	redis_write(argument, after, 4);
	redis_write(argument, max < RECALLS_MAX ? max : RECALLS_MAX, 4);
	redis_trip_send(&trip);
	fine = redis_trip_next(&trip, &answer) == REDIS_ANSWERED && redis_read8(&answer) == STOCK_DONE;
	if (fine)
		found = redis_read_within(&answer, 4, 0, (uint32_t)max);
	for (uint32_t i = 0; fine && i < found && last < UUID_TAG_MAX; i++) {
		numbers[i] = redis_read_within(&answer, 4, last + 1, UUID_TAG_MAX);
		last = numbers[i];
		*count += !answer.failed;
	}
	fine = fine && !answer.failed;
	redis_trip_end(&trip);
	return fine ? 0 : STOCK_UNAVAILABLE;
}

/* --- Of the log --- */

void redis_keep_log(struct stock *stock, const struct stock_log *log)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look nothing = {0};
	struct redis_reader answer;
	struct redis_trip trip;
	struct buffer *argument, row;

	buffer_init(&row, SALE_ROW_MAX);
	redis_write(&row, ROW_FORM, 1);
	redis_write_text(&row, slice_of(log->cluster));
	redis_write_text(&row, slice_of(log->topic));
	redis_write(&row, log->partitions, 4);
	redis_trip_begin(&trip, redis);
	redis_trip_call(&trip, REDIS_KEEP_LOG, 0, &nothing);
	argument = redis_trip_argument(&trip);
	redis_write(argument, sum_of(buffer_slice(&row)), 8);
	buffer_append_slice(argument, buffer_slice(&row));
	buffer_deinit(&row);
	redis_trip_send(&trip);
	(void)redis_trip_next(&trip, &answer);
	redis_trip_end(&trip);
}

static bool read_log(struct slice text, struct stock_log *log)
{
	struct redis_reader row = {.data = (const unsigned char *)text.data, .size = text.size};

	*log = (struct stock_log){0};
	if (redis_read8(&row) != ROW_FORM)
		redis_read_fail(&row);
	read_text(&row, log->cluster, STOCK_LOG_NAME_MAX);
	read_text(&row, log->topic, STOCK_LOG_NAME_MAX);
	log->partitions = redis_read_within(&row, 4, 1, UINT32_MAX);
	return !row.failed && row.size == 0;
}

int redis_recall_log(struct stock *stock, struct stock_log *log)
{
	struct stock_redis *redis = redis_of(stock);
	struct redis_look nothing = {0};
	int outcome = STOCK_UNAVAILABLE;
	struct redis_reader answer;
	struct redis_trip trip;

	redis_trip_begin(&trip, redis);
	redis_trip_call(&trip, REDIS_RECALL_LOG, 0, &nothing);
	redis_trip_send(&trip);
	if (redis_trip_next(&trip, &answer) == REDIS_ANSWERED) {
		uint8_t status = redis_read8(&answer);

		if (status == STOCK_UNKNOWN_SALE)
			outcome = STOCK_UNKNOWN_SALE;
		else if (status == STOCK_DONE && read_log(read_kept(&answer), log) && !answer.failed)
			outcome = 0;
	}
	redis_trip_end(&trip);
	return outcome;
}
