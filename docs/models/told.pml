/*
 * What a buyer is told, while gates die or are paused and Redis forgets: one unit, two buyers with a gate each, a sweeper that
 * drives the outbox. A purchase that was told may be cancelled by its buyer.
 *
 * The conditions, each a -D. A run that leaves one out must find an error (tools/check-models holds every line that begins
 * with "run:").
 *
 *   RELEASE_AFTER_LOG   a unit returns to the counter only after the record that frees it is in the log (rule 1)
 *   UNCLAIMED_ONLY      a gate undoes an outbox entry only while nobody has claimed it (rule 2)
 *   BARRIER             a rebuild starts its epoch with a barrier in the log before it loads (rule 4)
 *   VOIDS_ALL           behind a barrier every older event is void, whatever its kind (rule 4)
 *   WAITS               where success is told by the journal's word alone (gates of the functions' first version), a rebuild
 *                       lets the time in which it may be told go by before its barrier
 *   STOCK_ANSWERS       success is told only after the stock has answered the acknowledgement (rule 3)
 *   SAME_EPOCH          and only where it answered under the event's epoch
 *   ON_A_REPLICA        with replicas: and only where a replica of that master has the acknowledgement too
 *
 * What happens, each a -D too:
 *
 *   PAUSE      a gate's machine is paused together with its clock, so that no deadline of its own ever passes
 *   REPLICAS   Redis does not forget but fails over: the old master still has the old epoch, and answers a gate that was
 *              paused together with it
 *
 * run: fine  -DWAITS -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 * run: error -DWAITS -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 * run: error -DWAITS -DRELEASE_AFTER_LOG -DBARRIER -DVOIDS_ALL
 * run: error -DWAITS -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DVOIDS_ALL
 * run: error -DWAITS -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER
 *
 * A rebuild that follows gates of the first version waits; one that follows gates which ask the stock need not:
 *
 * run: error -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 * run: fine  -DSTOCK_ANSWERS -DSAME_EPOCH -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 *
 * A deadline alone does not survive a pause; the stock's answer does, and makes the deadline needless for P2:
 *
 * run: error -DPAUSE -DWAITS -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 * run: error -DPAUSE -DSTOCK_ANSWERS -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 * run: fine  -DPAUSE -DSTOCK_ANSWERS -DSAME_EPOCH -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 *
 * The gap that SECURITY.md names, and what would close it:
 *
 * run: error -DREPLICAS -DPAUSE -DSTOCK_ANSWERS -DSAME_EPOCH -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 * run: fine  -DREPLICAS -DON_A_REPLICA -DPAUSE -DSTOCK_ANSWERS -DSAME_EPOCH -DRELEASE_AFTER_LOG -DUNCLAIMED_ONLY -DBARRIER -DVOIDS_ALL
 */
#define BUYERS 2

mtype = { NONE, HELD, RELEASING, GONE };
mtype = { DURABLE, REFUSED, UNKNOWN };

/* The stock. */
byte left = 1;
byte epoch = 1;
bool armed = true;
mtype order[BUYERS] = NONE;
bool grant_out[BUYERS];   /* in the outbox: the grant */
bool cancel_out[BUYERS];  /* in the outbox: the cancel */
bool unclaimed[BUYERS];   /* nobody but the gate that made the grant has it */
bool old_master = false;  /* one is left that still has epoch 1 */

/* The log, as whoever reads it in order will judge it. */
bool granted[BUYERS];
bool cancelled[BUYERS];
bool barrier = false;     /* of epoch 2 */
bool waited_out = false;  /* every clock that goes on says that epoch 1 may not be told any more */

/* What buyers were told. */
bool told[BUYERS];
bool told_cancelled[BUYERS];

byte finished = 0;
bool rebuilt = false;

#define LIVE(o) (granted[o] && !cancelled[o])
#define IS_CURRENT(e) (armed && epoch == e)
#define IS_VOID(e) (barrier && e < 2)

/* What the acknowledgement of an event of epoch e must have been answered with. */
#ifdef ON_A_REPLICA
#define OLD_MASTER_SAYS_DONE(e) false
#else
#define OLD_MASTER_SAYS_DONE(e) (old_master && e == 1)
#endif
#ifdef SAME_EPOCH
#define PROVEN(e) (IS_CURRENT(e) || OLD_MASTER_SAYS_DONE(e))
#else
#define PROVEN(e) armed
#endif

#ifdef PAUSE
#define IN_TIME(e) true
#else
#define IN_TIME(e) (!(waited_out && e == 1))
#endif

#ifdef UNCLAIMED_ONLY
#define MAY_UNDO(o) unclaimed[o]
#else
#define MAY_UNDO(o) true
#endif

inline append_grant(o, e)
{
	if
	:: IS_VOID(e)
	:: else -> granted[o] = true
	fi;
	assert(LIVE(0) + LIVE(1) <= 1)               /* P1 */
}

inline append_cancel(o, e)
{
	if
#ifdef VOIDS_ALL
	:: IS_VOID(e)
	:: !IS_VOID(e) -> cancelled[o] = true
#else
	:: true -> cancelled[o] = true
#endif
	fi
}

