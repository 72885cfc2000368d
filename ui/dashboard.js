// The operator's console: one sale as it happens, and what can be done with it. All figures of the sale come from one event of its stream.
import { byId, element, every, local, money, notice, number, rest, say, span, sure, utc } from "/assets/page.js";
import { Unauthorized, act, ask, begin, entered, lock, now, offer, read } from "/assets/session.js";
import { Chart, STOCK, unitCells, unitsOf } from "/assets/chart.js";
import { OUTCOMES, brokenPromises, outcomeRates, scrape } from "/assets/metrics.js";
import { alarm, showInTab } from "/assets/alarm.js";
import { cloneSale, correctSale, makeSale } from "/assets/sale_editor.js";
import { ofSale } from "/assets/orders.js";
import { showAuditsAge, showLog } from "/assets/diary.js";

const SECOND_MS = 1000, SALES_MS = 5000, RETRY_MS = 2000, STEP_MS = 200;
const FORECAST_MS = 30000; // what a forecast looks back
const SECTIONS = ["sale", "lots-section", "over-time", "orders-section", "audit-section", "log-section"];
const ORDER = ["open", "paused", "armed", "draft", "ended"];
// What each state allows, as the server has it too (docs/http.md): the rest is not offered.
const MOVES = {
	draft: ["arm", "open", "delete"], armed: ["open", "pause", "disarm", "end"], open: ["pause", "end"], paused: ["resume", "end"], ended: [],
};
const charts = { outcomes: new Chart("outcomes", OUTCOMES, "a second", 10), stock: new Chart("stock", STOCK, "units", 10) };

let watched = null; // {sale, lots, abort, seen: [{at, left}]}
let before = null; // the scrape of a second ago
const trouble = { promises: "", health: "", answer: "" };

// --- The sale that is watched ---

function showCountdown() {
	const { sale } = watched, coming = ["draft", "armed"].includes(sale.state) || (sale.state === "paused" && Date.parse(sale.opens_at) > now());
	const at = coming ? sale.opens_at : sale.state === "ended" ? null : sale.closes_at;

	byId("countdown").hidden = !at;
	if (!at)
		return;
	say(byId("countdown-word"), coming ? "Opens in" : "Ends in");
	say(byId("countdown-clock"), span(Date.parse(at) - now()));
	say(byId("countdown-when"), `${local(at)} here, ${utc(at)}`);
}

// By the last half minute: sales come in rushes, so nothing older says what comes.
function forecast(left) {
	const { seen, sale } = watched, first = seen[0], last = seen[seen.length - 1];

	if (left === 0)
		return "sold out";
	if (sale.state !== "open" || !first || last.at - first.at < 3000 || first.left <= last.left)
		return "";
	return `sold out in about ${span((left * (last.at - first.at)) / (first.left - last.left))}`;
}

function showFigures() {
	const { sale, lots, seen } = watched, units = unitsOf(lots);
	const sold = units.held + units.confirmed, all = sold + units.available;
	const value = (count) => (sale.price && count ? money(sale.price.amount * count, sale.price.currency) : "");

	seen.push({ at: Date.now(), left: units.available });
	while (seen.length > 2 && seen[1].at < Date.now() - FORECAST_MS)
		seen.shift();
	say(byId("sold-share"), all ? `${Math.floor((100 * sold) / all)} %` : "–");
	say(byId("sold-units"), `${number.format(sold)} of ${number.format(all)}`);
	say(byId("confirmed"), number.format(units.confirmed));
	say(byId("confirmed-money"), value(units.confirmed));
	say(byId("held"), number.format(units.held));
	say(byId("held-money"), value(units.held));
	say(byId("left"), number.format(units.available));
	say(byId("forecast"), forecast(units.available));
	showInTab(sale.state, `${number.format(units.available)} left · ${sale.name}`);
}

// A draft says what becomes of it by itself.
function stateOf(sale) {
	return sale.state !== "draft" ? sale.state : ["draft", ...["schedule", "announce"].filter((flag) => sale[flag]).map((flag) => `${flag}d`)].join(", ");
}

function showSale() {
	const { sale } = watched;

	say(byId("sale-name"), sale.name);
	say(byId("sale-state"), stateOf(sale));
	byId("sale-state").className = `state ${sale.state}`;
	document.querySelectorAll("[data-move]").forEach((button) => { button.hidden = !(MOVES[sale.state] ?? []).includes(button.dataset.move); });
	byId("correct").hidden = sale.state === "ended";
	showCountdown();
}

