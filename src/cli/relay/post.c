#include "cli/relay/post.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "cli/curl_library.h"

enum { TIMEOUT_MS = 30000, CONNECT_TIMEOUT_MS = 10000 };

struct send {
	struct send *next;
	CURL *easy;
	struct curl_slist *headers;
	void *what;
};

struct poster {
	const struct curl_library *curl;
	CURLM *multi;
	char *url;
	struct send *sends;
	size_t in_flight;
};

int post_new(struct poster **out, const char *url)
{
	const char *reason = "";
	struct poster *poster;
	int result = 0;

	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return -EINVAL;
	poster = calloc(1, sizeof(*poster));
	if (!poster)
		return error_origin(-ENOMEM);
	poster->curl = curl_library(&reason);
	if (!poster->curl) {
		log_error("relay", "libcurl cannot be used", LOG_TEXT("reason", reason));
		result = -ENOENT;
	} else {
		poster->multi = poster->curl->multi_init();
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
	poster->curl->multi_remove_handle(poster->multi, send->easy);
	poster->curl->easy_cleanup(send->easy);
	poster->curl->slist_free_all(send->headers);
	free(send);
}

void post_free(struct poster *poster)
{
	if (!poster)
		return;
	while (poster->sends)
		end_send(poster, poster->sends);
	if (poster->multi)
		poster->curl->multi_cleanup(poster->multi);
	free(poster->url);
	free(poster);
}

static size_t ignore(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

static void set_up(struct poster *poster, struct send *send, struct slice body)
{
	const struct curl_library *curl = poster->curl;

	curl->setopt(send->easy, CURLOPT_URL, poster->url);
	curl->setopt(send->easy, CURLOPT_NOSIGNAL, 1L);
	curl->setopt(send->easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl->setopt(send->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl->setopt(send->easy, CURLOPT_POST, 1L);
	curl->setopt(send->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
	curl->setopt(send->easy, CURLOPT_POSTFIELDS, body.data);
	curl->setopt(send->easy, CURLOPT_HTTPHEADER, send->headers);
	curl->setopt(send->easy, CURLOPT_WRITEFUNCTION, ignore);
	curl->setopt(send->easy, CURLOPT_PRIVATE, send);
	curl_library_authorities(curl, send->easy, NULL);
}

int post_send(struct poster *poster, const char *const *headers, struct slice body, void *what)
{
	struct send *send = calloc(1, sizeof(*send));
	bool fine = send != NULL;

	for (size_t i = 0; fine && headers[i]; i++) {
		struct curl_slist *longer = poster->curl->slist_append(send->headers, headers[i]);

		fine = longer != NULL;
		if (longer)
			send->headers = longer;
	}
	if (fine)
		send->easy = poster->curl->easy_init();
	if (fine && send->easy) {
		set_up(poster, send, body);
		fine = poster->curl->multi_add_handle(poster->multi, send->easy) == CURLM_OK;
	}
	if (!fine || !send->easy) {
		if (send && send->easy)
			poster->curl->easy_cleanup(send->easy);
		if (send)
			poster->curl->slist_free_all(send->headers);
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

	poster->curl->multi_perform(poster->multi, &running);
	if (running == (int)poster->in_flight)
		poster->curl->multi_poll(poster->multi, NULL, 0, (int)(wait_ns / 1000000), NULL);
	poster->curl->multi_perform(poster->multi, &running);
	while ((message = poster->curl->multi_info_read(poster->multi, &left))) {
		CURLcode code = message->data.result;
		struct send *send = NULL;
		long status = 0;
		void *what;

		if (message->msg != CURLMSG_DONE)
			continue;
		poster->curl->getinfo(message->easy_handle, CURLINFO_PRIVATE, &send);
		if (code == CURLE_OK)
			poster->curl->getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		what = send->what;
		end_send(poster, send);
		ended(context, what, status, code == CURLE_OK ? "" : poster->curl->easy_strerror(code));
	}
}
