/* Who is asking: the client's address and the buyer's identity. */
#include "gate/thread.h"

#include "base/clock.h"
#include "model/sale.h"

enum { FORWARDED_MAX = 1024 }; /* bytes of X-Forwarded-For that are looked at: the right end, where the trusted proxies write */

bool gate_peer_trusted(const struct gate_request *request)
{
	return network_list_contains(&request->thread->gate->settings.settings->gate.trusted_proxies,
				     http_exchange_peer(request->exchange));
}

struct address gate_client(const struct gate_request *request)
{
	const struct network_list *trusted = &request->thread->gate->settings.settings->gate.trusted_proxies;
	const struct address *peer = http_exchange_peer(request->exchange);
	char text[FORWARDED_MAX];
	size_t used = 0, place = 0;
	struct slice part;

	if (trusted->count == 0 || !network_list_contains(trusted, peer))
		return *peer;
	while ((part = http_request_next_header(request->http, SLICE("X-Forwarded-For"), &place)).data) {
		if (used + part.size + 1 > sizeof(text))
			used = 0; /* what is left of it no trusted proxy wrote */
		if (part.size + 1 > sizeof(text))
			part = (struct slice){part.data + part.size - (sizeof(text) - 1), sizeof(text) - 1};
		if (used)
			text[used++] = ',';
		memcpy(text + used, part.data, part.size);
		used += part.size;
	}
	return address_behind_proxies(peer, (struct slice){text, used}, trusted);
}

static bool header_buyer(struct gate_request *request, struct identity_buyer *buyer, const char **reason)
{
	const char *name = request->thread->gate->settings.settings->identity.header;
	struct slice value = http_request_header(request->http, slice_of(name));

	*reason = "The header that names the buyer is missing.";
	if (!value.data)
		return false;
	*reason = "The header that names the buyer is only taken from the trusted proxies.";
	if (!gate_peer_trusted(request))
		return false;
	*reason = "The header that names the buyer must be 1 to 128 printable ASCII characters without spaces.";
	if (!buyer_valid(value))
		return false;
	memcpy(buyer->name, value.data, value.size);
	buyer->size = value.size;
	return true;
}

bool gate_identify(struct gate_request *request, struct identity_buyer *buyer)
{
	struct gate_thread *thread = request->thread;
	const struct identity *identity = thread->gate->settings.identity;
	struct reply *reply = &thread->reply;
	struct slice authorization = request->http->known[HTTP_AUTHORIZATION];
	const char *reason = NULL;

	if (!identity) {
		if (header_buyer(request, buyer, &reason))
			return true;
		/* A 401 always names a scheme (RFC 9110, section 11.6.1), and this one is the gateway's own business. */
		reply_header(reply, "WWW-Authenticate", SLICE("Gateway realm=\"penstock\""));
	} else {
		int r = identity_verify(identity, thread->identities, authorization, clock_wall_ms(), buyer, &reason);

		if (r == IDENTITY_KNOWN)
			return true;
		reply_header(reply, "WWW-Authenticate",
			     r == IDENTITY_MISSING ? SLICE("Bearer realm=\"penstock\"")
						   : SLICE("Bearer realm=\"penstock\", error=\"invalid_token\""));
		if (r == IDENTITY_MISSING)
			reason = "Send the buyer's token: Authorization: Bearer TOKEN.";
	}
	gate_refuse(request, PROBLEM_UNAUTHORIZED, &(struct problem_options){.detail = reason});
	return false;
}

bool gate_peek_buyer(struct gate_request *request, struct identity_buyer *buyer)
{
	const char *reason;

	if (!request->thread->gate->settings.identity)
		return header_buyer(request, buyer, &reason);
	return identity_peek_subject(request->http->known[HTTP_AUTHORIZATION], buyer);
}
