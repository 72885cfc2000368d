#include "cli/https.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/curl_library.h"

enum { CONNECT_TIMEOUT_MS = 10000, SILENCE_S = 45, HEADER_MAX = 4096, URL_MAX = 8192 };

struct https {
	const struct curl_library *curl;
	CURL *easy;
	char *url, *cacert;
	char reason[CURL_ERROR_SIZE];
};

/* A call that runs. */
struct transfer {
	struct https *https;
	const struct https_request *request;
};

int https_new(struct https **out, const char *url, const char *cacert, const char **reason)
{
	const struct curl_library *curl;
	struct https *https;

	if (strncmp(url, "https://", 8) != 0 || strcspn(url + 8, "/?#@ ") == 0 || strpbrk(url + 8, "#@ ") != NULL)
		return -EINVAL;
	curl = curl_library(reason);
	if (!curl)
		return -ENOENT;
	https = calloc(1, sizeof(*https));
	if (https)
		*https = (struct https){
			.curl = curl, .easy = curl->easy_init(), .url = strdup(url), .cacert = cacert ? strdup(cacert) : NULL};
	if (!https || !https->easy || !https->url || (cacert && !https->cacert)) {
		https_free(https);
		return error_origin(-ENOMEM);
	}
	*out = https;
	return 0;
}

void https_free(struct https *https)
{
	if (!https)
		return;
	if (https->easy)
		https->curl->easy_cleanup(https->easy);
	free(https->url);
	free(https->cacert);
	free(https);
}

const char *https_reason(const struct https *https)
{
	return https->reason;
}

static size_t take(char *data, size_t size, size_t count, void *context)
{
	const struct transfer *transfer = context;
	long status = 0;

	transfer->https->curl->getinfo(transfer->https->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!transfer->request->every_status && (status < 200 || status >= 300))
		return size * count;
	return transfer->request->take(transfer->request->context, data, size * count) ? size * count : 0;
}

static struct curl_slist *header_list(const struct https *https, const struct https_request *request)
{
	/* What libcurl would add by itself. */
	struct curl_slist *list = https->curl->slist_append(NULL, "Expect:"), *longer;
	const char *line = request->headers, *end;
	char text[HEADER_MAX];

	if (list && !request->body)
		list = https->curl->slist_append(list, "Content-Type:");
	for (; list && (end = strstr(line, "\r\n")); line = end + 2) {
		snprintf(text, sizeof(text), "%.*s", (int)(end - line), line);
		longer = https->curl->slist_append(list, text);
		if (!longer)
			https->curl->slist_free_all(list);
		list = longer;
	}
	return list;
}

static void set_up(struct https *https, const struct transfer *transfer, const char *url, struct curl_slist *headers)
{
	const struct https_request *request = transfer->request;
	CURLcode (*setopt)(CURL * easy, CURLoption option, ...) = https->curl->setopt;

	setopt(https->easy, CURLOPT_URL, url);
	setopt(https->easy, CURLOPT_NOSIGNAL, 1L);
	setopt(https->easy, CURLOPT_ERRORBUFFER, https->reason);
	setopt(https->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	setopt(https->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	setopt(https->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	setopt(https->easy, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	setopt(https->easy, CURLOPT_HTTPHEADER, headers);
	if (strcmp(request->method, "GET") == 0) {
		setopt(https->easy, CURLOPT_HTTPGET, 1L);
		setopt(https->easy, CURLOPT_CUSTOMREQUEST, NULL);
	} else {
		setopt(https->easy, CURLOPT_POST, 1L);
		setopt(https->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(request->body ? strlen(request->body) : 0));
		setopt(https->easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
		setopt(https->easy, CURLOPT_CUSTOMREQUEST, request->method);
	}
	setopt(https->easy, CURLOPT_WRITEFUNCTION, take);
	setopt(https->easy, CURLOPT_WRITEDATA, transfer);
	curl_library_authorities(https->curl, https->easy, https->cacert);
}

static int error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_WRITE_ERROR:
		return -EMSGSIZE;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

int https_call(struct https *https, const struct https_request *request, int *status)
{
	const struct transfer transfer = {https, request};
	struct curl_slist *headers = header_list(https, request);
	char url[URL_MAX];
	long code = 0;
	CURLcode end;

	if (!headers)
		return error_origin(-ENOMEM);
	if (snprintf(url, sizeof(url), "%s%s", https->url, request->path) >= (int)sizeof(url)) {
		https->curl->slist_free_all(headers);
		return -EMSGSIZE;
	}
	https->reason[0] = '\0';
	set_up(https, &transfer, url, headers);
	end = https->curl->easy_perform(https->easy);
	https->curl->getinfo(https->easy, CURLINFO_RESPONSE_CODE, &code);
	https->curl->slist_free_all(headers);
	if (end != CURLE_OK && !https->reason[0])
		snprintf(https->reason, sizeof(https->reason), "%s", https->curl->easy_strerror(end));
	*status = (int)code;
	return error_of(end);
}
