/*
 * The margins beyond T_ack (journal.ack_deadline, counted from before the stock is asked). Who
 * waits for another's end waits for its deadline and a margin, and the order between them is what
 * keeps one from acting while the other still may: it is asserted here.
 *
 *   T_ack               the journal worker refuses by itself what has waited so long, and tells nobody of success any more
 *   + ACK_ANSWER        a gate answers "unknown" for what has not come back
 *   + ACK_CLAIM         any gate drives the outbox entry: whoever made it has given up on it
 *   + ACK_LIBRARY       the journal's own library gives a record up, which we have purged before
 *   + ACK_REBUILD       a rebuild goes on: gates of an older version, which tell after the journal alone, tell nobody any more
 */
#pragma once

enum {
	ACK_ANSWER_MARGIN_NS = 500000000,
	ACK_CLAIM_MARGIN_NS = 1000000000,
	ACK_LIBRARY_MARGIN_NS = 1000000000,
	ACK_REBUILD_MARGIN_NS = 500000000, /* clocks of machines that run a little apart */
};

_Static_assert(ACK_ANSWER_MARGIN_NS > 0, "the journal worker refuses what waited too long before its gate has given up");
_Static_assert(ACK_CLAIM_MARGIN_NS > ACK_ANSWER_MARGIN_NS, "an entry is driven by others only after its own gate has given up");
_Static_assert(ACK_LIBRARY_MARGIN_NS > ACK_ANSWER_MARGIN_NS, "a record is purged by us before its library gives it up");
_Static_assert(ACK_REBUILD_MARGIN_NS > 0, "nobody tells of success any more when a rebuild goes on");
