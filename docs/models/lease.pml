/*
 * The lease of a gate at a Redis with replicas (src/stock/redis/attend.c): an old master that is cut off goes on, a replica is
 * promoted beside it, and the sale is rebuilt there. A record behind the rebuild's barrier is void; the old master does not know
 * that, and would acknowledge it under the old epoch. So a gate takes its word only for LEASE of its own elapsed time from when it
 * asked whether a replica still follows, and a rebuild waits so long before its barrier, and a margin for clocks that run apart.
 *
 * Time goes on in steps. The gate's clock misses one step in LEASE at most; nobody compares it with another's.
 *
 * The conditions, each a -D. A run that leaves one out must find an error (tools/check-models holds every line that begins
 * with "run:").
 *
 *   FROM_SENDING    the lease counts from when the question was sent: its answer may be long on its way
 *   BEHIND_RECORD   whether the lease holds is looked at once the record is in the log, not when the old master granted
 *   WITH_REPLICAS   a rebuild begins on a master that has the replicas (min-replicas-to-write): one that still followed the old
 *                   one would go on to prove it
 *   WAITS           the rebuild waits for the lease
 *   MARGIN          and for a clock that is slower
 *
 * STANDS is no condition, but what is left: a gate whose clock stands with it, as in a virtual machine that is stopped together
 * with the master beside it (SECURITY.md), is not found out.
 *
 * run: fine  -DFROM_SENDING -DBEHIND_RECORD -DWITH_REPLICAS -DWAITS -DMARGIN
 * run: error -DBEHIND_RECORD -DWITH_REPLICAS -DWAITS -DMARGIN
 * run: error -DFROM_SENDING -DWITH_REPLICAS -DWAITS -DMARGIN
 * run: error -DFROM_SENDING -DBEHIND_RECORD -DWAITS -DMARGIN
 * run: error -DFROM_SENDING -DBEHIND_RECORD -DWITH_REPLICAS
 * run: error -DFROM_SENDING -DBEHIND_RECORD -DWITH_REPLICAS -DWAITS
 * run: error -DFROM_SENDING -DBEHIND_RECORD -DWITH_REPLICAS -DWAITS -DMARGIN -DSTANDS
 */
#define LEASE 2
#define END 8

#ifdef WAITS
#ifdef MARGIN
#define QUIESCE (LEASE + 1)
#else
#define QUIESCE LEASE
#endif
#else
#define QUIESCE 0
#endif

byte now;                     /* true time */
byte clock;                   /* the gate's */
byte since_missed = LEASE;    /* steps since it missed one */

bool follows_old[2] = true;   /* the replicas; the first is promoted */
bool promoted, follows_new;

byte confirmed;               /* by the gate's clock, and one more: the lease counts from here; 0: never */
bool barrier;

proctype Time()
{
	do
	:: atomic { now < END -> now++; clock++; since_missed++ }
	:: atomic { now < END && since_missed >= LEASE -> now++; since_missed = 0 }
#ifdef STANDS
	:: atomic { now < END -> now++ }
#endif
	:: now == END -> break
	od
}

/* Asks the old master again and again whether it is followed (WAIT). */
proctype Attend()
{
	byte sent;

	do
	:: now < END ->
		sent = clock;
		if
		:: follows_old[0] || follows_old[1] ->
			/* The answer is on its way. */
#ifdef FROM_SENDING
			confirmed = sent + 1
#else
			confirmed = clock + 1
#endif
		:: !follows_old[0] && !follows_old[1] -> break
		fi
	:: now == END -> break
	od
}

#define HOLDS (confirmed > 0 && clock - (confirmed - 1) < LEASE)

/* One purchase at the old master: its record, and the old master's word for it. */
proctype Gate()
{
	bool behind;
	bool held;

	held = HOLDS;                                /* it is granted */
	behind = barrier;                            /* its record is appended */
#ifdef BEHIND_RECORD
	held = HOLDS;
#endif
	/* The old master acknowledges it under the old epoch, for it knows no other. */
	if
	:: held -> assert(!behind)                   /* told */
	:: !held
	fi
}

/* A replica is promoted; the other one hears of it later. */
proctype Failover()
{
	atomic { follows_old[0] = false; promoted = true };
	atomic { follows_old[1] = false; follows_new = true }
}

proctype Rebuild()
{
	byte begun;

	promoted;
#ifdef WITH_REPLICAS
	follows_new;
#endif
	begun = now;
	now >= begun + QUIESCE;
	barrier = true
}

init {
	atomic { run Time(); run Attend(); run Gate(); run Failover(); run Rebuild() }
}
