/*
 * How a sale is rebuilt from ledger and log without waiting for a drain: one unit, two buyers with a gate each, a drain, two
 * processes that are elected one after the other (the first may be paused at any step and go on later), a Redis that forgets
 * twice, and a ledger that may be restored from a backup.
 *
 * The conditions, each a -D. A run that leaves one out must find an error (tools/check-models holds every line that begins
 * with "run:").
 *
 *   ABOVE_TAIL      the new epoch is above every epoch in the log that the ledger does not have: a restored ledger would use one
 *                   a second time, and its old barrier would be taken for the new one. OWN_BARRIER finds that too, but would
 *                   find it again each time, and no rebuild would come to its end: without both there must be an error
 *   BARRIER_FIRST   the barrier is in the log before its tail is read to be loaded
 *   ONE_SNAPSHOT    position, barrier and orders are read in one snapshot: a drain commits between two reads
 *   EPOCH_AGAIN     the epoch is read again, in the ledger and in the log's barriers, after begin and before arm: a paused elected
 *                   may begin an older one in a Redis that was flushed since
 *   OWN_BARRIER     no other barrier of its epoch lies before its own: a ledger that is restored after the tail was read gives an
 *                   epoch a second time, and what was granted under it then would be taken for what is granted now
 *
 * run: fine  -DABOVE_TAIL -DBARRIER_FIRST -DONE_SNAPSHOT -DEPOCH_AGAIN -DOWN_BARRIER
 * run: fine  -DBARRIER_FIRST -DONE_SNAPSHOT -DEPOCH_AGAIN -DOWN_BARRIER
 * run: error -DBARRIER_FIRST -DONE_SNAPSHOT -DEPOCH_AGAIN
 * run: error -DABOVE_TAIL -DONE_SNAPSHOT -DEPOCH_AGAIN -DOWN_BARRIER
 * run: error -DABOVE_TAIL -DBARRIER_FIRST -DEPOCH_AGAIN -DOWN_BARRIER
 * run: error -DABOVE_TAIL -DBARRIER_FIRST -DONE_SNAPSHOT -DOWN_BARRIER
 * run: error -DABOVE_TAIL -DBARRIER_FIRST -DONE_SNAPSHOT -DEPOCH_AGAIN
 */
#define BUYERS 2
#define BARRIER 9
#define RECORDS 5

/* The log. It begins with the barrier of epoch 2, under which the sale is armed. */
byte what[RECORDS];           /* a buyer's grant, or BARRIER */
byte of_epoch[RECORDS];
byte count = 1;

/* The ledger. */
byte ledger_epoch = 2;
byte ledger_barrier = 0;
byte position = 0;
bool row[BUYERS];
bool voided[BUYERS];

/* The stock. */
byte epoch = 2;               /* 0: Redis has forgotten the sale */
bool armed = true;
byte left = 1;

bool told[BUYERS];
byte forgotten = 0;

#define MAX(a, b) ((a) > (b) -> (a) : (b))

inline append(which, e)
{
	what[count] = which;
	of_epoch[count] = e;
	count++
}

proctype Gate(byte o)
{
	byte e;

	atomic { armed && left > 0 -> left--; e = epoch };
	atomic { count < RECORDS -> append(o, e) };
	/* Told after the stock's answer under the epoch that granted it: see told.pml. */
	atomic {
		if
		:: armed && epoch == e -> told[o] = true; assert(!voided[o])
		:: else
		fi
	}
}

proctype Drain()
{
	byte o;

	do
	:: atomic { position < count ->
		if
		:: what[position] == BARRIER -> ledger_barrier = MAX(ledger_barrier, of_epoch[position])
		:: else ->
			o = what[position];
			if
			:: of_epoch[position] < ledger_barrier -> voided[o] = true; assert(!told[o])     /* P2 */
			:: else -> row[o] = true
			fi;
			assert(row[0] + row[1] <= 1)                                                    /* P1 */
		fi;
		position++
	   }
	od
}

