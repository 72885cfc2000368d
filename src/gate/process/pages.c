/*
 * Pages and files that are part of the program: the interface's description, Swagger UI, the
 * operator's console and its charts of the engine.
 */
#include "embedded.h"
#include "gate/process/routes.h"
#include "gate/thread.h"

/*
 * Scripts and styles from this server alone; Swagger UI draws with inline styles and data:
 * pictures.
 */
#define PAGE_HEADERS                                                                                                               \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " \
	"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"                                      \
	"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-cache\r\n"

static void serve(struct gate_request *request, const char *path, size_t size)
{
	const struct embedded_file *file = embedded_find(path, size);
	struct reply *reply = &request->thread->reply;

	if (!file) {
		gate_refuse(request, PROBLEM_NOT_FOUND, NULL);
		return;
	}
	buffer_append_literal(&reply->headers, PAGE_HEADERS);
	reply_header(reply, "ETag", slice_of(file->etag));
	reply->content_type = slice_of(file->type);
	if (http_request_has_tag(request->http, slice_of(file->etag)))
		reply->status = 304;
	else
		reply->page = (struct slice){(const char *)file->data, file->size};
	gate_answer(request, reply);
}

void pages_openapi_public(struct gate_request *request)
{
	serve(request, "public", strlen("public"));
}

void pages_openapi_operator(struct gate_request *request)
{
	serve(request, "operator", strlen("operator"));
}

void pages_docs(struct gate_request *request)
{
	serve(request, "/docs", strlen("/docs"));
}

void pages_root(struct gate_request *request)
{
	struct reply *reply = &request->thread->reply;

	reply->status = 302;
	reply_header(reply, "Location", SLICE("/dashboard"));
	gate_answer(request, reply);
}

void pages_dashboard(struct gate_request *request)
{
	serve(request, "/dashboard", strlen("/dashboard"));
}

void pages_engine(struct gate_request *request)
{
	serve(request, "/engine", strlen("/engine"));
}

void pages_asset(struct gate_request *request)
{
	serve(request, request->http->path.data, request->http->path.size);
}
