#include "recovery/unsold.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "base/pause.h"
#include "core/sale_control.h"
#include "recovery/round.h"

/* What has come of the sale so far. */
static int end_of(const struct round_sale *sale)
{
	if (sale->error == 0)
		return SALE_CONTROL_DONE;
	if (sale->held) {
		log_warn("sales", "the journal cannot say whether something of the sale was sold",
			 LOG_TEXT("sale", sale->sale->id), LOG_TEXT("reason", sale->held));
		return SALE_CONTROL_NO_PROOF;
	}
	return sale->error == -ESTALE ? SALE_CONTROL_CONFLICT : SALE_CONTROL_JOURNAL_AWAY;
}

static int learnt(const struct round_sale *sale)
{
	if (sale->tail.reserved)
		return SALE_CONTROL_HAS_ORDERS;
	if (sale->tail.withdrawn)
		return SALE_CONTROL_JOURNAL_AWAY; /* who arms the draft would arm these units, which the ledger has still */
	return sale->tail.last_bad >= 0 ? SALE_CONTROL_NO_PROOF : SALE_CONTROL_DONE;
}

static int go(const struct unsold *unsold, struct round *round)
{
	struct round_sale *sale = &round->sales[0];
	int64_t wait_ns;
	int r;

	if (round_learn(round) < 0)
		return SALE_CONTROL_JOURNAL_AWAY;
	r = end_of(sale);
	if (r == 0)
		r = learnt(sale); /* before anything is fenced */
	if (r)
		return r;
	if (round_begin(round) < 0)
		return SALE_CONTROL_STOCK_AWAY;
	wait_ns = round_wait_ns(round, unsold->told_ns);
	if (wait_ns > 0)
		pause_sleep(wait_ns);
	(void)FAILPOINT("disarm.begun"); /* it is fenced, and nobody knows why */
	r = end_of(sale);
	if (r == 0 && round_barriers(round) < 0)
		r = SALE_CONTROL_JOURNAL_AWAY;
	if (r == 0)
		r = end_of(sale);
	return r == 0 ? learnt(sale) : r;
}

int unsold_prove(void *context, const struct sale *sale, uint32_t *epoch)
{
	const struct unsold *unsold = context;
	struct sale *copy = sale_copy(sale);
	struct round round;
	int r;

	if (!copy)
		return error_origin(-ENOMEM);
	r = round_init(&round, unsold->ledger, unsold->stock, unsold->journal);
	if (r < 0) {
		free(copy);
		return r;
	}
	r = round_add(&round, copy);
	if (r == 0)
		r = go(unsold, &round);
	if (r == 0)
		*epoch = round.sales[0].tail.epoch;
	round_deinit(&round);
	return r;
}
