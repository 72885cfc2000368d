/*
 * Reads a token's `sub` without trusting it. The payload is walked by hand, member by member,
 * because a JSON parser would cost ten times as much and allocate. Of a payload that is valid JSON
 * it says the `sub` or nothing: a name written with escapes is not looked at, and where such a one
 * means `sub` as well, the token names a claim twice and will not be accepted. Of anything else it
 * may say what it likes: no such token is ever verified.
 */
#include "identity/bearer.h"
#include "identity/jws.h"
#include "model/sale.h"
#include "text/base64url.h"

struct walk {
	const char *at, *end;
};

static void skip_space(struct walk *walk)
{
	while (walk->at < walk->end && (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\n' || *walk->at == '\r'))
		walk->at++;
}

static bool take(struct walk *walk, char c)
{
	skip_space(walk);
	if (walk->at == walk->end || *walk->at != c)
		return false;
	walk->at++;
	return true;
}

/* A string; *text is what stands between its quotes. */
static bool take_string(struct walk *walk, struct slice *text, bool *escaped)
{
	if (!take(walk, '"'))
		return false;
	text->data = walk->at;
	*escaped = false;
	for (; walk->at < walk->end && *walk->at != '"'; walk->at++) {
		if (*walk->at != '\\')
			continue;
		*escaped = true;
		if (++walk->at == walk->end)
			return false;
	}
	text->size = (size_t)(walk->at - text->data);
	return take(walk, '"');
}

/* Any value, up to the comma or brace that ends its member. */
static bool skip_value(struct walk *walk)
{
	struct slice text;
	size_t depth = 0;
	bool escaped;

	while (walk->at < walk->end) {
		char c = *walk->at;

		if (c == '"') {
			if (!take_string(walk, &text, &escaped))
				return false;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}'))
			return true;
		if (c == '{' || c == '[')
			depth++;
		if ((c == '}' || c == ']') && depth-- == 0)
			return false;
		walk->at++;
	}
	return false;
}

static bool find_subject(struct walk walk, struct slice *subject)
{
	struct slice name;
	bool escaped;

	if (!take(&walk, '{'))
		return false;
	do {
		if (!take_string(&walk, &name, &escaped) || !take(&walk, ':'))
			return false;
		if (!escaped && slice_equal(name, SLICE("sub")))
			return take_string(&walk, subject, &escaped) && !escaped;
		skip_space(&walk);
		if (!skip_value(&walk))
			return false;
	} while (take(&walk, ','));
	return false;
}

bool identity_peek_subject(struct slice authorization, struct identity_buyer *buyer)
{
	char payload[JWS_SIZE_MAX];
	struct slice subject;
	struct jws jws;
	ssize_t size;

	if (!jws_split(bearer_token(authorization), &jws))
		return false;
	size = base64url_decode(jws.payload, payload, sizeof(payload));
	if (size < 0 || !find_subject((struct walk){payload, payload + size}, &subject) || !sale_buyer_valid(subject))
		return false;
	memcpy(buyer->name, subject.data, subject.size);
	buyer->size = subject.size;
	return true;
}
