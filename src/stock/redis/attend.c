/*
 * What this gate says to Redis again and again, and what it hears.
 *
 * The lease. With replicas, a master that is cut off from them goes on for min-replicas-max-lag and
 * its own second, and tells the gates that still reach it that all is well, while another was
 * promoted and sells. A rebuild would have to wait as long before its barrier. So each gate asks
 * its server to prove that it is still followed (WAIT, behind the write of each attend()), and what
 * that says counts for LEASE_NS only, measured by the gate's own elapsed time from the sending. A
 * rebuild begins on a master that has its replicas, so all have left the older one by then, and
 * waits LEASE_NS and a margin: behind that no gate takes an older master's word for anything. Two
 * machines' clocks are compared by nobody; what is left is a virtual machine that is stopped
 * together with its clock and with the master beside it (SECURITY.md). WAIT behind each call
 * instead: a replica's round trip on each purchase.
 *
 * Versions. This gate among those of other versions (versions.h, functions/versions.lua): it says
 * that it is there, stands by while another version's sell, takes over when the last of those has
 * gone, and then clears away what they have left.
 */
#include "base/clock.h"
#include "base/log.h"
#include "stock/redis/redis_stock.h"

enum { GONE_MAX = 16, LIBRARIES_MAX = 16 };
enum { CONFIRM_MS = 250 };                  /* a replica that takes longer is asked again */
static const int64_t ATTEND_NS = 100000000; /* how often it says so */
/*
 * How often libraries of others are looked for: while gates of another version are there, or have
 * left one; and else, for a gate that ended before anybody heard of it. Redis lists each function.
 */
static const int64_t LIBRARIES_NS = 1000000000, NO_LIBRARIES_NS = 30000000000;

static void write_call(struct stock_redis *redis, struct redis_trip *trip, uint32_t claimed, bool leaves)
{
	struct redis_other_gate gone[GONE_MAX];
	size_t count = redis_versions_gone(&redis->versions, clock_mono_ns(), gone, GONE_MAX);
	struct redis_look nothing = {0};
	struct buffer *argument;

	redis_trip_call(trip, REDIS_ATTEND, 0, &nothing);
	argument = redis_trip_argument(trip);
	redis_write(argument, (uint64_t)atomic_fetch_add(&redis->beat, 1), 8);
	redis_write(argument, claimed, 4);
	redis_write(argument, leaves, 1);
	buffer_append_text(redis_trip_argument(trip), redis->versions.name);
	for (size_t i = 0; i < count; i++) {
		argument = redis_trip_argument(trip);
		redis_write(argument, (uint64_t)gone[i].beat, 8);
		buffer_append_text(argument, gone[i].name);
	}
}

static void take_gates(struct stock_redis *redis, struct redis_reader *answer)
{
	struct redis_other_gate gates[REDIS_GATES_MAX];
	uint32_t selling = redis_read32(answer), count = redis_read16(answer), taken = 0;

	for (uint32_t i = 0; i < count && taken < REDIS_GATES_MAX && !answer->failed; i++) {
		struct redis_other_gate *gate = &gates[taken];
		struct slice name;

		*gate = (struct redis_other_gate){.beat = (int64_t)redis_read(answer, 8)};
		name = redis_read_text(answer);
		if (name.size == 0 || name.size > REDIS_GATE_NAME_MAX)
			continue;
		memcpy(gate->name, name.data, name.size);
		taken++;
	}
	if (!answer->failed)
		redis_versions_take(&redis->versions, selling, gates, taken, clock_mono_ns());
}

bool redis_lease_holds(struct stock_redis *redis, const struct redis_connection *connection)
{
	int64_t since_ns;

	if (redis->lease_ns == 0)
		return true;
	if (atomic_load(&redis->lease_generation) != connection->generation)
		return false;
	since_ns = atomic_load(&redis->lease_since_ns);
	return since_ns > 0 && clock_mono_ns() - since_ns < redis->lease_ns;
}

void redis_attend_write(struct stock_redis *redis, struct redis_trip *trip)
{
	write_call(redis, trip, 0, false);
}

int64_t redis_followers(struct stock_redis *redis, struct redis_connection *connection)
{
	int64_t most = redis_pool_replicas(&redis->pool);

	if (connection && !connection->broken && redis_connection_look(connection) == 0 && connection->server.replicas > most)
		most = connection->server.replicas;
	return most > redis->replicas_set ? most : redis->replicas_set;
}

