// The operator's console: one sale as it happens, and what can be done with it. All figures of the sale, and what is said of the server, come
// from one event of its stream, of one instant; the past that the server keeps comes first.
import { byId, element, every, keepPlace, length, local, money, notice, number, rest, say, span, sure, utc } from "/assets/page.js";
import { Refused, Unauthorized, act, ask, begin, entered, now, offer, read, turnedAway } from "/assets/session.js";
import { Chart, STOCK, showLast, unitCells, unitsOf } from "/assets/chart.js";
import { alarm, showInTab } from "/assets/alarm.js";
import { cloneSale, correctSale, makeSale } from "/assets/sale_editor.js";
import { ofSale } from "/assets/orders.js";
import { showAuditsAge, showLog } from "/assets/diary.js";
import { showItems } from "/assets/items.js";

const SECOND_MS = 1000, SALES_MS = 5000, RETRY_MS = 2000, STEP_MS = 200;
const SILENT_MS = 10000; // a server that is there says something every two seconds
const FORECAST_MS = 30000, LATELY_MS = 5000; // what a forecast looks back
const OF_SALES = ["which", "sale", "lots-section", "over-time", "orders-section"]; // what there is with a sale alone
const OF_ALL = ["items-section", "audit-section", "log-section"];
const ORDER = ["open", "paused", "armed", "draft", "ended"];
// Answers to purchases by their status: a column of the server's points each.
const ANSWERS = [
	{ label: "accepted", column: "accepted", stroke: "green" },
	{ label: "replayed", column: "replayed", stroke: "sky", dash: [6, 3] },
	{ label: "sold out (410)", column: "gone", stroke: "blue" },
	{ label: "refused (4xx)", column: "refused", stroke: "orange", dash: [2, 3] },
	{ label: "unavailable (503)", column: "unavailable", stroke: "red" },
];
const charts = { purchases: new Chart("purchases", ANSWERS, "a second", 10), stock: new Chart("stock", STOCK, "units", 10) };

let watched = null; // {sale, lots, abort, seen: [{at, left}], newest: the last point's unix_ms, still: there is no stream, hasLots: the stream has them}
let heard = -Infinity; // when the server said something last
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

// By the last half minute: sales come in rushes, so nothing older says what comes. Where units come back faster than they go, nothing does.
function forecast(left) {
	const { seen, sale } = watched, first = seen[0], last = seen[seen.length - 1], lately = seen.find(({ at }) => at >= last.at - LATELY_MS);

	if (left === 0)
		return "sold out";
	if (sale.state !== "open" || !first || last.at - first.at < 3000 || Math.min(first.left, lately.left) <= last.left)
		return "";
	return `sold out in about ${span((left * (last.at - first.at)) / (first.left - last.left))}`;
}

function showFigures() {
	const { sale, lots } = watched, units = unitsOf(lots);
	const sold = units.held + units.confirmed, all = sold + units.available;
	const value = (count) => (sale.price && count ? money(sale.price.amount * count, sale.price.currency) : "");

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
	document.querySelectorAll("[data-move]").forEach((button) => { button.hidden = !sale.moves.includes(button.dataset.move); });
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
	return element("td", { class: "acts" }, element("span", { class: "line", "data-scope": "stock" }, input, ...buttons));
}

// A row stays what it was, and so does what somebody types in it.
function showLots() {
	const body = byId("lots").tBodies[0], present = new Map([...body.rows].map((row) => [row.dataset.sku, row]));

	for (const lot of watched.lots) {
		let row = present.get(lot.sku);
		if (!row) {
			row = element("tr", { "data-sku": lot.sku }, element("th", { scope: "row", ...length(lot.sku) }, lot.sku), ...unitCells(lot), lotActs(lot));
			offer(row);
			body.append(row);
		} else
			unitCells(lot).forEach((cell, i) => row.cells[i + 1].isEqualNode(cell) || row.cells[i + 1].replaceWith(cell));
		present.delete(lot.sku);
	}
	present.forEach((row) => row.remove());
}

function took(error) {
	if (error instanceof Unauthorized)
		turnedAway(error);
	else
		notice(error.message);
}

async function moveUnits(sku, path, units, input) {
	try {
		await act("POST", `/v1/sales/${encodeURIComponent(watched.sale.id)}/lots/${encodeURIComponent(sku)}/${path}`, { units });
		notice(`${number.format(units)} units of ${sku} ${path === "add" ? "were added" : "were withdrawn"}.`, true);
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
		const { everywhere, ...moved } = await act("POST", `/v1/sales/${encodeURIComponent(sale.id)}/${path}`);
		notice(everywhere === false ? "It is taken. This server cannot reach the stock: others may sell for some seconds yet." : "");
		if (path === "delete")
			stopWatching();
		else if (watched?.sale.id === sale.id)
			take(moved);
		await pollSales();
		keepPlace(byId("sale").hidden ? byId("make") : byId("sale-name"));
	} catch (error) {
		took(error);
	}
}

function take(sale) {
	watched.sale = { ...watched.sale, ...sale };
	showSale();
}