proctype Gate(byte o)
{
	byte e = 0;
	mtype end = UNKNOWN;
	bool goes_on = false;

	/* Decided in the stock, in one step. */
	atomic {
		if
		:: armed && left > 0 && order[o] == NONE ->
			left--; order[o] = HELD; grant_out[o] = true; unclaimed[o] = true; e = epoch; goes_on = true
		:: else
		fi
	}
	if
	:: goes_on
	:: !goes_on -> goto out
	fi;
	if
	:: goto out                                  /* the gate dies */
	:: skip
	fi;
	/* To the journal. */
	if
	:: atomic {
		append_grant(o, e);
		if
		:: IN_TIME(e) -> end = DURABLE
		:: end = UNKNOWN                     /* the answer is lost, or comes too late */
		fi
	}
	:: end = REFUSED
	:: end = UNKNOWN                             /* it never arrived */
	fi;
	if
	:: end == DURABLE ->
#ifdef STOCK_ANSWERS
		atomic {
			goes_on = PROVEN(e);
			if
			:: IS_CURRENT(e) -> grant_out[o] = false
			:: else
			fi
		}
		if
		:: goes_on -> atomic { told[o] = true; assert(granted[o]) }       /* P2 */
		:: else
		fi
#else
		atomic { told[o] = true; assert(granted[o]) };
		atomic {
			if
			:: IS_CURRENT(e) -> grant_out[o] = false
			:: else
			fi
		}
#endif
	:: end == REFUSED ->
		atomic {
			if
			:: IS_CURRENT(e) && order[o] == HELD && grant_out[o] && MAY_UNDO(o) ->
				left++; order[o] = NONE; grant_out[o] = false
			:: else
			fi
		}
	:: end == UNKNOWN
	fi;
	if
	:: !told[o] -> goto out
	:: told[o]
	fi;
	if
	:: goto out                                  /* the buyer keeps it */
	:: skip
	fi;
	goes_on = false;
	atomic {
		if
		:: armed && order[o] == HELD ->
			cancel_out[o] = true; e = epoch; goes_on = true;
#ifdef RELEASE_AFTER_LOG
			order[o] = RELEASING
#else
			order[o] = GONE; left++
#endif
		:: else
		fi
	}
	if
	:: goes_on
	:: !goes_on -> goto out
	fi;
	if
	:: goto out                                  /* the gate dies */
	:: skip
	fi;
	atomic {
		append_cancel(o, e);
		if
		:: IN_TIME(e)
		:: goes_on = false
		fi
	}
	if
	:: goes_on
	:: !goes_on -> goto out
	fi;
	atomic {
#ifdef STOCK_ANSWERS
		goes_on = PROVEN(e);
#endif
		if
		:: IS_CURRENT(e) ->
			cancel_out[o] = false;
			if
			:: order[o] == RELEASING -> order[o] = GONE; left++
			:: else
			fi
		:: else
		fi
	}
	if
	:: goes_on -> atomic { told_cancelled[o] = true; assert(cancelled[o]) }   /* P2 */
	:: else
	fi;
out:
	finished++
}

/* Whichever gate sees an old entry first drives it again. */
active proctype Sweeper()
{
	byte e;
	byte o;
	bool is_grant;

	do
	:: atomic { armed && grant_out[0] -> o = 0; unclaimed[0] = false; e = epoch; is_grant = true } -> goto drive
	:: atomic { armed && grant_out[1] -> o = 1; unclaimed[1] = false; e = epoch; is_grant = true } -> goto drive
	:: atomic { armed && cancel_out[0] && !grant_out[0] -> o = 0; e = epoch; is_grant = false } -> goto drive
	:: atomic { armed && cancel_out[1] && !grant_out[1] -> o = 1; e = epoch; is_grant = false } -> goto drive
	:: finished == BUYERS && rebuilt && !(grant_out[0] || grant_out[1] || cancel_out[0] || cancel_out[1]) -> break
drive:
		if
		:: is_grant ->
			atomic { append_grant(o, e) };
			atomic {
				if
				:: IS_CURRENT(e) -> grant_out[o] = false
				:: else
				fi
			}
		:: !is_grant ->
			atomic { append_cancel(o, e) };
			atomic {
				if
				:: IS_CURRENT(e) ->
					cancel_out[o] = false;
					if
					:: order[o] == RELEASING -> order[o] = GONE; left++
					:: else
					fi
				:: else
				fi
			}
		fi
	od;
	assert(left + LIVE(0) + LIVE(1) == 1)        /* P4, and P1 */
}

inline load(o, live)
{
	if
	:: live -> order[o] = HELD
	:: !live && cancelled[o] -> order[o] = GONE
	:: else
	fi
}

/* Redis forgets, or fails over, once or not at all; the sale is rebuilt from the log. */
active proctype Rebuild()
{
	bool first;
	bool second;

	if
	:: skip
	:: atomic {
		armed = false; left = 0;
		grant_out[0] = false; grant_out[1] = false; cancel_out[0] = false; cancel_out[1] = false;
		order[0] = NONE; order[1] = NONE;
#ifdef REPLICAS
		old_master = true
#endif
	   }
#ifdef WAITS
	   waited_out = true;
#endif
#ifdef BARRIER
	   barrier = true;
#endif
	   atomic { first = LIVE(0); second = LIVE(1) };
	   atomic {
		left = 1 - first - second;
		load(0, first);
		load(1, second);
		epoch = 2; armed = true
	   }
	fi;
	rebuilt = true
}

init { atomic { run Gate(0); run Gate(1) } }
