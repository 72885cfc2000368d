// A payment provider's webhook that confirms orders, for Node 18 or newer. What each answer means: docs/payments.md.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { OPERATOR_URL, OPERATOR_TOKEN, PROVIDER_URL, PROVIDER_SECRET, PORT = "8084" } = process.env;
const GIVE_BACK = ["hold-expired", "order-state", "paid-already", "wrong-amount", "reference-used"]; // no order is due this money

async function ask(url, body, headers = {}) {
	const signal = AbortSignal.timeout(10_000), method = body ? "POST" : "GET";
	const answer = await fetch(url, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers }, signal });
	return { ...(await answer.json().catch(() => ({}))), status: answer.status };
}

/** Of the operator's listener; the key is the payment's or the refund's own id, so what is told again is not done again. */
const penstock = (order, act, body, key) =>
	ask(`${OPERATOR_URL}/v1/orders/${encodeURIComponent(order)}${act}`, body, { Authorization: `Bearer ${OPERATOR_TOKEN}`, ...(key && { "Idempotency-Key": key }) });

/** What the provider is told: at 204 this payment is settled, at anything else it tells us again. */
async function settle({ id, order, amount, currency }) {
	const confirmed = await penstock(order, "/confirm", { payment: { reference: id, amount, currency } }, `payment-${id}`);
	console.log(id, order, confirmed.status, confirmed.code ?? confirmed.state);
	if (confirmed.status === 200) return 204;
	if (confirmed.status !== 409 || !GIVE_BACK.includes(confirmed.code)) return 503; // nobody knows, or nobody has thought of it
	const refund = await ask(`${PROVIDER_URL}/refunds`, { payment: id, reason: confirmed.code });
	return refund.status < 300 ? 204 : 503;
}

/** Money went back, by somebody at the provider's: the units that it paid for go back as well. */
async function giveBack({ id, refund_of, order, amount }) {
	const { status, price, payment, state } = await penstock(order, "");
	if (status === 404) return 204;
	if (status !== 200) return 503;
	const quantity = amount / price?.amount;
	// Another payment's money, or a goodwill of some euros: no unit comes back for it.
	if (payment?.reference !== refund_of || !Number.isInteger(quantity) || quantity < 1) return 204;
	const body = { quantity, units: "sale", reference: id }; // "warehouse": somebody looks at them first
	let back = await penstock(order, "/cancel", body, id);
	// Another refund of the order was done at the same moment: this key stays refused, and the next one is taken, always in this order.
	for (let turn = 2; back.code === "order-quantity" && back.quantity >= quantity; turn++)
		back = await penstock(order, "/cancel", body, `${id} ${turn}`);
	console.log(id, order, state, back.status, back.code ?? `${back.state}, ${back.quantity}`);
	return back.status === 200 || back.status === 409 && back.code !== "request-in-flight" ? 204 : 503;
}

const heard = (told) => (told.refund_of ? giveBack(told) : settle(told));

function isSigned(body, signature = "") {
	const expected = createHmac("sha256", PROVIDER_SECRET).update(body).digest("hex");
	return signature.length === expected.length && timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
}

const server = createServer(async (request, response) => {
	const parts = [];
	for await (const part of request) parts.push(part);
	const body = Buffer.concat(parts);
	const status = isSigned(body, request.headers["provider-signature"]) ? await heard(JSON.parse(body)).catch(() => 503) : 401;
	response.writeHead(status).end();
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
