#include "cli/relay/post.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "built_in.h"

enum { TIMEOUT_MS = 30000, CONNECT_TIMEOUT_MS = 10000 };

/* What is used of libcurl. */
struct api {
	void *library;
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	CURLcode (*setopt)(CURL *easy, CURLoption option, ...);
	CURLcode (*getinfo)(CURL *easy, CURLINFO info, ...);
	void (*easy_cleanup)(CURL *easy);
	const char *(*easy_strerror)(CURLcode code);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_perform)(CURLM *multi, int *running);
	CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *extra, unsigned int count, int timeout_ms, int *ready);
	CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
	CURLMcode (*multi_cleanup)(CURLM *multi);
};

struct send {
	struct send *next;
	CURL *easy;
	struct curl_slist *headers;
	void *what;
};

struct poster {
	struct api api;
	CURLM *multi;
	char *url;
	struct send *sends;
	size_t in_flight;
};

/* 0 or -ENOENT. */
static int load(struct api *api)
{
	const struct {
		const char *name;
		void *place;
	} names[] = {
		{"curl_global_init", &api->global_init},
		{"curl_easy_init", &api->easy_init},
		{"curl_easy_setopt", &api->setopt},
		{"curl_easy_getinfo", &api->getinfo},
		{"curl_easy_cleanup", &api->easy_cleanup},
		{"curl_easy_strerror", &api->easy_strerror},
		{"curl_slist_append", &api->slist_append},
		{"curl_slist_free_all", &api->slist_free_all},
		{"curl_multi_init", &api->multi_init},
		{"curl_multi_add_handle", &api->multi_add_handle},
		{"curl_multi_remove_handle", &api->multi_remove_handle},
		{"curl_multi_perform", &api->multi_perform},
		{"curl_multi_poll", &api->multi_poll},
		{"curl_multi_info_read", &api->multi_info_read},
		{"curl_multi_cleanup", &api->multi_cleanup},
	};

	if (PENSTOCK_STATIC) {
		log_error("relay", "a static build has no relay, which loads libcurl: run that of another build or package");
		return -ENOSYS;
	}
	api->library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; api->library && i < sizeof(names) / sizeof(names[0]); i++) {
		void *symbol = dlsym(api->library, names[i].name);

		memcpy(names[i].place, &symbol, sizeof(symbol));
		if (!symbol)
			api->library = NULL;
	}
	if (api->library && api->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		return 0;
	log_error("relay", "libcurl.so.4 cannot be loaded: install libcurl4", LOG_TEXT("reason", dlerror()));
	return -ENOENT;
}

int post_new(struct poster **out, const char *url)
{
	struct poster *poster;
	int result;

	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return -EINVAL;
	poster = calloc(1, sizeof(*poster));
	if (!poster)
		return error_origin(-ENOMEM);
	result = load(&poster->api);
	if (result == 0) {
		poster->multi = poster->api.multi_init();
		poster->url = strdup(url);
		result = poster->multi && poster->url ? 0 : error_origin(-ENOMEM);
	}
	if (result < 0) {
		post_free(poster);
		return result;
	}
	*out = poster;
	return 0;
}

static void end_send(struct poster *poster, struct send *send)
{
	struct send **at = &poster->sends;

	while (*at != send)
		at = &(*at)->next;
	*at = send->next;
	poster->in_flight--;
	poster->api.multi_remove_handle(poster->multi, send->easy);
	poster->api.easy_cleanup(send->easy);
	poster->api.slist_free_all(send->headers);
	free(send);
}

void post_free(struct poster *poster)
{
	if (!poster)
		return;
	while (poster->sends)
		end_send(poster, poster->sends);
	if (poster->multi)
		poster->api.multi_cleanup(poster->multi);
	free(poster->url);
	free(poster);
}

static size_t ignore(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

/* As the curl command has it; proxies libcurl takes from the environment itself. */
static void set_authorities(struct poster *poster, CURL *easy)
{
	const char *bundle = getenv("CURL_CA_BUNDLE"), *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");

	if (!bundle || !bundle[0])
		bundle = file;
	if (bundle && bundle[0])
		poster->api.setopt(easy, CURLOPT_CAINFO, bundle);
	if (folder && folder[0])
		poster->api.setopt(easy, CURLOPT_CAPATH, folder);
}

static void set_up(struct poster *poster, struct send *send, struct slice body)
{
	const struct api *api = &poster->api;

	api->setopt(send->easy, CURLOPT_URL, poster->url);
	api->setopt(send->easy, CURLOPT_NOSIGNAL, 1L);
	api->setopt(send->easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	api->setopt(send->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	api->setopt(send->easy, CURLOPT_POST, 1L);
	api->setopt(send->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
	api->setopt(send->easy, CURLOPT_POSTFIELDS, body.data);
	api->setopt(send->easy, CURLOPT_HTTPHEADER, send->headers);
	api->setopt(send->easy, CURLOPT_WRITEFUNCTION, ignore);
	api->setopt(send->easy, CURLOPT_PRIVATE, send);
	set_authorities(poster, send->easy);
}

int post_send(struct poster *poster, const char *const *headers, struct slice body, void *what)
{
	struct send *send = calloc(1, sizeof(*send));
	bool fine = send != NULL;

	for (size_t i = 0; fine && headers[i]; i++) {
		struct curl_slist *longer = poster->api.slist_append(send->headers, headers[i]);

		fine = longer != NULL;
		if (longer)
			send->headers = longer;
	}
	if (fine)
		send->easy = poster->api.easy_init();
	if (fine && send->easy) {
		set_up(poster, send, body);
		fine = poster->api.multi_add_handle(poster->multi, send->easy) == CURLM_OK;
	}
	if (!fine || !send->easy) {
		if (send && send->easy)
			poster->api.easy_cleanup(send->easy);
		if (send)
			poster->api.slist_free_all(send->headers);
		free(send);
		return error_origin(-ENOMEM);
	}
	send->what = what;
	send->next = poster->sends;
	poster->sends = send;
	poster->in_flight++;
	return 0;
}

size_t post_in_flight(const struct poster *poster)
{
	return poster->in_flight;
}

void post_turn(struct poster *poster, int64_t wait_ns, void (*ended)(void *context, void *what, long status, const char *reason),
	       void *context)
{
	CURLMsg *message;
	int running, left;

	poster->api.multi_perform(poster->multi, &running);
	if (running == (int)poster->in_flight)
		poster->api.multi_poll(poster->multi, NULL, 0, (int)(wait_ns / 1000000), NULL);
	poster->api.multi_perform(poster->multi, &running);
	while ((message = poster->api.multi_info_read(poster->multi, &left))) {
		CURLcode code = message->data.result;
		struct send *send = NULL;
		long status = 0;
		void *what;

		if (message->msg != CURLMSG_DONE)
			continue;
		poster->api.getinfo(message->easy_handle, CURLINFO_PRIVATE, &send);
		if (code == CURLE_OK)
			poster->api.getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		what = send->what;
		end_send(poster, send);
		ended(context, what, status, code == CURLE_OK ? "" : poster->api.easy_strerror(code));
	}
}
