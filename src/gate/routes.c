/* What the program answers, and on which listener. docs/openapi.json says the same; a test holds them together. */
#include "gate/thread.h"

static const char page[] = "after limit", orders_page[] = "sale state buyer after limit";
static const char log_page[] = "actor action subject since kind order after limit";

/* Method, path; name; handler; scope; whether it reads a body; what its query may name. */
static const struct route public_list[] = {
	{{HTTP_POST, "/v1/sales/{sale}/orders"}, "buy", orders_buy, 0, true, NULL},
	{{HTTP_GET, "/v1/sales/{sale}/orders"}, "own_orders", orders_own, 0, false, NULL},
	{{HTTP_GET, "/v1/orders/{order}"}, "order", orders_show, 0, false, NULL},
	{{HTTP_POST, "/v1/orders/{order}/cancel"}, "order_cancel", orders_cancel, 0, false, NULL},
	{{HTTP_GET, "/v1/sales"}, "sales", sales_list, 0, false, page},
	{{HTTP_GET, "/v1/sales/{sale}"}, "sale", sales_show, 0, false, NULL},
	{{HTTP_GET, "/v1/sales/{sale}/events"}, "sale_events", sales_feed, 0, false, NULL},
	{{HTTP_GET, "/openapi.json"}, "openapi", pages_openapi, 0, false, NULL},
	{{HTTP_GET, "/docs"}, "docs", pages_docs, 0, false, NULL},
	{{HTTP_GET, "/assets/{file}"}, "assets", pages_asset, 0, false, NULL},
	{{HTTP_GET, "/livez"}, "livez", health_live, 0, false, NULL},
	{{HTTP_GET, "/readyz"}, "readyz", health_ready, 0, false, "verbose?"},
};
const struct route_table public_routes = {public_list, sizeof(public_list) / sizeof(public_list[0])};

static const struct route operator_list[] = {
	{{HTTP_GET, "/v1/items"}, "items", operator_items_list, OPERATOR_READ, false, page},
	{{HTTP_POST, "/v1/items"}, "item_create", operator_items_create, OPERATOR_STOCK, true, NULL},
	{{HTTP_GET, "/v1/items/{sku}"}, "item", operator_items_show, OPERATOR_READ, false, NULL},
	{{HTTP_POST, "/v1/items/{sku}/receive"}, "item_receive", operator_items_receive, OPERATOR_STOCK, true, NULL},
	{{HTTP_POST, "/v1/items/{sku}/adjust"}, "item_adjust", operator_items_adjust, OPERATOR_STOCK, true, NULL},
	{{HTTP_GET, "/v1/sales"}, "sales", operator_sales_list, OPERATOR_READ, false, page},
	{{HTTP_POST, "/v1/sales"}, "sale_create", operator_sales_create, OPERATOR_STOCK, true, NULL},
	{{HTTP_GET, "/v1/sales/{sale}"}, "sale", operator_sales_show, OPERATOR_READ, false, NULL},
	{{HTTP_PATCH, "/v1/sales/{sale}"}, "sale_change", operator_sales_change, OPERATOR_STOCK, true, NULL},
	{{HTTP_GET, "/v1/sales/{sale}/events"}, "sale_events", sales_feed, OPERATOR_READ, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/arm"}, "sale_arm", operator_sales_arm, OPERATOR_STOCK, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/disarm"}, "sale_disarm", operator_sales_disarm, OPERATOR_STOCK, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/open"}, "sale_open", operator_sales_open, OPERATOR_STOCK, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/pause"}, "sale_pause", operator_sales_pause, OPERATOR_STOCK, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/resume"}, "sale_resume", operator_sales_resume, OPERATOR_STOCK, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/end"}, "sale_end", operator_sales_end, OPERATOR_STOCK, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/delete"}, "sale_delete", operator_sales_delete, OPERATOR_STOCK, false, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/lots/{sku}/add"}, "lot_add", operator_lots_add, OPERATOR_STOCK, true, NULL},
	{{HTTP_POST, "/v1/sales/{sale}/lots/{sku}/withdraw"}, "lot_withdraw", operator_lots_withdraw, OPERATOR_STOCK, true, NULL},
	{{HTTP_GET, "/v1/orders"}, "orders", orders_operator_list, OPERATOR_READ, false, orders_page},
	{{HTTP_GET, "/v1/orders/{order}"}, "order", orders_operator_show, OPERATOR_READ, false, NULL},
	{{HTTP_POST, "/v1/orders/{order}/confirm"}, "order_confirm", orders_operator_confirm, OPERATOR_ORDERS, false, NULL},
	{{HTTP_POST, "/v1/orders/{order}/cancel"}, "order_cancel", orders_operator_cancel, OPERATOR_ORDERS, false, NULL},
	{{HTTP_POST, "/v1/orders/{order}/extend"}, "order_extend", orders_operator_extend, OPERATOR_ORDERS, true, NULL},
	{{HTTP_POST, "/v1/audit"}, "audit", operator_audit, OPERATOR_READ, false, NULL},
	{{HTTP_GET, "/v1/log"}, "log", operator_log, OPERATOR_READ, false, log_page},
	{{HTTP_GET, "/v1/log-level"}, "log_level", health_log_level, OPERATOR_READ, false, NULL},
	{{HTTP_PUT, "/v1/log-level"}, "log_level_set", health_set_log_level, OPERATOR_STOCK, true, NULL},
	{{HTTP_GET, "/metrics"}, "metrics", health_metrics, 0, false, NULL},
	{{HTTP_GET, "/health"}, "health", health_show, 0, false, NULL},
	{{HTTP_GET, "/livez"}, "livez", health_live, 0, false, NULL},
	{{HTTP_GET, "/readyz"}, "readyz", health_ready, 0, false, "verbose?"},
	{{HTTP_GET, "/dashboard"}, "dashboard", pages_dashboard, 0, false, NULL},
	{{HTTP_GET, "/openapi.json"}, "openapi", pages_openapi, 0, false, NULL},
	{{HTTP_GET, "/docs"}, "docs", pages_docs, 0, false, NULL},
	{{HTTP_GET, "/assets/{file}"}, "assets", pages_asset, 0, false, NULL},
};
const struct route_table operator_routes = {operator_list, sizeof(operator_list) / sizeof(operator_list[0])};
