// The warehouse: items and their units on hand, made and received.
import { byId, element, length, number, say, sayWrong } from "/assets/page.js";
import { act, entered, offer, read } from "/assets/session.js";

const ROWS = 100;
const dialog = byId("item");
const field = (name) => byId(`item-${name}`);
let only = ""; // the SKU that was looked for; "": the first of all

const words = (count) => `${number.format(count)} ${count === 1 ? "unit" : "units"}`;

async function receive(sku, input) {
	if (!input.reportValidity())
		return;
	try {
		const { on_hand: onHand } = await act("POST", `/v1/items/${encodeURIComponent(sku)}/receive`, { units: Number(input.value) });
		say(byId("items-told"), `${words(Number(input.value))} of ${sku} came in: ${number.format(onHand)} are on hand.`);
		input.value = "";
		await showItems();
	} catch (error) {
		say(byId("items-told"), error.message);
	}
}

function row({ sku, name }) {
	const input = element("input", { type: "number", min: "1", required: "", "aria-label": `Units of ${sku} that came in` });
	const button = element("button", { type: "button" }, "Receive");

	button.addEventListener("click", () => receive(sku, input));
	return element("tr", { "data-sku": sku }, element("th", { scope: "row", ...length(sku) }, sku), element("td", { "data-title": "Name", ...length(name) }, name),
		element("td", { class: "number", "data-title": "On hand" }), element("td", { class: "acts" }, element("span", { class: "line", "data-scope": "stock" }, input, button)));
}

// A row stays what it was, and so does what somebody types in it.
function show(items, more) {
	const body = byId("items").tBodies[0], present = new Map([...body.rows].map((each) => [each.dataset.sku, each]));
	const rows = items.map((item) => {
		const each = present.get(item.sku) ?? row(item);
		say(each.cells[2], number.format(item.on_hand));
		return each;
	});

	if (rows.length !== body.rows.length || rows.some((each, i) => each !== body.rows[i]))
		body.replaceChildren(...rows);
	byId("items-scroll").hidden = items.length === 0;
	byId("items-more").hidden = !more;
	offer(body);
}

/** The first items, or the one that was looked for, as they are now. */
export async function showItems() {
	if (!entered())
		return;
	const sku = only;
	const { items, next } = sku ? { items: [await read(`/v1/items/${encodeURIComponent(sku)}`)], next: null } : await read(`/v1/items?limit=${ROWS}`);
	if (sku === only) // nobody has looked for another meanwhile
		show(items, next !== null);
}

async function find(sku) {
	const before = only;

	only = sku;
	say(byId("items-told"), "");
	try {
		await showItems();
	} catch (error) {
		only = before;
		say(byId("items-told"), error.code === "unknown-item" ? `There is no item ${sku}.` : error.message);
	}
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
	event.preventDefault();
	const sku = field("sku").value.trim();

	byId("item-save").disabled = true;
	try {
		await act("POST", "/v1/items", { sku, name: field("name").value.trim() || sku, on_hand: field("units").valueAsNumber });
		dialog.close();
		byId("items-sku").value = "";
		await find("");
		say(byId("items-told"), `The item ${sku} was made.`);
	} catch (error) {
		sayWrong(field("wrong"), error.code === "name-taken" ? `There is an item ${sku} already. Units of it are received in its row.` : error.message);
	}
	byId("item-save").disabled = false;
	if (dialog.open)
		byId("item-save").focus(); // which a button that is disabled loses
});
byId("item-cancel").addEventListener("click", () => dialog.close());
byId("item-make").addEventListener("click", () => {
	dialog.querySelector("form").reset();
	sayWrong(field("wrong"), "");
	dialog.showModal();
});
byId("items-find").addEventListener("submit", (event) => {
	event.preventDefault();
	find(byId("items-sku").value.trim());
});
