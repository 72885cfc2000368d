#include "ledger/sale_transactions.h"

#include "ledger/log_detail.h"
#include "ledger/lot_transactions.h"
#include "ledger/transaction.h"

/* The terms of a sale for the operator log. */
static int log_terms(struct transaction *transaction, const struct sale *sale, const struct ledger_actor *actor, enum log_action action)
{
	struct buffer detail;
	int result;

	buffer_init(&detail, LOG_TERMS_MAX);
	log_detail_terms(&detail, sale);
	if (detail.failed)
		result = error_origin(-ENOMEM);
	else
		result = transaction->rows->records->write_log(transaction, actor, action, slice_of(sale->id), buffer_slice(&detail));
	buffer_deinit(&detail);
	return result;
}

/* --- Making --- */

struct sale_creation {
	struct sale *sale;
	const struct ledger_actor *actor;
	uint32_t *lot;
};

int sale_transaction_insert(struct transaction *transaction, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	int result = transaction_check_request(transaction, actor);

	*lot = 0;
	if (result == 0)
		result = transaction->rows->sales->insert(transaction, sale);
	if (result == 0) {
		sale->epoch = 1;
		sale->barrier = 0;
		sale->version = 1;
		sale->state = SALE_DRAFT;
		sale->ended_at_ms = SALE_NO_TIME;
	}
	for (uint32_t i = 0; i < sale->lot_count && result == 0; i++) {
		*lot = i;
		result = lot_insert(transaction, sale->number, i, &sale->lots[i], actor);
	}
	return result == 0 ? log_terms(transaction, sale, actor, ACTION_SALE_CREATE) : result;
}

static int create(struct transaction *transaction, void *request)
{
	const struct sale_creation *creation = request;

	return sale_transaction_insert(transaction, creation->sale, creation->actor, creation->lot);
}

int sale_transaction_create(struct ledger *ledger, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	struct sale_creation creation = {sale, actor, lot};

	return transaction_run(ledger, TRANSACTION_LOGS | TRANSACTION_CHANGES_SALES, create, &creation);
}

/* --- Changing its terms --- */

struct sale_terms {
	const struct sale *sale;
	const struct ledger_actor *actor;
};

static int update(struct transaction *transaction, void *request)
{
	const struct sale_rows *sales = transaction->rows->sales;
	const struct sale_terms *terms = request;
	struct sale_head head;
	int result = sales->read_head(transaction, terms->sale->number, &head);

	if (result == 0 && head.version != terms->sale->version)
		result = LEDGER_CONFLICT;
	if (result == 0)
		result = sales->update_terms(transaction, terms->sale);
	return result == 0 ? log_terms(transaction, terms->sale, terms->actor, ACTION_SALE_UPDATE) : result;
}

int sale_transaction_update(struct ledger *ledger, const struct sale *sale, const struct ledger_actor *actor)
{
	struct sale_terms terms = {sale, actor};

	return transaction_run(ledger, TRANSACTION_LOGS | TRANSACTION_CHANGES_SALES, update, &terms);
}

/* --- Moving its state --- */

struct sale_moving {
	uint32_t sale;
	enum sale_action action;
	uint32_t epoch;                     /* SALE_DISARM: that it must still have */
	const struct sale_release *release; /* SALE_RESUME: what it answers; NULL: whatever there is */
	const struct ledger_actor *actor;
	int told; /* out: what is told of one that has moved nothing, and is written down */
};

/*
 * Of a sale that was armed a moment ago: ends its epoch, so that no event of an order comes any
 * more; then looks what is so now, which stays so. 0, LEDGER_ALREADY, LEDGER_WRONG_STATE,
 * LEDGER_CONFLICT (it had another epoch), LEDGER_HAS_ORDERS, or negative.
 */
static int end_epoch_unsold(struct transaction *transaction, uint32_t sale, uint32_t epoch)
{
	const struct sale_rows *sales = transaction->rows->sales;
	struct sale_head head;
	enum sale_state next;
	uint32_t raised;
	int result = sales->raise_epoch(transaction, sale, 0, &raised);

	if (result == 0)
		result = sales->read_head(transaction, sale, &head);
	if (result != 0)
		return result;
	if (sale_next(head.state, head.opened, SALE_DISARM, &next) != SALE_MOVED)
		return head.state == SALE_DRAFT ? LEDGER_ALREADY : LEDGER_WRONG_STATE;
	if (raised != epoch + 1)
		return LEDGER_CONFLICT; /* another process has begun it anew, and may have sold under that */
	result = sales->has_orders(transaction, sale);
	return result > 0 ? LEDGER_HAS_ORDERS : result;
}

/* Counts a stop, also of what is paused: a release that does not know of it answers it no more. */
static int count_stop(struct transaction *transaction, const struct sale_moving *moving, struct sale_head *head)
{
	static const struct uuid no_key = {{0}};

	sale_stops_add(&head->stops, moving->actor->request ? &moving->actor->request->id : &no_key);
	return transaction->rows->sales->write_stops(transaction, moving->sale, &head->stops);
}

