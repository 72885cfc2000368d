#include "ledger/dead_letter_transactions.h"

#include <stdio.h>
#include "ledger/dead_letter.h"
#include "ledger/transaction.h"

struct dead_letter {
	struct slice json;
	const char *reason;
	int64_t now_ms;
};

static int write_dead_letter(struct transaction *transaction, void *request)
{
	const struct dead_letter *letter = request;

	return transaction->rows->records->write_dead_letter(transaction, letter->json, letter->reason, letter->now_ms);
}

int dead_letter_transaction_write(struct ledger *ledger, const struct event *event, const char *reason, int64_t now_ms)
{
	struct dead_letter letter = {.reason = reason, .now_ms = now_ms};
	struct buffer json;
	int result;

	buffer_init(&json, DEAD_LETTER_MAX);
	dead_letter_event(&json, event);
	letter.json = buffer_slice(&json);
	result = json.failed ? error_origin(-ENOMEM) : transaction_run(ledger, 0, write_dead_letter, &letter);
	buffer_deinit(&json);
	return result;
}

struct dead_letter_removal {
	int64_t number;
	const struct ledger_actor *actor; /* NULL: it was replayed, which has a row of its own */
	struct slice detail;
};

static int remove_dead_letter(struct transaction *transaction, void *request)
{
	const struct record_rows *records = transaction->rows->records;
	const struct dead_letter_removal *removal = request;
	char subject[32];
	int result = records->remove_dead_letter(transaction, removal->number);

	if (result != 0 || !removal->actor)
		return result;
	snprintf(subject, sizeof(subject), "%lld", (long long)removal->number);
	return records->write_log(transaction, removal->actor, ACTION_DEAD_LETTER_FORGET, slice_of(subject), removal->detail);
}

int dead_letter_transaction_remove(struct ledger *ledger, int64_t number)
{
	struct dead_letter_removal removal = {.number = number};

	return transaction_run(ledger, 0, remove_dead_letter, &removal);
}

int dead_letter_transaction_forget(struct ledger *ledger, const struct ledger_actor *actor, int64_t number, struct slice detail_json)
{
	struct dead_letter_removal removal = {number, actor, detail_json};

	return transaction_run(ledger, TRANSACTION_LOGS, remove_dead_letter, &removal);
}
