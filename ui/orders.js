// Orders: found, confirmed, given more time, cancelled or refunded, and taken away as a file.
import { giveBack } from "/assets/give_back.js";
import { byId, element, length, local, number, say } from "/assets/page.js";
import { act, may, now, offer, read } from "/assets/session.js";

const MORE_MS = 300000;
const PAGE = 1000;
const COLUMNS = ["id", "sale", "sku", "quantity", "buyer", "state", "placed_at", "hold_expires_at", "updated_at", "actor", "actor_kind", "reason"];
let sale = null; // whose orders "this sale" are

export function ofSale(id) {
	sale = id;
}

// Its seconds count from when it is asked.
const moreTime = (order) => ({ seconds: Math.ceil((Date.parse(order.hold_expires_at) - now() + MORE_MS) / 1000) });

const ACTS = {
	confirm: { word: "Confirm", states: ["held", "expired"], path: "confirm" },
	extend: { word: "5 minutes more", states: ["held"], path: "extend", body: moreTime },
	cancel: { word: "Cancel …", states: ["held"], path: "cancel", ask: giveBack },
	refund: { word: "Refund …", states: ["confirmed"], path: "cancel", ask: giveBack },
};

// A refund's own name is its key: given twice, it is done once. Where another refund of the order was done at the same moment this key stays
// refused, and the next one is "NAME 2", always in this order.
async function settle(order, path, asked) {
	const name = asked?.reference;

	for (let turn = 1; ; turn++)
		try {
			return await act("POST", `/v1/orders/${order.id}/${path}`, asked, name && turn > 1 ? `${name} ${turn}` : name);
		} catch (error) {
			if (!name || error.code !== "order-quantity" || !(error.quantity >= asked.quantity))
				throw error;
		}
}

// Who has pressed something in it by the keyboard goes on there.
function replaceRow(order, path) {
	const before = document.querySelector(`tr[data-order="${order.id}"]`), after = row(order), within = before?.contains(document.activeElement);

	before?.replaceWith(after);
	offer(byId("orders"));
	if (within)
		(after.querySelector(`[data-act="${path}"]`) ?? after).focus();
}

async function doIt(order, { path, body, ask, word }) {
	const asked = ask ? await ask(order) : body?.(order);

	if (asked === null)
		return;
	say(byId("found"), `${word} …`);
	try {
		const told = await settle(order, path, asked);
		const shown = told.actor ? told : await read(`/v1/orders/${told.id}`).catch(() => told);
		say(byId("found"), `Order ${shown.id} is ${shown.state} now${shown.state === order.state && shown.quantity < order.quantity ? `, with ${number.format(shown.quantity)} of its ${number.format(order.quantity)} units` : ""}.`);
		replaceRow(shown, path);
	} catch (error) {
		say(byId("found"), error.message);
	}
}

// A phone shows no heads of columns.
const titled = (title, ...children) => element("td", { "data-title": title }, ...children);
const named = (title, name) => element("td", { "data-title": title, ...length(name) }, name);

// Who has changed it last, and why, as far as that is known yet.
function changed(order) {
	if (!order.actor)
		return element("td", {});
	const who = order.actor_kind === "buyer" ? "its buyer" : order.actor_kind === "clock" ? "the clock" : order.actor;
	return element("td", { class: "changed", "data-title": "Changed by" }, who, ...order.reason ? [element("br", {}), element("q", {}, order.reason)] : []);
}

function row(order) {
	const buttons = Object.values(ACTS).filter(({ states }) => states.includes(order.state) && may("orders")).map((each) => {
		const button = element("button", { type: "button", "data-act": each.path, "data-scope": "orders" }, each.word);
		button.addEventListener("click", () => doIt(order, each));
		return button;
	});
	return element("tr", { "data-order": order.id, tabindex: "-1" }, element("th", { scope: "row" }, element("code", {}, order.id)),
		named("Sale", order.sale), named("SKU", order.sku), element("td", { class: "number", "data-title": "Units" }, number.format(order.quantity)),
		named("Buyer", order.buyer), titled("State", element("span", { class: `state ${order.state}` }, order.state)),
		titled("Placed", local(order.placed_at)), changed(order), element("td", { class: "acts" }, ...buttons.length ? [element("span", { class: "line" }, ...buttons)] : []));
}

function show(orders, more) {
	byId("orders-scroll").hidden = orders.length === 0;
	byId("orders").tBodies[0].replaceChildren(...orders.map(row));
	say(byId("found"), orders.length === 0 ? "There is no such order." : `${number.format(orders.length)} found${more ? "; there are more" : ""}.`);
}

async function find() {
	const what = byId("find-what").value.trim(), by = byId("find-by").value;

	try {
		if (by === "order")
			show([await read(`/v1/orders/${encodeURIComponent(what)}`)], false);
		else {
			const { orders, next } = await read(`/v1/orders?limit=100&${by}=${encodeURIComponent(by === "sale" ? sale : what)}`);
			show(orders, next !== null);
		}
	} catch (error) {
		show([], false);
		if (error.code !== "unknown-order")
			say(byId("found"), error.message);
	}
}

// A cell that begins like a formula is one to a spreadsheet: names of buyers come from outside.
const cell = (text) => `"${String(text ?? "").replace(/^(?=[=+\-@\t\r])/, "'").replaceAll('"', '""')}"`;

async function exportOrders() {
	const lines = [COLUMNS.join(",")];

	try {
		for (let next = ""; next !== null;) {
			const page = await read(`/v1/orders?sale=${encodeURIComponent(sale)}&limit=${PAGE}${next && `&after=${encodeURIComponent(next)}`}`);
			page.orders.forEach((order) => lines.push(COLUMNS.map((name) => cell(order[name])).join(",")));
			next = page.next;
			say(byId("found"), `${number.format(lines.length - 1)} orders read …`);
		}
	} catch (error) {
		say(byId("found"), `No file was made: ${error.message}`);
		return;
	}
	const link = element("a", { href: URL.createObjectURL(new Blob([lines.join("\r\n"), "\r\n"], { type: "text/csv" })), download: `${sale}-orders.csv` });
	link.click();
	URL.revokeObjectURL(link.href);
	say(byId("found"), `${number.format(lines.length - 1)} orders are in ${sale}-orders.csv.`);
}

byId("find").addEventListener("submit", (event) => {
	event.preventDefault();
	find();
});
byId("find-by").addEventListener("change", () => {
	const needed = byId("find-by").value !== "sale";
	byId("find-what").required = needed;
	byId("find-what").disabled = !needed;
});
byId("export").addEventListener("click", exportOrders);