bool redis_confirm(struct stock_redis *redis, struct redis_connection *connection, int64_t sent_ns, int64_t replicas)
{
	redisReply *reply;
	int64_t count = 0;

	if (redis->lease_ns == 0)
		return true;
	if (!connection || connection->broken)
		return false;
	reply = redis_connection_command(connection, "WAIT %lld %d", (long long)replicas, CONFIRM_MS);
	if (reply && reply->type == REDIS_REPLY_INTEGER)
		count = reply->integer;
	if (count >= 1) {
		if (atomic_load(&redis->lease_generation) != connection->generation) {
			atomic_store(&redis->lease_since_ns, 0); /* no other server's moment counts for this one */
			atomic_store(&redis->lease_generation, connection->generation);
		}
		atomic_store(&redis->lease_since_ns, sent_ns);
	}
	if (reply)
		freeReplyObject(reply);
	return count >= 1 && count >= replicas;
}

static int attend(struct stock_redis *redis, uint32_t claimed, bool leaves)
{
	int64_t sent_ns = clock_mono_ns();
	struct redis_reader answer;
	struct redis_trip trip;
	int outcome;

	redis_trip_begin(&trip, redis);
	trip.unconfirmed = true;
	write_call(redis, &trip, claimed, leaves);
	redis_trip_send(&trip);
	outcome = redis_take_head(redis, 0, redis_trip_next(&trip, &answer), &answer, NULL);
	if (outcome == STOCK_DONE)
		take_gates(redis, &answer);
	if (outcome == STOCK_DONE && !leaves)
		(void)redis_confirm(redis, trip.connection, sent_ns, 1); /* else what was known goes on to grow old */
	if (outcome == STOCK_DONE && redis_lease_holds(redis, trip.connection))
		redis_pool_set_fault(&redis->pool, NULL);
	redis_trip_end(&trip);
	return outcome == STOCK_DONE ? 0 : -ENOTCONN;
}

enum stock_sellers redis_sellers(struct stock *stock)
{
	return redis_versions_sellers(&redis_of(stock)->versions, clock_mono_ns());
}

static void log_sellers(struct stock_redis *redis)
{
	enum stock_sellers sellers = redis_sellers(&redis->stock);
	uint32_t selling = redis_versions_selling(&redis->versions);

	if (atomic_exchange(&redis->told_sellers, (int)sellers) == (int)sellers)
		return;
	switch (sellers) {
	case STOCK_SELLERS_OURS:
		log_info("stock", "gates of this version sell from this Redis", LOG_INT("version", redis->library.version));
		break;
	case STOCK_SELLERS_OTHERS:
		log_warn("stock", "gates of another version sell from this Redis: this one stands by until the last of them has gone",
			 LOG_INT("version", redis->library.version), LOG_INT("selling", selling));
		break;
	case STOCK_SELLERS_NONE:
		log_info("stock", "no gate of the version that sells from this Redis is there any more: who is elected takes over",
			 LOG_INT("version", redis->library.version), LOG_INT("selling", selling ? selling : REDIS_FIRST_VERSION));
		break;
	}
}

const char *redis_why_standing_by(struct stock_redis *redis)
{
	enum stock_sellers sellers = redis_sellers(&redis->stock);

	if (sellers == STOCK_SELLERS_OURS)
		return NULL;
	if (sellers == STOCK_SELLERS_NONE)
		return "the sales are about to move here from gates of another version";
	return redis_versions_selling(&redis->versions) < redis->library.version
		       ? "gates of an older version still sell: the sales move here when the last of them has gone"
		       : "gates of a newer version sell from this Redis: this one stands by";
}

/*
 * The first look claims nothing: where nobody has said which version sells, Redis is new, has
 * forgotten all, or is the first version's; and nobody knows then what was granted a moment ago,
 * and to whom it is told.
 */
static int look(struct stock_redis *redis)
{
	uint32_t selling = redis_versions_selling(&redis->versions), own = redis->library.version;
	int r;

	if (atomic_load(&redis->looked))
		return attend(redis, selling ? selling : redis->first_is_there ? 0 : own, false);
	r = attend(redis, 0, false);
	if (r < 0)
		return r;
	if (redis_versions_selling(&redis->versions) == 0) {
		atomic_store(&redis->stock.other_version_ns, clock_mono_ns());
		r = redis->first_is_there ? 0 : attend(redis, own, false);
	}
	atomic_store(&redis->looked, r == 0);
	return r;
}