function lotActs(lot) {
	const input = element("input", { type: "number", min: "1", "aria-label": `Units of ${lot.sku} to add or withdraw` });
	const buttons = [["add", "Add"], ["withdraw", "Withdraw"]].map(([path, word]) => {
		const button = element("button", { type: "button" }, word);
		button.addEventListener("click", () => input.reportValidity() && moveUnits(lot.sku, path, Number(input.value), input));
		return button;
	});
	input.required = true;
	return element("td", {}, element("span", { class: "line", "data-scope": "stock" }, input, ...buttons));
}

// A row stays what it was, and so does what somebody types in it.
function showLots() {
	const body = byId("lots").tBodies[0], present = new Map([...body.rows].map((row) => [row.dataset.sku, row]));

	for (const lot of watched.lots) {
		let row = present.get(lot.sku);
		if (!row) {
			row = element("tr", { "data-sku": lot.sku }, element("th", { scope: "row" }, lot.sku), ...unitCells(lot), lotActs(lot));
			offer(row);
			body.append(row);
		} else
			unitCells(lot).forEach((cell, i) => row.cells[i + 1].replaceWith(cell));
		present.delete(lot.sku);
	}
	present.forEach((row) => row.remove());
}

function took(error) {
	if (error instanceof Unauthorized)
		lock();
	else
		notice(error.message);
}

async function moveUnits(sku, path, units, input) {
	try {
		await act("POST", `/v1/sales/${encodeURIComponent(watched.sale.id)}/lots/${encodeURIComponent(sku)}/${path}`, { units });
		notice(`${number.format(units)} units of ${sku} ${path === "add" ? "were added" : "were withdrawn"}.`);
		input.value = "";
	} catch (error) {
		took(error);
	}
}

async function move(path) {
	const { sale } = watched;

	if (path === "end" && !await sure(`End ${sale.name}? It cannot be opened again. What is left goes back to its items.`, "End it", sale.id))
		return;
	if (path === "delete" && !await sure(`Delete the draft ${sale.name}?`, "Delete it", sale.id))
		return;
	try {
		const shown = await act("POST", `/v1/sales/${encodeURIComponent(sale.id)}/${path}`);
		notice("");
		if (path === "delete")
			stopWatching();
		else if (watched?.sale.id === shown.id)
			take(shown);
		await pollSales();
	} catch (error) {
		took(error);
	}
}

/** The sale as a list or an answer to an act shows it. */
function take(sale) {
	watched.sale = { ...watched.sale, ...sale };
	showSale();
}

function stopWatching() {
	watched?.abort.abort();
	watched = null;
}

// EventSource cannot send a token, so the stream is read by hand: blocks of "field: value" lines, an empty line after each.
async function* readEvents(stream) {
	const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
	let left = "";

	for (;;) {
		const { value: text, done } = await reader.read();
		if (done)
			return;
		const blocks = (left + text).split("\n\n");
		left = blocks.pop();
		for (const block of blocks) {
			const fields = Object.fromEntries(block.split("\n").filter((line) => line.includes(": ") && !line.startsWith(":"))
				.map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
			if (fields.event)
				yield { name: fields.event, data: JSON.parse(fields.data) };
		}
	}
}

function hear(event) {
	if (event.name === "sale")
		take(event.data);
	else if (event.name === "stock") {
		watched.lots = event.data.lots;
		showFigures();
		showLots();
	}
}

async function watch(sale) {
	stopWatching();
	const mine = watched = { sale, lots: sale.lots, abort: new AbortController(), seen: [] };

	ofSale(sale.id);
	charts.stock.clear();
	byId("lots").tBodies[0].replaceChildren();
	byId("orders").tBodies[0].replaceChildren();
	byId("orders-scroll").hidden = true;
	say(byId("found"), "");
	showSale();
	showFigures();
	showLots();
	while (watched === mine) {
		try {
			const answer = await ask(`/v1/sales/${encodeURIComponent(sale.id)}/events`, { signal: mine.abort.signal });

			for await (const event of readEvents(answer.body)) {
				if (watched !== mine)
					return;
				hear(event);
			}
		} catch {
			// Also when the stream ends: the server may be starting anew.
		}
		if (watched === mine)
			await rest(RETRY_MS);
	}
}

// --- All sales ---

function showChoice(sales, more) {
	const choice = byId("sale-choice"), options = sales.map((sale) => element("option", { value: sale.id }, `${sale.name}: ${stateOf(sale)}`));

	if (more)
		options.push(element("option", { disabled: "" }, "There are more; the first 1,000 are shown."));
	if (document.activeElement !== choice) // somebody is choosing
		choice.replaceChildren(...options);
	if (watched)
		choice.value = watched.sale.id;
	byId("none").hidden = sales.length > 0;
	SECTIONS.forEach((id) => { byId(id).hidden = sales.length === 0; });
}

async function pollSales() {
	if (!entered())
		return;
	try {
		const { sales, next } = await read("/v1/sales?limit=1000");

		sales.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || b.number - a.number);
		const mine = watched && sales.find(({ id }) => id === watched.sale.id);
		if (mine)
			take(mine);
		else if (sales.length && !(watched && next !== null))
			watch(sales[0]);
		else if (!sales.length)
			stopWatching();
		showChoice(sales, next !== null);
		offer();
		await showLog();
	} catch (error) {
		if (error instanceof Unauthorized)
			lock();
	}
}

