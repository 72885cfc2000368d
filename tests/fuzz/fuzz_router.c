/*
 * The router, with the path as it comes. Held: no crash; a parameter lies within the path that was
 * looked for, is not empty and has no slash.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "http/reader.h"
#include "http/request.h"
#include "http/router.h"

static const struct http_route routes[] = {
	{HTTP_GET, "/v1/sales"},
	{HTTP_GET, "/v1/sales/{sale}"},
	{HTTP_POST, "/v1/sales/{sale}/orders"},
	{HTTP_GET, "/v1/orders/{id}"},
	{HTTP_POST, "/v1/orders/{id}/confirm"},
	{HTTP_POST, "/v1/sales/{sale}/lots/{sku}/add"},
	{HTTP_GET, "/livez"},
	{HTTP_GET, "/"},
};
static struct http_router *router;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	ASSERT(http_router_new(&router, routes, sizeof(routes) / sizeof(routes[0]), sizeof(routes[0])) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char allow[HTTP_ALLOW_SIZE], normal[HTTP_PATH_MAX];
	struct http_match match = {0};
	struct slice path;

	/* The reader hands over what begins with a slash. */
	if (size < 2 || size > HTTP_PATH_MAX || data[1] != '/')
		return 0;
	path = http_path_normal((struct slice){(const char *)data + 1, size - 1}, normal, sizeof(normal));
	ASSERT(path.size > 0 && path.size < size);
	if (http_router_find(router, (enum http_method)(data[0] % (HTTP_OTHER + 1)), path, &match, allow) != HTTP_ROUTE_FOUND)
		return 0;
	ASSERT(match.route < sizeof(routes) / sizeof(routes[0]));
	for (size_t i = 0; i < HTTP_PARAMETERS_MAX && match.parameters[i].data; i++) {
		ASSERT(match.parameters[i].size > 0);
		ASSERT(match.parameters[i].data >= path.data);
		ASSERT(match.parameters[i].data + match.parameters[i].size <= path.data + path.size);
		ASSERT(!memchr(match.parameters[i].data, '/', match.parameters[i].size));
	}
	return 0;
}
