/* Who is asking: the client's address and the buyer's identity. */
#include "gate/thread.h"

#include "base/clock.h"
#include "identity/bearer.h"
#include "model/sale.h"

enum { FORWARDED_MAX = 1024 }; /* bytes of X-Forwarded-For that are looked at: the right end, where the trusted proxies write */

/*
 * The end of the connection itself: whom a PROXY header names is a client, and vouches for nobody.
 */
bool gate_peer_trusted(const struct gate_request *request)
{
	return network_list_contains(&request->thread->access->proxies, http_exchange_transport(request->exchange));
}

struct address gate_client(const struct gate_request *request)
{
	const struct network_list *trusted = &request->thread->access->proxies;
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
	size_t place = 0;
	struct slice value = http_request_next_header(request->http, slice_of(name), &place);

	*reason = "The header that names the buyer is missing.";
	if (!value.data)
		return false;
	/* A gateway that adds its own behind a client's has two, and who reads which is a guess. */
	*reason = "The header that names the buyer is there more than once.";
	if (http_request_next_header(request->http, slice_of(name), &place).data)
		return false;
	*reason = "The header that names the buyer is only taken from the trusted proxies.";
	if (!gate_peer_trusted(request))
		return false;
	*reason = "The header that names the buyer must be 1 to 128 printable ASCII characters without spaces.";
	if (!sale_buyer_valid(value))
		return false;
	memcpy(buyer->name, value.data, value.size);
	buyer->size = value.size;
	return true;
}

static int64_t now_ms_of(const struct gate_request *request)
{
	return http_exchange_started(request->exchange) / 1000000;
}

bool gate_verify(struct gate_request *request, struct identity_buyer *buyer, const char **reason)
{
	struct gate_thread *thread = request->thread;
	const struct identity *identity = thread->access->identity;
	struct identity_budget *budget = thread->gate->identity_budget;
	bool known;

	if (identity)
		known = identity_verify(identity, thread->identities, request->http->known[HTTP_AUTHORIZATION], clock_wall_ms(),
					buyer, reason) == IDENTITY_KNOWN;
	else
		known = header_buyer(request, buyer, reason);
	if (known)
		return true;
	metrics_add(thread->cells, thread->gate->metrics.identity_failures[0], 1);
	if (budget) {
		struct address client = gate_client(request);

		/* A load, a demo or a test on the machine itself meets no budget. */
		if (!address_is_loopback(&client))
			identity_budget_count(budget, &client, now_ms_of(request));
	}
	return false;
}

/* Without a check. */
static bool is_known(struct gate_request *request)
{
	struct identity_buyer buyer;
	const char *reason;

	if (!request->thread->access->identity)
		return header_buyer(request, &buyer, &reason);
	return identity_remembers(request->thread->identities, request->http->known[HTTP_AUTHORIZATION], clock_wall_ms());
}

bool gate_failures_spent(struct gate_request *request, int64_t *retry_after_ms)
{
	struct identity_budget *budget = request->thread->gate->identity_budget;
	struct address client;

	if (!budget || !identity_budget_may_be_spent(budget, now_ms_of(request)))
		return false;
	client = gate_client(request);
	return identity_budget_spent(budget, &client, now_ms_of(request), retry_after_ms) && !is_known(request);
}

void gate_refuse_address(struct gate_request *request, int64_t retry_after_ms)
{
	gate_refuse(request, PROBLEM_ADDRESS_RATE_LIMITED,
		    &(struct problem_options){.detail = "Too many requests of your address could not say who asks.",
					      .retry_after_ms = retry_after_ms});
}

bool gate_identify(struct gate_request *request, struct identity_buyer *buyer)
{
	struct reply *reply = &request->thread->reply;
	const char *reason = NULL;
	int64_t retry_after_ms;

	if (gate_failures_spent(request, &retry_after_ms)) {
		gate_refuse_address(request, retry_after_ms);
		return false;
	}
	if (gate_verify(request, buyer, &reason))
		return true;
	/*
	 * A 401 always names a scheme (RFC 9110, section 11.6.1); where a header names the buyer it
	 * is the gateway's own business.
	 */
	if (!request->thread->access->identity) {
		reply_header(reply, "WWW-Authenticate", SLICE("Gateway realm=\"penstock\""));
	} else if (bearer_token(request->http->known[HTTP_AUTHORIZATION]).size == 0) {
		reply_header(reply, "WWW-Authenticate", SLICE("Bearer realm=\"penstock\""));
		reason = "Send the buyer's token: Authorization: Bearer TOKEN.";
	} else {
		reply_header(reply, "WWW-Authenticate", SLICE("Bearer realm=\"penstock\", error=\"invalid_token\""));
	}
	gate_refuse(request, PROBLEM_UNAUTHORIZED, &(struct problem_options){.detail = reason});
	return false;
}

bool gate_brings_identity(const struct gate_request *request)
{
	const char *header = request->thread->gate->settings.settings->identity.header;

	if (request->thread->access->identity)
		return request->http->known[HTTP_AUTHORIZATION].data != NULL;
	return http_request_header(request->http, slice_of(header)).data != NULL;
}

bool gate_peek_buyer(struct gate_request *request, struct identity_buyer *buyer)
{
	const char *reason;

	if (!request->thread->access->identity)
		return header_buyer(request, buyer, &reason);
	return identity_peek_subject(request->http->known[HTTP_AUTHORIZATION], buyer);
}