function stopWatching() {
	watched?.abort.abort();
	watched = null;
	showInTab(null, "Penstock");
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

// The points that this page does not have. A server that was started anew has none of those before; the page keeps them.
function takePoints({ columns, points }) {
	const fresh = points.map((point) => Object.fromEntries(columns.map((name, i) => [name, point[i]]))).filter((point) => point.unix_ms > watched.newest);
	const rows = { purchases: [], stock: [] };

	for (const point of fresh) {
		const seconds = watched.newest ? Math.max(1, Math.round((point.unix_ms - watched.newest) / 1000)) : 1;
		rows.purchases.push([point.unix_ms / 1000, ...ANSWERS.map(({ column }) => point[column] / seconds)]);
		rows.stock.push([point.unix_ms / 1000, ...STOCK.map(({ label }) => point[label])]);
		watched.seen.push({ at: point.unix_ms, left: point.available });
		watched.newest = point.unix_ms;
	}
	watched.seen = watched.seen.filter(({ at }) => at >= watched.newest - FORECAST_MS);
	Object.entries(rows).forEach(([name, of]) => charts[name].push(of));
}

function showTrouble({ broken, trouble: checks }) {
	say(byId("promises"), broken.length ? `${broken.join(", ")} broken` : "kept");
	byId("promises").className = broken.length ? "bad" : "good";
	trouble.promises = broken.length ? `${broken.join(", ")} is broken.` : "";
	say(byId("health"), checks.map(({ check, reason }) => `${check}: ${reason}`).join("; ") || "all parts are up");
	trouble.health = checks.length ? `Not well: ${byId("health").textContent}.` : "";
}

function takeView(view) {
	takePoints(view);
	if (view.more)
		return;
	watched.hasLots = view.lots !== undefined;
	if (watched.hasLots)
		takeLots(view.lots);
	showTrouble(view);
	sayTrouble();
}

function takeLots(lots) {
	watched.lots = lots;
	showFigures();
	showLots();
}

function hear(event) {
	heard = performance.now();
	if (event.name === "sale")
		take(event.data);
	else if (event.name === "view")
		takeView(event.data);
}

async function watch(sale) {
	stopWatching();
	const mine = watched = { sale, lots: sale.lots, abort: new AbortController(), seen: [], newest: 0, still: false, hasLots: false };

	heard = performance.now();
	ofSale(sale.id);
	byId("sale-choice").value = sale.id;
	Object.values(charts).forEach((chart) => chart.clear());
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
			heard = -Infinity; // it has ended: the server may be starting anew
		} catch (error) {
			if (watched !== mine)
				return;
			if (error instanceof Unauthorized)
				return turnedAway(error);
			mine.still = error instanceof Refused; // one that ended long ago: the list has it
			if (!mine.still)
				heard = -Infinity;
		}
		sayTrouble();
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
	OF_SALES.forEach((id) => { byId(id).hidden = sales.length === 0; });
	OF_ALL.forEach((id) => { byId(id).hidden = false; });
}

// What the stream says is newer; what it does not say is in the list.
function takeOf(sale) {
	if (watched.still)
		take(sale);
	if (!watched.hasLots)
		takeLots(sale.lots);
}

async function pollSales() {
	if (!entered())
		return;
	try {
		const { sales, next } = await read("/v1/sales?limit=1000");

		if (!entered()) // somebody has gone meanwhile
			return;
		sales.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || b.number - a.number);
		const mine = watched && sales.find(({ id }) => id === watched.sale.id);
		if (mine)
			takeOf(mine);
		else if (sales.length && !(watched && next !== null))
			watch(sales[0]);
		else if (!sales.length)
			stopWatching();
		if (!watched || watched.still)
			heard = performance.now();
		showChoice(sales, next !== null);
		offer();
		await showItems();
		await showLog();
	} catch (error) {
		if (error instanceof Unauthorized)
			turnedAway(error);
	}
}

const changed = async (sale) => {
	await pollSales();
	watch(await read(`/v1/sales/${encodeURIComponent(sale.id)}`));
};

// --- Trouble ---

function sayTrouble() {
	trouble.answer = performance.now() - heard > SILENT_MS ? "The server does not answer; what stands here is what it said last. Trying again." : "";
	document.body.classList.toggle("stale", trouble.answer !== "");
	alarm(Object.values(trouble).filter(Boolean).join(" "));
	if (watched)
		showFigures(); // the tab's title tells of the alarm
}

function look() {
	if (entered())
		sayTrouble();
	showAuditsAge();
}

// --- Start ---

for (const button of document.querySelectorAll("[data-move]"))
	button.addEventListener("click", () => move(button.dataset.move));
const told = (action) => (event) => action(event).catch(took);
byId("sale-choice").addEventListener("change", told(async (event) => watch(await read(`/v1/sales/${encodeURIComponent(event.target.value)}`))));
byId("last").addEventListener("change", (event) => showLast(Number(event.target.value)));
byId("make").addEventListener("click", () => makeSale(changed));
byId("clone").addEventListener("click", () => cloneSale(watched.sale, changed));
byId("correct").addEventListener("click", told(async () => correctSale(await read(`/v1/sales/${encodeURIComponent(watched.sale.id)}`), changed)));
byId("log-kind").addEventListener("change", told(showLog));
function wall(on) {
	document.body.classList.toggle("wall", on);
	scrollTo(0, 0);
	byId("wall").setAttribute("aria-pressed", String(on));
}
byId("wall").addEventListener("click", () => wall(!document.body.classList.contains("wall")));
document.addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && wall(false));

function leave() {
	Object.keys(trouble).forEach((name) => { trouble[name] = ""; });
	heard = performance.now();
	notice("");
	sayTrouble();
	stopWatching();
	[...OF_SALES, ...OF_ALL, "none"].forEach((id) => { byId(id).hidden = true; });
	byId("sale-choice").replaceChildren();
}

begin(() => (entered() ? pollSales() : leave()));
setInterval(look, SECOND_MS); // also in a tab that nobody looks at: trouble is to be heard
every(SALES_MS, pollSales);
setInterval(() => watched && showCountdown(), STEP_MS);
