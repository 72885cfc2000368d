/*
 * What the program answers, and on which listener. docs/openapi.json says the same;
 * tools/check-openapi and a test hold them together.
 */
#include "gate/buyer/routes.h"
#include "gate/operator/routes.h"
#include "gate/process/routes.h"
#include "model/sale.h"

static const char page[] = "after limit", orders_page[] = "sale state buyer payment reference after limit";
static const char changes_page[] = "after limit since wait";
static const char log_page[] = "actor action subject since kind order after limit";

/* clang-format off */
/*
 * Method, path; name; scope; input; what its query may name; where it runs and what; the argument.
 * See struct route.
 */
static const struct route public_list[] = {
	{{HTTP_POST, "/v1/sales/{sale}/orders"}, "buy", 0, INPUT_BODY, NULL, .on_loop = purchase_start},
	{{HTTP_GET, "/v1/sales/{sale}/orders"}, "own_orders", 0, INPUT_NONE, NULL, .on_loop = own_orders_list},
	{{HTTP_GET, "/v1/orders/{order}"}, "order", 0, INPUT_NONE, "wait", .on_loop = orders_show},
	{{HTTP_POST, "/v1/orders/{order}/cancel"}, "order_cancel", 0, INPUT_BODY_OR_NONE, NULL, .on_loop = orders_cancel},
	{{HTTP_GET, "/v1/sales"}, "sales", 0, INPUT_NONE, page, .on_loop = sales_list},
	{{HTTP_GET, "/v1/sales/{sale}"}, "sale", 0, INPUT_NONE, NULL, .on_loop = sales_show},
	{{HTTP_GET, "/v1/sales/{sale}/events"}, "sale_events", 0, INPUT_NONE, NULL, .on_loop = feed_start},
	{{HTTP_GET, "/v1/time"}, "time", 0, INPUT_NONE, NULL, .on_loop = clock_show},
	{{HTTP_GET, "/openapi.json"}, "openapi", 0, INPUT_NONE, NULL, .on_loop = pages_openapi_public},
	{{HTTP_GET, "/docs"}, "docs", 0, INPUT_NONE, NULL, .on_loop = pages_docs},
	{{HTTP_GET, "/assets/{file}"}, "assets", 0, INPUT_NONE, NULL, .on_loop = pages_asset},
	{{HTTP_GET, "/livez"}, "livez", 0, INPUT_NONE, NULL, .on_loop = diagnostics_live, .probe = true},
	{{HTTP_GET, "/readyz"}, "readyz", 0, INPUT_NONE, "verbose?", .on_loop = diagnostics_ready, .probe = true},
};
const struct route_table public_routes = {public_list, sizeof(public_list) / sizeof(public_list[0])};

