// A sale is made, made like another one, or corrected.
import { byId, currencyDigits, say, sayWrong } from "/assets/page.js";
import { act } from "/assets/session.js";

const dialog = byId("editor");
const FIELD_OF = { "name-taken": "id", "unknown-item": "lots", "not-enough-units": "lots" };
const field = (name) => byId(`edit-${name}`);
let editing = null; // the sale that is corrected; null: a new one
let done = () => {};

const pad = (figure) => String(figure).padStart(2, "0");
// What a datetime-local takes: this browser's time, to the second.
function localInput(text) {
	if (!text)
		return "";
	const at = new Date(text);
	return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}
const instant = (name) => (field(name).value ? new Date(field(name).value).toISOString() : null);
const whole = (name) => Number(field(name).value);

function fill(sale) {
	const digits = currencyDigits(sale.price?.currency ?? "EUR");

	field("id").value = sale.id ?? "";
	field("name").value = sale.name ?? "";
	field("lots").value = (sale.lots ?? []).map((lot) => `${lot.sku}=${lot.units}`).join("\n");
	field("price").value = sale.price ? (sale.price.amount / 10 ** digits).toFixed(digits) : "";
	field("currency").value = sale.price?.currency ?? "EUR";
	field("limit").value = sale.limit_per_buyer ?? 1;
	field("requests").value = sale.rate === undefined ? 3 : sale.rate?.requests ?? "";
	field("seconds").value = sale.rate?.seconds ?? 60;
	field("hold").value = sale.hold_seconds ?? 600;
	field("opens").value = localInput(sale.opens_at);
	field("closes").value = localInput(sale.closes_at);
	field("schedule").checked = sale.schedule ?? false;
	field("announce").checked = sale.announce ?? false;
	field("late").checked = sale.late_confirm ?? false;
}

/** What is wrong, and in which field. */
class Wrong extends Error {
	constructor(name, text) {
		super(text);
		this.field = name;
	}
}

/** The lots as they are sent; Wrong with the line that is none. */
function lots() {
	return field("lots").value.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
		const [, sku, units] = line.match(/^(\S+?)\s*=\s*(\d+)$/) ?? [];
		if (!sku)
			throw new Wrong("lots", `"${line}" is no lot: write the SKU, an equals sign and the units, as in AJ1-42=1000.`);
		return { sku, units: Number(units) };
	});
}

function price() {
	const text = field("price").value.trim().replace(",", "."), currency = field("currency").value.toUpperCase();

	if (!/^\d+(\.\d+)?$/.test(text))
		throw new Wrong("price", `"${text}" is no price: write it as in 179.00.`);
	const digits = currencyDigits(currency), [units, cents = ""] = text.split(".");
	if (cents.length > digits)
		throw new Wrong("price", `${currency} has ${digits} digits behind the point.`);
	return { amount: Number(units + cents.padEnd(digits, "0")), currency };
}

function terms() {
	return {
		id: field("id").value.trim(), name: field("name").value.trim() || field("id").value.trim(), lots: lots(), price: price(),
		limit_per_buyer: whole("limit"), rate: field("requests").value ? { requests: whole("requests"), seconds: whole("seconds") } : null,
		hold_seconds: whole("hold"), opens_at: instant("opens"), closes_at: instant("closes"), late_confirm: field("late").checked,
		schedule: field("schedule").checked, announce: field("announce").checked,
	};
}

/** What differs from the sale as it was read. Times are compared to the second, as the field has them. */
function changes(now) {
	const before = { ...editing, lots: editing.lots.map(({ sku, units }) => ({ sku, units })) };
	const same = (name) => (["opens_at", "closes_at"].includes(name) ? localInput(before[name]) === localInput(now[name])
		: JSON.stringify(before[name] ?? null) === JSON.stringify(now[name] ?? null));

	return Object.fromEntries(Object.entries(now).filter(([name]) => name !== "id" && !same(name)));
}

function open(title, sale) {
	fill(sale);
	say(byId("editor-title"), title);
	field("id").disabled = !!editing;
	mark("");
	dialog.showModal();
}

// A field's name as the interface has it begins as the form's: limit_per_buyer, lots[0].units.
function mark(text, name = "") {
	const begin = name.split(/[._[]/)[0];

	sayWrong(byId("editor-wrong"), text);
	dialog.querySelectorAll("[aria-invalid]").forEach((each) => each.removeAttribute("aria-invalid"));
	field(begin === "rate" ? "requests" : begin)?.setAttribute("aria-invalid", "true");
}

// Lots are changed in a request of their own.
async function correct(now) {
	const { lots: changedLots, ...changed } = changes(now), path = `/v1/sales/${encodeURIComponent(editing.id)}`;

	if (Object.keys(changed).length)
		editing = await act("PATCH", path, changed);
	if (changedLots)
		editing = await act("PATCH", path, { lots: changedLots });
	return editing;
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
	event.preventDefault();
	byId("editor-save").disabled = true;
	try {
		const sale = editing ? await correct(terms()) : await act("POST", "/v1/sales", terms());
		dialog.close();
		done(sale);
	} catch (error) {
		mark(error.message, error.field ?? FIELD_OF[error.code]);
	}
	byId("editor-save").disabled = false;
	if (dialog.open)
		byId("editor-save").focus(); // which a button that is disabled loses
});
byId("editor-cancel").addEventListener("click", () => dialog.close());

/** Each calls `then` with the sale as the server has it. */
export function makeSale(then) {
	[editing, done] = [null, then];
	open("Make a sale", {});
}

export function cloneSale(sale, then) {
	[editing, done] = [null, then];
	open(`A sale like ${sale.name}`, { ...sale, id: `${sale.id}-2`, opens_at: null, closes_at: null });
}

export function correctSale(sale, then) {
	[editing, done] = [sale, then];
	open(`Correct ${sale.name}`, sale);
}
