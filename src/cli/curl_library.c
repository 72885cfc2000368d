#include "cli/curl_library.h"

#include <stdbool.h>
#include <stdlib.h>
#include "base/library.h"
#include "built_in.h"

static bool load(struct curl_library *library, const char **reason)
{
	const struct library_symbol symbols[] = {
		{"curl_global_init", &library->global_init},
		{"curl_easy_init", &library->easy_init},
		{"curl_easy_setopt", &library->setopt},
		{"curl_easy_getinfo", &library->getinfo},
		{"curl_easy_perform", &library->easy_perform},
		{"curl_easy_cleanup", &library->easy_cleanup},
		{"curl_easy_strerror", &library->easy_strerror},
		{"curl_slist_append", &library->slist_append},
		{"curl_slist_free_all", &library->slist_free_all},
		{"curl_multi_init", &library->multi_init},
		{"curl_multi_add_handle", &library->multi_add_handle},
		{"curl_multi_remove_handle", &library->multi_remove_handle},
		{"curl_multi_perform", &library->multi_perform},
		{"curl_multi_poll", &library->multi_poll},
		{"curl_multi_info_read", &library->multi_info_read},
		{"curl_multi_cleanup", &library->multi_cleanup},
	};
	bool loaded;

	if (PENSTOCK_STATIC) {
		*reason = "a static build does not load it: run that of another build or package";
		return false;
	}
	loaded = library_load("libcurl.so.4", symbols, sizeof(symbols) / sizeof(symbols[0]));
	*reason = loaded ? "it does not start" : "libcurl.so.4 cannot be loaded: install libcurl4";
	return loaded && library->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const struct curl_library *curl_library(const char **reason)
{
	static struct curl_library library;
	static bool loaded;

	if (!loaded)
		loaded = load(&library, reason);
	return loaded ? &library : NULL;
}

void curl_library_authorities(const struct curl_library *curl, CURL *easy, const char *cacert)
{
	const char *file = cacert ? cacert : getenv("CURL_CA_BUNDLE"), *folder = getenv("SSL_CERT_DIR");

	if (!file || !*file)
		file = getenv("SSL_CERT_FILE");
	if (file && *file)
		curl->setopt(easy, CURLOPT_CAINFO, file);
	if (!cacert && folder && *folder)
		curl->setopt(easy, CURLOPT_CAPATH, folder);
}
