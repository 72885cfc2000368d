/*
 * libcurl, for the commands that speak TLS: loaded when the first of them asks, so no server of the
 * program has it. The one place that knows its name. One thread loads it.
 */
#pragma once

#include <curl/curl.h>

/* What is used of it. */
struct curl_library {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	CURLcode (*setopt)(CURL *easy, CURLoption option, ...);
	CURLcode (*getinfo)(CURL *easy, CURLINFO info, ...);
	CURLcode (*easy_perform)(CURL *easy);
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

/* NULL: it cannot be loaded; *reason says why. It stays until the process ends. */
const struct curl_library *curl_library(const char **reason);
/*
 * By which CAs a server is known: those of the file; NULL: of the environment (CURL_CA_BUNDLE,
 * SSL_CERT_FILE, SSL_CERT_DIR), which only curl the program looks at by itself, or the system's.
 */
void curl_library_authorities(const struct curl_library *curl, CURL *easy, const char *cacert);
