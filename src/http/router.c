/*
 * A tree of segments. Each node has its literal children in a list and at most one child for a
 * parameter; a literal wins over a parameter. Looking up walks the path once; the lists are short,
 * and most of their entries differ in length from what is looked for.
 */
#include "http/router.h"

#include <stdlib.h>
#include "base/array.h"
#include "base/error.h"

enum { NONE = UINT32_MAX, ROOT = 0, DEPTH_MAX = 16 };

struct node {
	struct slice text;       /* the literal segment; of the parameter's child: not looked at */
	uint32_t child, sibling; /* literals */
	uint32_t parameter;
	uint32_t routes[HTTP_OTHER]; /* by method; NONE */
	bool is_end;                 /* some method has a route here */
};

struct http_router {
	struct node *nodes;
	uint32_t count;
	size_t capacity;
};

static uint32_t add_node(struct http_router *router, struct slice text)
{
	struct node *node;

	if (array_fit(&router->nodes, &router->capacity, (size_t)router->count + 1, sizeof(*router->nodes)))
		return NONE;
	node = &router->nodes[router->count];
	*node = (struct node){.text = text, .child = NONE, .sibling = NONE, .parameter = NONE};
	for (size_t i = 0; i < HTTP_OTHER; i++)
		node->routes[i] = NONE;
	return router->count++;
}

/* Takes the segment behind the slash that `rest` begins with. */
static struct slice take_segment(struct slice *rest)
{
	const char *start = rest->data + 1;
	const char *slash = memchr(start, '/', rest->size - 1);
	struct slice segment = {start, slash ? (size_t)(slash - start) : rest->size - 1};

	*rest = (struct slice){start + segment.size, rest->size - 1 - segment.size};
	return segment;
}

static uint32_t find_child(const struct http_router *router, uint32_t parent, struct slice segment)
{
	uint32_t child = router->nodes[parent].child;

	while (child != NONE && !slice_equal(router->nodes[child].text, segment))
		child = router->nodes[child].sibling;
	return child;
}

static uint32_t enter_literal(struct http_router *router, uint32_t parent, struct slice segment)
{
	uint32_t child = find_child(router, parent, segment);

	if (child != NONE)
		return child;
	child = add_node(router, segment);
	if (child != NONE) {
		router->nodes[child].sibling = router->nodes[parent].child;
		router->nodes[parent].child = child;
	}
	return child;
}

static uint32_t enter_parameter(struct http_router *router, uint32_t parent)
{
	uint32_t child = router->nodes[parent].parameter;

	if (child == NONE) {
		child = add_node(router, SLICE_NULL);
		if (child != NONE)
			router->nodes[parent].parameter = child;
	}
	return child;
}

static int add_route(struct http_router *router, const struct http_route *route, uint32_t index)
{
	struct slice rest = slice_of(route->pattern);
	uint32_t node = ROOT;
	size_t depth = 0, parameters = 0;

	if (route->method >= HTTP_OTHER || rest.size == 0 || rest.data[0] != '/')
		return -EINVAL;
	while (rest.size > 0) {
		struct slice segment = take_segment(&rest);
		bool parameter = segment.size > 2 && segment.data[0] == '{' && segment.data[segment.size - 1] == '}';

		parameters += parameter;
		if (parameters > HTTP_PARAMETERS_MAX || ++depth > DEPTH_MAX)
			return -EINVAL;
		node = parameter ? enter_parameter(router, node) : enter_literal(router, node, segment);
		if (node == NONE)
			return -ENOMEM;
	}
	if (router->nodes[node].routes[route->method] != NONE)
		return -EINVAL;
	router->nodes[node].routes[route->method] = index;
	router->nodes[node].is_end = true;
	return 0;
}

int http_router_new(struct http_router **made, const void *routes, size_t count, size_t stride)
{
	struct http_router *router = calloc(1, sizeof(*router));
	int r = 0;

	if (!router || add_node(router, SLICE_NULL) == NONE)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_route(router, (const struct http_route *)((const char *)routes + i * stride), (uint32_t)i);
	if (r < 0) {
		http_router_free(router);
		return r;
	}
	*made = router;
	return 0;
}

void http_router_free(struct http_router *router)
{
	if (!router)
		return;
	free(router->nodes);
	free(router);
}

/*
 * The node where the path ends, or NONE. Goes back to the parameter where a literal led nowhere;
 * the tree is DEPTH_MAX deep at most.
 */
static uint32_t find_end(const struct http_router *router, uint32_t node, struct slice rest, struct http_match *match, size_t parameters)
{
	struct slice segment;
	uint32_t child, found;

	if (rest.size == 0)
		return router->nodes[node].is_end ? node : NONE;
	segment = take_segment(&rest);
	child = find_child(router, node, segment);
	if (child != NONE) {
		found = find_end(router, child, rest, match, parameters);
		if (found != NONE)
			return found;
	}
	child = router->nodes[node].parameter;
	if (child == NONE || segment.size == 0)
		return NONE;
	match->parameters[parameters] = segment;
	return find_end(router, child, rest, match, parameters + 1);
}

static void list_methods(const struct node *node, char allow[static HTTP_ALLOW_SIZE])
{
	size_t size = 0;

	for (enum http_method method = HTTP_GET; method < HTTP_OTHER; method++) {
		const char *name = http_method_name(method);
		bool listed = node->routes[method] != NONE || method == HTTP_OPTIONS ||
			      (method == HTTP_HEAD && node->routes[HTTP_GET] != NONE);

		if (!listed)
			continue;
		if (size > 0) {
			allow[size++] = ',';
			allow[size++] = ' ';
		}
		ASSERT(size + strlen(name) + 3 < HTTP_ALLOW_SIZE);
		memcpy(allow + size, name, strlen(name));
		size += strlen(name);
	}
	allow[size] = '\0';
}

int http_router_find(const struct http_router *router, enum http_method method, struct slice path, struct http_match *match,
		     char allow[static HTTP_ALLOW_SIZE])
{
	const struct node *node;
	uint32_t end, route;

	if (path.size == 0 || path.data[0] != '/')
		return HTTP_ROUTE_UNKNOWN;
	end = find_end(router, ROOT, path, match, 0);
	if (end == NONE)
		return HTTP_ROUTE_UNKNOWN;
	node = &router->nodes[end];
	route = method == HTTP_OTHER ? NONE : node->routes[method];
	if (route == NONE && method == HTTP_HEAD)
		route = node->routes[HTTP_GET];
	if (route == NONE) {
		list_methods(node, allow);
		return HTTP_ROUTE_METHOD;
	}
	match->route = route;
	return HTTP_ROUTE_FOUND;
}