static int answer_stops(struct transaction *transaction, const struct sale_moving *moving, struct sale_head *head)
{
	head->stops.answered = head->stops.count;
	return transaction->rows->sales->write_stops(transaction, moving->sale, &head->stops);
}

/*
 * It is there already. A stop is in the log all the same: the sale may be paused by it alone, when
 * a release has answered the others.
 */
static int stay(struct transaction *transaction, struct sale_moving *moving, struct sale_head *head)
{
	const struct record_rows *records = transaction->rows->records;
	const struct ledger_actor *actor = moving->actor;
	int result;

	moving->told = LEDGER_ALREADY;
	if (moving->action == SALE_PAUSE) {
		result = count_stop(transaction, moving, head);
		return result ? result : records->write_log(transaction, actor, ACTION_SALE_PAUSE, slice_of(head->id), SLICE("{}"));
	}
	/* Asked again after somebody has moved it on, it must not move it back. */
	return actor->request ? records->write_request(transaction, actor->request, actor->now_ms) : 0;
}

static int move(struct transaction *transaction, void *request)
{
	const struct transaction_rows *rows = transaction->rows;
	struct sale_moving *moving = request;
	const struct ledger_actor *actor = moving->actor;
	const enum log_action action = log_action_of_sale(moving->action);
	struct sale_head head;
	enum sale_state next;
	enum sale_move moved;
	int result = transaction_check_request(transaction, actor);

	moving->told = LEDGER_DONE;
	if (result == 0)
		result = rows->sales->read_head(transaction, moving->sale, &head);
	if (result != 0)
		return result;
	moved = sale_next(head.state, head.opened, moving->action, &next);
	if (moved == SALE_MOVE_ALREADY)
		return stay(transaction, moving, &head);
	if (moved != SALE_MOVED)
		return LEDGER_WRONG_STATE;
	if (moving->release && !sale_release_answers(moving->release, &head.stops)) {
		moving->told = LEDGER_CONFLICT;
		return rows->records->write_log(transaction, actor, action, slice_of(head.id), SLICE("{\"overtaken\":true}"));
	}
	if (moving->action == SALE_PAUSE)
		result = count_stop(transaction, moving, &head);
	else if (moving->action == SALE_RESUME)
		result = answer_stops(transaction, moving, &head);
	if (moving->action == SALE_DISARM)
		result = end_epoch_unsold(transaction, moving->sale, moving->epoch);
	if (result == 0)
		result = rows->sales->update_state(transaction, moving->sale, next, actor->now_ms);
	if (result == 0 && moving->action == SALE_DELETE)
		result = lot_return_all(transaction, moving->sale, actor);
	if (result == 0 && moving->action == SALE_DELETE)
		result = rows->sales->free_id(transaction, moving->sale);
	if (result != 0)
		return result;
	return rows->records->write_log(transaction, actor, action, slice_of(head.id), SLICE("{}"));
}

static int run_move(struct ledger *ledger, unsigned int scope, struct sale_moving *moving)
{
	int result = transaction_run(ledger, scope, move, moving);

	return result == 0 ? moving->told : result;
}

int sale_transaction_move(struct ledger *ledger, uint32_t sale, enum sale_action action, const struct ledger_actor *actor)
{
	struct sale_moving moving = {.sale = sale, .action = action, .actor = actor};

	ASSERT(action != SALE_DISARM);
	return run_move(ledger, TRANSACTION_LOGS | TRANSACTION_CHANGES_SALES, &moving);
}

int sale_transaction_release(struct ledger *ledger, uint32_t sale, const struct sale_release *release, const struct ledger_actor *actor)
{
	struct sale_moving moving = {.sale = sale, .action = SALE_RESUME, .release = release, .actor = actor};

	return run_move(ledger, TRANSACTION_LOGS | TRANSACTION_CHANGES_SALES, &moving);
}

int sale_transaction_disarm(struct ledger *ledger, uint32_t sale, uint32_t epoch, const struct ledger_actor *actor)
{
	struct sale_moving moving = {.sale = sale, .action = SALE_DISARM, .epoch = epoch, .actor = actor};

	/* Epochs come before the number of changes: raise_epoch() takes both. */
	return run_move(ledger, TRANSACTION_LOGS, &moving);
}

/* --- Its epoch --- */

struct sale_epoch {
	uint32_t sale, above;
	uint32_t *epoch;
};

static int raise_epoch(struct transaction *transaction, void *request)
{
	const struct sale_epoch *raised = request;

	return transaction->rows->sales->raise_epoch(transaction, raised->sale, raised->above, raised->epoch);
}

int sale_transaction_raise_epoch(struct ledger *ledger, uint32_t sale, uint32_t above, uint32_t *epoch)
{
	struct sale_epoch raised = {sale, above, epoch};

	return transaction_run(ledger, 0, raise_epoch, &raised);
}
