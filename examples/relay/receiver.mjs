// A shop's endpoint for `penstock relay`: what happened comes here, signed, and is taken once. For Node 18 or newer.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { RELAY_SECRET, PORT = "8090" } = process.env;
const KEY = Buffer.from(RELAY_SECRET.replace(/^whsec_/, ""), "base64");
const SECONDS = 300; // a post that is older, or that far ahead, is somebody else's copy
const taken = new Set(); // a shop keeps these in its database, in the transaction of take()

function isSigned(headers, body) {
	const { "webhook-id": id = "", "webhook-timestamp": at = "", "webhook-signature": signatures = "" } = headers;
	if (!/^\d+$/.test(at) || Math.abs(Date.now() / 1000 - Number(at)) > SECONDS) return false;
	const expected = Buffer.from("v1," + createHmac("sha256", KEY).update(`${id}.${at}.`).update(body).digest("base64"));
	// Several signatures may stand there, with spaces between.
	return signatures.split(" ").map((each) => Buffer.from(each)).some((each) => each.length === expected.length && timingSafeEqual(each, expected));
}

/** What the shop makes of it. `order` is as it is now; null where units were withdrawn. */
function take({ type, data }) {
	console.log(type, data.sale, data.order?.id ?? "-", data.state);
}

const server = createServer(async (request, response) => {
	const parts = [];
	for await (const part of request) parts.push(part);
	const body = Buffer.concat(parts), id = request.headers["webhook-id"], signed = isSigned(request.headers, body);
	if (signed && !taken.has(id)) {
		take(JSON.parse(body));
		taken.add(id);
	}
	response.writeHead(signed ? 204 : 401).end(); // at anything but 2xx it is sent again
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
