#include "ledger/relay_transactions.h"

#include "ledger/transaction.h"

static int put(struct transaction *transaction, void *request)
{
	const struct record_rows *records = transaction->rows->records;
	const struct ledger_relay *relay = request;
	struct ledger_relay next;
	int result = records->read_relay(transaction, slice_of(relay->name), &next);

	if (result < 0)
		return result;
	if (next.version != relay->version)
		return LEDGER_CONFLICT;
	next.at_ms = relay->at_ms;
	memcpy(next.name, relay->name, sizeof(next.name));
	memcpy(next.position, relay->position, sizeof(next.position));
	return records->write_relay(transaction, &next);
}

int relay_transaction_put(struct ledger *ledger, struct ledger_relay *relay)
{
	int result = transaction_run(ledger, 0, put, relay);

	relay->version += result == LEDGER_DONE;
	return result;
}

struct relay_skip {
	struct slice name, change, detail;
	const struct ledger_actor *actor;
};

/* Whether it is one of those. */
static bool is_skipped(const char *skipped, struct slice change)
{
	for (const char *at = skipped; *at;) {
		size_t size = strcspn(at, " ");

		if (slice_equal((struct slice){at, size}, change))
			return true;
		at += size + (at[size] == ' ');
	}
	return false;
}

/*
 * Behind the others, of which the oldest goes where there is no room. 0 or -ENOMEM: it is too long.
 */
static int add_skipped(char skipped[static LEDGER_RELAY_TEXT_MAX + 1], struct slice change)
{
	size_t count = 1, size;
	char *rest;

	for (const char *at = skipped; *at; at++)
		count += *at == ' ';
	for (; *skipped && (count >= LEDGER_RELAY_SKIPS_MAX || strlen(skipped) + 1 + change.size > LEDGER_RELAY_TEXT_MAX); count--) {
		rest = strchr(skipped, ' ');
		memmove(skipped, rest ? rest + 1 : "", rest ? strlen(rest + 1) + 1 : 1);
	}
	size = strlen(skipped);
	if (size + 1 + change.size > LEDGER_RELAY_TEXT_MAX)
		return error_origin(-ENOMEM);
	if (size)
		skipped[size++] = ' ';
	memcpy(skipped + size, change.data, change.size);
	skipped[size + change.size] = '\0';
	return 0;
}

static int skip(struct transaction *transaction, void *request)
{
	const struct record_rows *records = transaction->rows->records;
	const struct relay_skip *wanted = request;
	struct ledger_relay relay;
	int result = transaction_check_request(transaction, wanted->actor);

	if (result == 0)
		result = records->read_relay(transaction, wanted->name, &relay);
	if (result != 0)
		return result;
	if (is_skipped(relay.skipped, wanted->change))
		return LEDGER_ALREADY;
	relay.at_ms = wanted->actor->now_ms;
	result = add_skipped(relay.skipped, wanted->change);
	if (result == 0)
		result = records->write_relay(transaction, &relay);
	return result != 0 ? result : records->write_log(transaction, wanted->actor, ACTION_RELAY_SKIP, wanted->name, wanted->detail);
}

int relay_transaction_skip(struct ledger *ledger, struct slice name, struct slice change, const struct ledger_actor *actor,
			   struct slice detail_json)
{
	enum { TRIES_MAX = 8 }; /* a relay keeps its position at the same time */
	struct relay_skip wanted = {name, change, detail_json, actor};
	int result = LEDGER_CONFLICT;

	for (int i = 0; i < TRIES_MAX && result == LEDGER_CONFLICT; i++)
		result = transaction_run(ledger, TRANSACTION_LOGS, skip, &wanted);
	return result == LEDGER_CONFLICT ? error_origin(-EBUSY) : result;
}
