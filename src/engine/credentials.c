#include "engine/credentials.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "identity/key_file.h"

/*
 * The secret of a setting, or of the file beside the ledger, made where it is missing. malloc'd;
 * NULL: logged why.
 */
static char *secret(const struct settings *settings, const char *set, const char *suffix, const char *name)
{
	char *path, *key = NULL;
	int r;

	if (*set)
		return strdup(set);
	path = key_file_path(settings->ledger.url, suffix);
	r = path ? key_file_load_or_make(path, &key) : -ENOMEM;
	if (r < 0)
		log_error("engine", "a key file cannot be used", LOG_TEXT("for", name), LOG_TEXT("path", path ? path : ""),
			  LOG_TEXT("error", key_file_error(r)));
	else
		log_info("engine", "no setting names this secret: it is kept in a file", LOG_TEXT("for", name),
			 LOG_TEXT("path", path));
	free(path);
	return r < 0 ? NULL : key;
}

static void forget(char *key)
{
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
}

enum identity_algorithm credentials_algorithm(const struct settings *settings)
{
	switch (settings->identity.jwt_algorithm) {
	case JWT_HS256:
		return IDENTITY_HS256;
	case JWT_RS256:
		return IDENTITY_RS256;
	case JWT_ES256:
		return IDENTITY_ES256;
	case JWT_PS256:
		return IDENTITY_PS256;
	case JWT_EDDSA:
		return IDENTITY_EDDSA;
	}
	assertion_failed("a known algorithm", __FILE__, __LINE__, __func__);
}

/* The keys of the login, malloc'd; NULL: logged why. *name: the setting that they are of. */
static char *login_keys(const struct settings *settings, const struct settings *secrets, const char **name)
{
	const char *path = secrets->identity.jwks_file;
	char *keys;
	int r;

	*name = "identity.jwks_file";
	if (*path && *secrets->identity.jwt_key) {
		log_error("engine", "identity.jwks_file and identity.jwt_key are both set: choose one");
		return NULL;
	}
	if (*path) {
		r = key_file_load_public(path, &keys);
		if (r < 0)
			log_error("engine", "identity.jwks_file cannot be read", LOG_TEXT("path", path),
				  LOG_TEXT("error", key_file_error(r)));
		return r < 0 ? NULL : keys;
	}
	*name = "identity.jwt_key";
	if (!*secrets->identity.jwt_key && settings->identity.jwt_algorithm != JWT_HS256) {
		log_error("engine", "identity.jwt_key must be the public key (PEM) for this identity.jwt_algorithm");
		return NULL;
	}
	return secret(settings, secrets->identity.jwt_key, KEY_FILE_JWT_KEY, "identity.jwt_key");
}

int credentials_identity(const struct settings *settings, const struct settings *secrets, struct identity **out)
{
	struct identity_settings identity = {
		.algorithm = credentials_algorithm(settings),
		.jwks = *secrets->identity.jwks_file != '\0',
		.issuer = slice_of(settings->identity.jwt_issuer),
		.audience = slice_of(settings->identity.jwt_audience),
		.leeway_ms = settings->identity.jwt_leeway_ns / 1000000,
		.cache_entries = (size_t)settings->identity.cache_entries,
	};
	const char *reason = "", *name;
	char *key;
	int r;

	*out = NULL;
	if (settings->identity.mode == IDENTITY_HEADER)
		return 0;
	key = login_keys(settings, secrets, &name);
	if (!key)
		return -EINVAL;
	identity.key = slice_of(key);
	r = identity_new(out, &identity, &reason);
	if (r < 0)
		log_error("engine", "the login's keys cannot be used", LOG_TEXT("setting", name), LOG_TEXT("reason", reason));
	forget(key);
	return r;
}

static bool only_loopback(const struct listen_list *places)
{
	for (size_t i = 0; i < places->count; i++)
		if (!address_is_loopback(&places->items[i].address))
			return false;
	return true;
}

int credentials_operators(const struct settings *settings, const struct settings *secrets, struct operators **out)
{
	struct operators *operators = NULL;
	const char *reason = "";
	char *token = NULL;
	int r = operators_new(&operators);

	if (r < 0)
		return r;
	if (*secrets->operator.tokens)
		r = operators_parse(operators, slice_of(secrets->operator.tokens), &reason);
	if (r == 0 && (*secrets->operator.token || operators_count(operators) == 0)) {
		if (!*secrets->operator.token && !only_loopback(&settings->operator.listen)) {
			operators_free(operators);
			log_error("engine",
				  "operator.listen is not a loopback address: set operator.token or operator.tokens (see `penstock token --help`)");
			return -EINVAL;
		}
		token = secret(settings, secrets->operator.token, KEY_FILE_OPERATOR_TOKEN, "operator.token");
		r = token ? operators_add(operators, SLICE("operator"), OPERATOR_ALL, slice_of(token), &reason) : -EINVAL;
		forget(token);
	}
	if (r < 0) {
		log_error("engine", "the operators' tokens cannot be used", LOG_TEXT("reason", reason));
		operators_free(operators);
		return r;
	}
	*out = operators;
	return 0;
}

/* A file beside the ledger, which may be made yet, or a JWK Set, which may be fetched yet. */
static bool login_is_in_file(const struct settings *settings)
{
	if (*settings->identity.jwks_file)
		return !*settings->identity.jwt_key;
	return !*settings->identity.jwt_key && settings->identity.jwt_algorithm == JWT_HS256;
}

static bool operator_is_in_file(const struct settings *settings)
{
	return !settings->operator.tokens[0] && !settings->operator.token[0] && only_loopback(&settings->operator.listen);
}

int credentials_check(const struct settings *settings)
{
	struct identity *identity = NULL;
	struct operators *operators = NULL;
	int r = login_is_in_file(settings) ? 0 : credentials_identity(settings, settings, &identity);

	if (r == 0 && !operator_is_in_file(settings))
		r = credentials_operators(settings, settings, &operators);
	identity_free(identity);
	operators_free(operators);
	return r;
}