static const struct route operator_list[] = {
	{{HTTP_GET, "/v1/items"}, "items", OPERATOR_READ, INPUT_PAGE, page, .on_ledger = operator_items_list},
	{{HTTP_POST, "/v1/items"}, "item_create", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_items_create},
	{{HTTP_GET, "/v1/items/{sku}"}, "item", OPERATOR_READ, INPUT_NONE, NULL, .on_ledger = operator_items_show},
	{{HTTP_POST, "/v1/items/{sku}/receive"}, "item_receive", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_items_receive},
	{{HTTP_POST, "/v1/items/{sku}/adjust"}, "item_adjust", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_items_adjust},
	{{HTTP_POST, "/v1/imports"}, "import", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_imports},
	{{HTTP_GET, "/v1/sales"}, "sales", OPERATOR_READ, INPUT_PAGE, page, .on_ledger = operator_sales_list},
	{{HTTP_POST, "/v1/sales"}, "sale_create", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_sales_create},
	{{HTTP_GET, "/v1/sales/{sale}"}, "sale", OPERATOR_READ, INPUT_NONE, NULL, .on_ledger = operator_sales_show},
	{{HTTP_PATCH, "/v1/sales/{sale}"}, "sale_change", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_sales_change},
	{{HTTP_GET, "/v1/sales/{sale}/events"}, "sale_events", OPERATOR_READ, INPUT_NONE, NULL, .on_loop = feed_start},
	{{HTTP_POST, "/v1/sales/{sale}/arm"}, "sale_arm", OPERATOR_STOCK, INPUT_NONE, NULL, .on_ledger = operator_sales_move, .argument = SALE_ARM},
	{{HTTP_POST, "/v1/sales/{sale}/disarm"},
	 "sale_disarm",
	 OPERATOR_STOCK,
	 INPUT_NONE,
	 NULL,
	 .on_ledger = operator_sales_move,
	 .argument = SALE_DISARM},
	{{HTTP_POST, "/v1/sales/{sale}/open"}, "sale_open", OPERATOR_STOCK, INPUT_NONE, NULL, .on_ledger = operator_sales_move, .argument = SALE_START},
	{{HTTP_POST, "/v1/sales/{sale}/pause"}, "sale_pause", OPERATOR_STOCK, INPUT_NONE, NULL, .on_loop = operator_sales_brake, .argument = SALE_PAUSE},
	{{HTTP_POST, "/v1/sales/{sale}/resume"},
	 "sale_resume",
	 OPERATOR_STOCK,
	 INPUT_NONE,
	 NULL,
	 .on_loop = operator_sales_brake,
	 .argument = SALE_RESUME},
	{{HTTP_POST, "/v1/sales/{sale}/end"}, "sale_end", OPERATOR_STOCK, INPUT_NONE, NULL, .on_ledger = operator_sales_move, .argument = SALE_END},
	{{HTTP_POST, "/v1/sales/{sale}/delete"}, "sale_delete", OPERATOR_STOCK, INPUT_NONE, NULL, .on_ledger = operator_sales_delete},
	{{HTTP_POST, "/v1/sales/{sale}/lots/{sku}/add"}, "lot_add", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_lots_add},
	{{HTTP_POST, "/v1/sales/{sale}/lots/{sku}/withdraw"}, "lot_withdraw", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = operator_lots_withdraw},
	{{HTTP_GET, "/v1/orders"}, "orders", OPERATOR_READ, INPUT_NONE, orders_page, .on_loop = orders_operator_list},
	{{HTTP_GET, "/v1/orders/{order}"}, "order", OPERATOR_READ, INPUT_NONE, NULL, .on_loop = orders_operator_show},
	{{HTTP_POST, "/v1/orders/{order}/confirm"},
	 "order_confirm", OPERATOR_ORDERS, INPUT_BODY_OR_NONE, NULL, .on_loop = orders_operator_confirm},
	{{HTTP_POST, "/v1/orders/{order}/cancel"},
	 "order_cancel", OPERATOR_ORDERS, INPUT_BODY_OR_NONE, NULL, .on_loop = orders_operator_cancel},
	{{HTTP_POST, "/v1/orders/{order}/extend"}, "order_extend", OPERATOR_ORDERS, INPUT_BODY, NULL, .on_loop = orders_operator_extend},
	{{HTTP_POST, "/v1/audit"}, "audit", OPERATOR_READ, INPUT_NONE, NULL, .on_loop = operator_audit},
	{{HTTP_GET, "/v1/changes"}, "changes", OPERATOR_READ, INPUT_NONE, changes_page, .on_loop = operator_changes},
	{{HTTP_GET, "/v1/relays/{relay}"}, "relay", OPERATOR_READ, INPUT_NONE, NULL, .on_ledger = operator_relays_show},
	{{HTTP_PUT, "/v1/relays/{relay}"}, "relay_keep", OPERATOR_READ, INPUT_BODY, NULL, .on_ledger = operator_relays_keep},
	{{HTTP_POST, "/v1/relays/{relay}/skip"}, "relay_skip", OPERATOR_ORDERS, INPUT_BODY, NULL, .on_ledger = operator_relays_skip},
	{{HTTP_GET, "/v1/log"}, "log", OPERATOR_READ, INPUT_NONE, log_page, .on_loop = operator_log},
	{{HTTP_GET, "/v1/whoami"}, "whoami", OPERATOR_READ, INPUT_NONE, NULL, .on_loop = operator_whoami},
	{{HTTP_GET, "/v1/time"}, "time", 0, INPUT_NONE, NULL, .on_loop = clock_show},
	{{HTTP_GET, "/v1/log-level"}, "log_level", OPERATOR_READ, INPUT_NONE, NULL, .on_loop = diagnostics_log_level},
	{{HTTP_PUT, "/v1/log-level"}, "log_level_set", OPERATOR_STOCK, INPUT_BODY, NULL, .on_ledger = diagnostics_set_log_level},
	{{HTTP_GET, "/metrics"}, "metrics", 0, INPUT_NONE, NULL, .on_loop = diagnostics_metrics},
	{{HTTP_GET, "/health"}, "health", 0, INPUT_NONE, NULL, .on_loop = diagnostics_health},
	{{HTTP_GET, "/livez"}, "livez", 0, INPUT_NONE, NULL, .on_loop = diagnostics_live, .probe = true},
	{{HTTP_GET, "/readyz"}, "readyz", 0, INPUT_NONE, "verbose?", .on_loop = diagnostics_ready, .probe = true},
	{{HTTP_GET, "/"}, "root", 0, INPUT_NONE, NULL, .on_loop = pages_root},
	{{HTTP_GET, "/dashboard"}, "dashboard", 0, INPUT_NONE, NULL, .on_loop = pages_dashboard},
	{{HTTP_GET, "/engine"}, "engine", 0, INPUT_NONE, NULL, .on_loop = pages_engine},
	{{HTTP_GET, "/openapi.json"}, "openapi", 0, INPUT_NONE, NULL, .on_loop = pages_openapi_operator},
	{{HTTP_GET, "/docs"}, "docs", 0, INPUT_NONE, NULL, .on_loop = pages_docs},
	{{HTTP_GET, "/assets/{file}"}, "assets", 0, INPUT_NONE, NULL, .on_loop = pages_asset},
};
const struct route_table operator_routes = {operator_list, sizeof(operator_list) / sizeof(operator_list[0])};
/* clang-format on */
