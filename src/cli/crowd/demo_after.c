#include "cli/crowd/demo_after.h"

#include <stdio.h>
#include "cli/change_line.h"
#include "cli/crowd/demo.h"
#include "cli/operator/sale_report.h"
#include "cli/output.h"
#include "cli/style.h"

enum { REFUNDS = 3, LINES = 9, PAGE = 1000 };

/* The crowd only confirms, so the payment side tells here what was paid. */
static int refund(struct client *client, const char *sale)
{
	const json_t *order;
	json_t *answer;
	char path[OUTPUT_PATH_SIZE], reference[64];
	size_t index;
	int code;

	snprintf(path, sizeof(path), "/v1/orders?sale=%s&state=confirmed&limit=%d", sale, REFUNDS);
	code = client_ask(client, "GET", path, NULL, &answer);
	if (code != CLI_GO)
		return code;
	json_array_foreach(json_object_get(answer, "orders"), index, order)
	{
		const char *id = output_field_text(order, "id");

		snprintf(reference, sizeof(reference), "pay-%zu", index + 1);
		code = demo_act(client, "orders", id, "confirm",
				json_pack("{s:{s:s, s:i, s:s, s:s}}", "payment", "reference", reference, "amount", DEMO_PRICE,
					  "currency", "EUR", "method", "card"));
		if (code == CLI_GO)
			code = demo_act(client, "orders", id, "cancel", NULL);
		if (code != CLI_GO)
			break;
	}
	if (code == CLI_GO)
		printf("\n%sAfterwards%s  %zu who have paid want their money back: their orders are cancelled, their units for sale again\n",
		       style(STYLE_BOLD), style(STYLE_END), json_array_size(json_object_get(answer, "orders")));
	json_decref(answer);
	return code;
}

static void print_last(json_t *const lines[static LINES], size_t count)
{
	struct buffer out;

	buffer_init(&out, 65536);
	for (size_t i = count < LINES ? 0 : count - LINES; i < count; i++) {
		buffer_append_text(&out, "  ");
		change_line(lines[i % LINES], &out);
	}
	printf("\n%sThe feed%s, as a shop's endpoint hears it (penstock relay): the last of %s changes\n%.*s", style(STYLE_BOLD),
	       style(STYLE_END), output_thousands(count), (int)out.size, out.data ? out.data : "");
	buffer_deinit(&out);
}

/* All of it is read, as a relay does; the last lines of it are shown. */
static int show_feed(struct client *client)
{
	char path[OUTPUT_PATH_SIZE] = "/v1/changes?limit=1000";
	json_t *lines[LINES] = {NULL}, *page, *change;
	size_t count = 0, got = PAGE, index;
	int code = CLI_GO;

	while (got > 0 && code == CLI_GO) {
		code = client_ask(client, "GET", path, NULL, &page);
		if (code != CLI_GO)
			break;
		got = json_array_size(json_object_get(page, "changes"));
		json_array_foreach(json_object_get(page, "changes"), index, change)
		{
			json_decref(lines[count % LINES]);
			lines[count++ % LINES] = json_incref(change);
		}
		snprintf(path, sizeof(path), "/v1/changes?limit=%d&after=%s", PAGE, output_field_text(page, "next"));
		json_decref(page);
	}
	if (code == CLI_GO)
		print_last(lines, count);
	for (size_t i = 0; i < LINES; i++)
		json_decref(lines[i]);
	return code;
}

int demo_after(struct client *client, const char *sale)
{
	int code = refund(client, sale);

	if (code == CLI_GO) {
		printf("\n%sThe report%s (penstock sale report %s)\n\n", style(STYLE_BOLD), style(STYLE_END), sale);
		code = sale_report(client, sale, false);
	}
	if (code == CLI_OK)
		code = show_feed(client);
	return code == CLI_GO ? CLI_OK : code;
}