proctype Fault()
{
	do
	:: atomic { forgotten < 2 -> forgotten++; epoch = 0; armed = false; left = 0 }
	:: break
	od
}

/*
 * The backup is of before the sale was armed under epoch 2. The drain goes on from its position by itself. It happens at any
 * time, between two steps of a rebuild too.
 */
proctype Restore()
{
	if
	:: skip
	:: atomic {
		ledger_epoch = 1; ledger_barrier = 0; position = 0;
		row[0] = false; row[1] = false; voided[0] = false; voided[1] = false
	   }
	fi
}

proctype Elected()
{
	byte e;
	byte mine;
	byte own;
	byte i;
	byte from;
	byte to;
	byte its_barrier;
	bool live[BUYERS];
	bool goes_on;

	epoch == 0;                                  /* somebody has seen the fence */
#ifdef ABOVE_TAIL
	atomic {
		i = 0;
		do
		:: i < count -> e = MAX(e, of_epoch[i]); i++
		:: else -> i = 0; break
		od
	};
#endif
	atomic {
		ledger_epoch = MAX(MAX(ledger_epoch, ledger_barrier), e) + 1;
		mine = ledger_epoch; e = 0
	};
	/* Begin: the stock refuses an older epoch than the one it has; one that has forgotten has none. */
	atomic {
		goes_on = epoch < mine;
		if
		:: goes_on -> epoch = mine; armed = false; left = 0
		:: else
		fi
	};
	if
	:: goes_on
	:: !goes_on -> goto out
	fi;
#ifndef BARRIER_FIRST
	to = count;
#endif
	atomic {
		if
		:: count < RECORDS -> own = count; append(BARRIER, mine)
		:: else -> goto out
		fi
	};
#ifdef BARRIER_FIRST
	to = count;
#endif
#ifdef OWN_BARRIER
	atomic {
		i = 0; goes_on = true;
		do
		:: i < to && what[i] == BARRIER && of_epoch[i] == mine && i != own -> goes_on = false; i++
		:: i < to && !(what[i] == BARRIER && of_epoch[i] == mine && i != own) -> i++
		:: else -> i = 0; break
		od
	};
	if
	:: goes_on
	:: !goes_on -> goto out
	fi;
#endif
	/* The ledger's orders, and over them the tail, by the drain's own judgement. */
#ifdef ONE_SNAPSHOT
	atomic { live[0] = row[0]; live[1] = row[1]; from = position; its_barrier = ledger_barrier };
#else
	atomic { live[0] = row[0]; live[1] = row[1] };
	atomic { from = position; its_barrier = ledger_barrier };
#endif
	atomic {
		i = from;
		do
		:: i < to && what[i] == BARRIER -> its_barrier = MAX(its_barrier, of_epoch[i]); i++
		:: i < to && what[i] != BARRIER ->
			if
			:: of_epoch[i] >= its_barrier -> live[what[i]] = true
			:: else
			fi;
			i++
		:: else -> i = 0; from = 0; to = 0; its_barrier = 0; break
		od
	};
#ifdef EPOCH_AGAIN
	atomic {
		goes_on = ledger_epoch == mine;
		i = 0;
		do
		:: i < count ->
			if
			:: what[i] == BARRIER && of_epoch[i] > mine -> goes_on = false
			:: else
			fi;
			i++
		:: else -> i = 0; break
		od
	};
	if
	:: goes_on
	:: !goes_on -> goto out
	fi;
#endif
	/* Armed only where the stock still has what was begun. */
	atomic {
		if
		:: epoch == mine && !armed && live[0] + live[1] <= 1 -> left = 1 - live[0] - live[1]; armed = true
		:: else
		fi
	};
out:
	atomic { mine = 0; own = 0; to = 0; live[0] = false; live[1] = false; goes_on = false }
}

init {
	atomic {
		what[0] = BARRIER; of_epoch[0] = 2;
		run Drain(); run Fault(); run Restore();
		run Gate(0); run Gate(1);
		run Elected(); run Elected()
	}
}
