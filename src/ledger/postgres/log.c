/*
 * The operator log: who did what. Append only (triggers refuse the rest). Its hash chain is in
 * log_chain.h; operator_log_head keeps the last row ever written, which the next one follows: who
 * writes a row locks it before anything else.
 */
#include "ledger/postgres/postgres_ledger.h"

const char pg_log_head_sql[] = "SELECT number, hash FROM operator_log_head";
const char pg_log_head_lock_sql[] = "SELECT number, hash FROM operator_log_head FOR UPDATE";
const char pg_log_head_update_sql[] = "UPDATE operator_log_head SET number = $1, hash = $2";

static const char insert_row[] = "INSERT INTO operator_log (number, at_ms, actor, action, subject, detail, trace, hash)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
#define LOG_ROWS                                                                                                \
	"SELECT number, at_ms, actor, action, subject, detail, trace, hash FROM operator_log WHERE at_ms >= $2" \
	" AND ($3 = '' OR actor = $3) AND ($4 = '' OR subject = $4)"                                            \
	" AND ($5 = '' OR action = $5 OR starts_with(action, $5 || '.'))"                                       \
	" AND ($6 = 0 OR starts_with(action, 'order.') = ($6 = 1))"
static const char select_oldest[] = LOG_ROWS " AND number > $1 ORDER BY number LIMIT $7";
static const char select_newest[] = LOG_ROWS " AND number < $1 ORDER BY number DESC LIMIT $7";

void pg_log_head_read(const PGresult *result, struct pg_log_head *head)
{
	*head = (struct pg_log_head){0};
	if (PQntuples(result) != 1)
		return;
	head->number = pg_get_int(result, 0, 0);
	pg_get_text(result, 0, 1, head->hash, sizeof(head->hash));
}

void pg_log_head_put(struct pg_params *params, const struct pg_log_head *head)
{
	pg_put_int(params, head->number);
	pg_put_text(params, slice_of(head->hash));
}

int pg_log_row_write(struct transaction *transaction, const struct ledger_actor *actor, enum log_action action,
		     struct slice subject, struct slice detail_json)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct log_fields row = log_fields_of(actor, action, subject, detail_json);
	struct pg_params params = {0}, head_params = {0};
	struct pg_log_head head;
	PGresult *result;
	int end = pg_outcome(pg_query(connection, pg_log_head_sql, NULL, &result), -EIO);

	if (end < 0)
		return end;
	pg_log_head_read(result, &head);
	PQclear(result);
	row.number = ++head.number;
	pg_put_int(&params, row.number);
	pg_put_int(&params, row.at_ms);
	pg_put_text(&params, row.actor);
	pg_put_text(&params, row.action);
	pg_put_text(&params, row.subject);
	pg_put_text(&params, row.detail);
	pg_put_text(&params, row.trace);
	end = log_chain_hash(slice_of(head.hash), &row, head.hash);
	if (end < 0)
		return end;
	pg_put_text(&params, slice_of(head.hash));
	pg_log_head_put(&head_params, &head);
	pg_add(connection, insert_row, &params);
	pg_add(connection, pg_log_head_update_sql, &head_params);
	end = pg_outcome(pg_run(connection, NULL), -EIO);
	return end == 0 && actor->request ? pg_request_write(transaction, actor->request, actor->now_ms) : end;
}

int postgres_log_rows(struct ledger *base, const struct ledger_log_filter *filter, struct ledger_log_row *rows, size_t max,
		      size_t *count)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	*count = 0;
	pg_put_int(&params, log_page_bound(filter));
	pg_put_int(&params, filter->since_ms);
	pg_put_text(&params, filter->actor);
	pg_put_text(&params, filter->subject);
	pg_put_text(&params, filter->action);
	pg_put_int(&params, filter->kind);
	pg_put_int(&params, (int64_t)max);
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROWS, filter->newest_first ? select_newest : select_oldest, &params, &result);
	if (end < 0)
		return end;
	for (int i = 0; i < PQntuples(result); i++) {
		struct ledger_log_row *row = &rows[(*count)++];

		row->number = pg_get_int(result, i, 0);
		row->at_ms = pg_get_int(result, i, 1);
		pg_get_text(result, i, 2, row->actor, sizeof(row->actor));
		pg_get_text(result, i, 3, row->action, sizeof(row->action));
		pg_get_text(result, i, 4, row->subject, sizeof(row->subject));
		pg_get_text(result, i, 5, row->detail, sizeof(row->detail));
		pg_get_text(result, i, 6, row->trace, sizeof(row->trace));
		pg_get_text(result, i, 7, row->hash, sizeof(row->hash));
	}
	PQclear(result);
	return 0;
}