const changed = async (sale) => {
	await pollSales();
	watch(await read(`/v1/sales/${encodeURIComponent(sale.id)}`));
};

// --- Every second: purchases by outcome, health and promises ---

function showPromises(samples) {
	const broken = brokenPromises(samples);

	say(byId("promises"), broken.length ? `${broken.join(", ")} broken` : "kept");
	byId("promises").className = broken.length ? "bad" : "good";
	trouble.promises = broken.length ? `${broken.join(", ")} is broken.` : "";
}

function showHealth(health) {
	const reasons = Object.entries(health.components).filter(([, component]) => component.status !== "UP")
		.map(([name, component]) => `${name}: ${component.details.reason ?? component.status.toLowerCase()}`);

	say(byId("health"), health.status === "UP" ? "all parts are up" : reasons.join("; ") || health.status.toLowerCase());
	trouble.health = health.status === "UP" ? "" : `Not well: ${reasons.join("; ") || health.status.toLowerCase()}.`;
}

async function look() {
	try {
		const [after, health] = await Promise.all([scrape(), fetch("/health", { cache: "no-store" })]);
		const rates = before && outcomeRates(before, after);

		if (rates)
			charts.outcomes.push(after.now / 1000, rates);
		before = after;
		showPromises(after.samples);
		showHealth(await health.json());
		trouble.answer = "";
	} catch {
		before = null;
		trouble.answer = "The server does not answer; what stands here is what it said last. Trying again.";
	}
	document.body.classList.toggle("stale", trouble.answer !== "");
	alarm(Object.values(trouble).filter(Boolean).join(" "));
	if (watched) {
		charts.stock.push(Date.now() / 1000, Object.values(unitsOf(watched.lots)));
		showFigures();
	}
	showAuditsAge();
}

// --- Start ---

for (const button of document.querySelectorAll("[data-move]"))
	button.addEventListener("click", () => move(button.dataset.move));
byId("sale-choice").addEventListener("change", async (event) => watch(await read(`/v1/sales/${encodeURIComponent(event.target.value)}`)));
byId("make").addEventListener("click", () => makeSale(changed));
byId("clone").addEventListener("click", () => cloneSale(watched.sale, changed));
byId("correct").addEventListener("click", async () => correctSale(await read(`/v1/sales/${encodeURIComponent(watched.sale.id)}`), changed));
function wall(on) {
	document.body.classList.toggle("wall", on);
	byId("wall").setAttribute("aria-pressed", String(on));
}
byId("wall").addEventListener("click", () => wall(!document.body.classList.contains("wall")));
document.addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && wall(false));

begin(() => {
	if (!entered()) {
		stopWatching();
		SECTIONS.forEach((id) => { byId(id).hidden = true; });
		byId("sale-choice").replaceChildren();
		byId("none").hidden = true;
		return;
	}
	pollSales();
});
every(SECOND_MS, look);
every(SALES_MS, pollSales);
setInterval(() => watched && showCountdown(), STEP_MS);