int redis_attend_first(struct stock_redis *redis, struct redis_connection *connection)
{
	int r = redis_library_has_first(connection);

	if (r < 0)
		return r;
	redis->first_is_there = r > 0;
	if (look(redis) == 0) /* else it stands by, and looks again */
		log_sellers(redis);
	return 0;
}

/*
 * A library whose gates are all gone. Who comes back loads it again. True: there is none of another
 * version any more.
 */
static bool clear_libraries(struct stock_redis *redis)
{
	struct redis_connection *connection = redis_pool_take(&redis->pool);
	uint32_t versions[LIBRARIES_MAX];
	int count;

	if (!connection)
		return false;
	count = redis_library_list(connection, &redis->library, versions, LIBRARIES_MAX);
	for (int i = 0; i < count; i++) {
		int r = redis_versions_lives(&redis->versions, versions[i], clock_mono_ns())
				? 1
				: redis_library_delete(connection, versions[i]);

		if (r == 0)
			log_info("stock", "the functions of a version that no gate is left of were deleted",
				 LOG_INT("version", versions[i]));
		else if (r < 0)
			log_warn("stock", "the functions of another version cannot be deleted", LOG_INT("version", versions[i]),
				 LOG_TEXT("error", error_text(r)));
	}
	redis_pool_give(&redis->pool, connection);
	return count == 0; /* what was deleted now is looked for once more */
}

static void look_for_libraries(struct stock_redis *redis, int64_t now_ns)
{
	int64_t next_ns = atomic_load(&redis->next_libraries_ns);

	if (next_ns - now_ns > LIBRARIES_NS && redis_versions_others(&redis->versions)) {
		atomic_store(&redis->next_libraries_ns, now_ns + LIBRARIES_NS);
		return;
	}
	if (now_ns >= next_ns && redis_sellers(&redis->stock) == STOCK_SELLERS_OURS &&
	    atomic_compare_exchange_strong(&redis->next_libraries_ns, &next_ns, now_ns + LIBRARIES_NS) && clear_libraries(redis))
		atomic_store(&redis->next_libraries_ns, now_ns + NO_LIBRARIES_NS);
}

void redis_attend(struct stock_redis *redis)
{
	int64_t now_ns = clock_mono_ns(), next_ns = atomic_load(&redis->next_attend_ns);

	if (now_ns < next_ns || !atomic_compare_exchange_strong(&redis->next_attend_ns, &next_ns, now_ns + ATTEND_NS))
		return;
	if (look(redis) < 0)
		return;
	log_sellers(redis);
	look_for_libraries(redis, now_ns);
}

/* 0 or negative. */
static int retire_first(struct stock_redis *redis)
{
	struct redis_connection *connection = redis_pool_take(&redis->pool);
	int r = connection ? redis_library_retire_first(connection) : -ENOTCONN;

	if (connection)
		redis_pool_give(&redis->pool, connection);
	if (r == 0)
		atomic_store(&redis->stock.other_version_ns, clock_mono_ns());
	return r;
}

int redis_take_over(struct stock *stock)
{
	struct stock_redis *redis = redis_of(stock);
	uint32_t former = redis_versions_selling(&redis->versions), selling = 0;
	struct redis_look nothing = {0};
	struct redis_reader answer;
	struct redis_trip trip;
	int r = 0;

	if (redis_sellers(stock) != STOCK_SELLERS_NONE)
		return -EAGAIN;
	if (former == 0)
		r = retire_first(redis);
	if (r < 0)
		return r;
	redis_trip_begin(&trip, redis);
	trip.changes = true;
	redis_trip_call(&trip, REDIS_TAKE_OVER, 0, &nothing);
	redis_write(redis_trip_argument(&trip), former ? former : REDIS_FIRST_VERSION, 4);
	redis_trip_send(&trip);
	if (redis_take_head(redis, 0, redis_trip_next(&trip, &answer), &answer, NULL) == STOCK_DONE)
		selling = redis_read32(&answer);
	redis_trip_end(&trip);
	if (selling != redis->library.version)
		return -EAGAIN; /* another was faster, or cannot be heard: the next look tells */
	redis_versions_sell(&redis->versions);
	log_warn("stock", "the sales move to the functions of this version: each is rebuilt", LOG_INT("version", selling),
		 LOG_INT("former", former ? former : REDIS_FIRST_VERSION));
	return 0;
}

void redis_leave(struct stock *stock)
{
	/*
	 * Where Redis is away a stop does not wait for it: the others see that this one stands
	 * still.
	 */
	if (!atomic_load(&redis_of(stock)->pool.fault))
		(void)!attend(redis_of(stock), 0, true);
}
