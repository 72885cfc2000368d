// A payment provider's webhook that confirms orders, for Node 18 or newer. What each answer means: docs/payments.md.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { OPERATOR_URL, OPERATOR_TOKEN, PROVIDER_URL, PROVIDER_SECRET, PORT = "8084" } = process.env;
const GIVE_BACK = ["hold-expired", "order-state", "paid-already", "wrong-amount", "reference-used"]; // no order is due this money

async function post(url, body, headers = {}) {
	const signal = AbortSignal.timeout(10_000);
	const answer = await fetch(url, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers }, signal });
	return { status: answer.status, ...(await answer.json().catch(() => ({}))) };
}

/** What the provider is told: at 204 this payment is settled, at anything else it tells us again. */
async function settle({ id, order, amount, currency }) {
	const confirmed = await post(
		`${OPERATOR_URL}/v1/orders/${encodeURIComponent(order)}/confirm`,
		{ payment: { reference: id, amount, currency } },
		{ Authorization: `Bearer ${OPERATOR_TOKEN}`, "Idempotency-Key": `payment-${id}` },
	);
	console.log(id, order, confirmed.status, confirmed.code ?? confirmed.state);
	if (confirmed.status === 200) return 204;
	if (confirmed.status !== 409 || !GIVE_BACK.includes(confirmed.code)) return 503; // nobody knows, or nobody has thought of it
	const refund = await post(`${PROVIDER_URL}/refunds`, { payment: id, reason: confirmed.code });
	return refund.status < 300 ? 204 : 503;
}

function isSigned(body, signature = "") {
	const expected = createHmac("sha256", PROVIDER_SECRET).update(body).digest("hex");
	return signature.length === expected.length && timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
}

const server = createServer(async (request, response) => {
	const parts = [];
	for await (const part of request) parts.push(part);
	const body = Buffer.concat(parts);
	const status = isSigned(body, request.headers["provider-signature"]) ? await settle(JSON.parse(body)).catch(() => 503) : 401;
	response.writeHead(status).end();
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
