// The operator's dashboard: what /metrics says every second, drawn; the sales, and one of them as it happens.
//
// /metrics and /health are open on this listener. Sales need an operator's token, which is asked for once and kept in sessionStorage: in
// this tab, until it is closed. It is sent to this server alone; the Content-Security-Policy lets the page reach no other.
"use strict";

const POLL_MS = 1000;
const SALES_MS = 5000;
const POINTS_MAX = 600; // ten minutes at one a second
const WINDOW_S = 60; // that a chart shows at least
const RETRY_MS = 2000;
const TOKEN_KEY = "penstock.operator-token";

const byId = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const format = (figure) => (Math.abs(figure) >= 100 ? number : short).format(figure);

// --- Metrics: Prometheus text (exposition format 0.0.4), and what two scrapes say together ---

function parseMetrics(text) {
	const samples = new Map();
	for (const line of text.split("\n")) {
		if (line === "" || line.startsWith("#"))
			continue;
		const space = line.lastIndexOf(" ");
		samples.set(line.slice(0, space), Number(line.slice(space + 1)));
	}
	return samples;
}

const value = (samples, key) => samples.get(key) ?? 0;

function sum(samples, name) {
	let total = 0;
	for (const [key, sample] of samples)
		if (key === name || key.startsWith(`${name}{`))
			total += sample;
	return total;
}

// Buckets of a histogram between two scrapes, as [bound, observations up to it]; labels: 'route="buy"' or "".
function bucketsBetween(before, after, name, labels) {
	const start = `${name}_bucket{${labels}${labels ? "," : ""}le="`;
	const buckets = [];
	for (const [key, sample] of after)
		if (key.startsWith(start)) {
			const bound = key.slice(start.length, key.indexOf('"', start.length));
			buckets.push([bound === "+Inf" ? Infinity : Number(bound), sample - value(before, key)]);
		}
	return buckets.sort((a, b) => a[0] - b[0]);
}

// By interpolation within the bucket, as Prometheus' histogram_quantile() does; null where nothing was observed.
function quantile(buckets, q) {
	const total = buckets.length ? buckets[buckets.length - 1][1] : 0;
	if (total <= 0)
		return null;
	const rank = q * total;
	let low = 0, below = 0;
	for (const [bound, count] of buckets) {
		if (count >= rank)
			return bound === Infinity ? low : low + (bound - low) * ((rank - below) / (count - below || 1));
		low = bound;
		below = count;
	}
	return low;
}

// --- Charts ---

const OUTCOMES = [
	{ label: "accepted", stroke: "green", codes: ["accepted"] },
	{ label: "replayed", stroke: "sky", dash: [6, 3], codes: ["replayed"] },
	{ label: "sold out", stroke: "blue", codes: ["sold-out", "sale-ended"] },
	{ label: "limited", stroke: "orange", dash: [2, 3], codes: ["rate-limited", "address-rate-limited", "buyer-limit-reached"] },
	{ label: "not open", stroke: "purple", dash: [8, 4, 2, 4], codes: ["sale-not-open"] },
	{ label: "unavailable", stroke: "red",
		codes: ["overloaded", "fenced", "journal-unavailable", "stock-unavailable", "ledger-unavailable", "shutting-down", "outcome-unknown"] },
	{ label: "wrong", stroke: "grey", dash: [3, 3], codes: null }, // all the others: what no buyer with a sound client sees
];
const NAMED = new Set(OUTCOMES.flatMap((outcome) => outcome.codes ?? []));

const QUANTILES = [{ label: "p50", stroke: "blue" }, { label: "p99", stroke: "orange", dash: [6, 3] }];
const STOCK = [
	{ label: "available", stroke: "green" },
	{ label: "held", stroke: "orange", dash: [6, 3] },
	{ label: "confirmed", stroke: "blue" },
	{ label: "withdrawn", stroke: "grey", dash: [2, 3] },
];

class Chart {
	// least: what the scale shows at least.
	constructor(name, series, unit, least) {
		this.least = least;
		this.place = byId(`chart-${name}`);
		this.text = byId(`text-${name}`);
		this.series = series;
		this.unit = unit;
		this.clear();
		this.draw();
		new ResizeObserver(() => this.plot.setSize(this.size())).observe(this.place.parentElement);
	}

	clear() {
		this.data = [[], ...this.series.map(() => [])];
		this.place.classList.add("empty");
	}

	size() {
		return { width: Math.max(240, this.place.clientWidth), height: 220 };
	}

	// The time that is shown; nothing is known before the first point.
	span(low, high) {
		const end = high ?? Date.now() / 1000;

		return [Math.min(low ?? end, end - WINDOW_S), end];
	}

	// Anew: colours are the scheme's, and a chart keeps those that it was made with.
	draw() {
		this.plot?.destroy();
		const axis = () => ({ stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } });
		const series = this.series.map((line) => ({
			label: line.label, stroke: colour(line.stroke), dash: line.dash, width: 2, spanGaps: true, points: { show: false },
			value: (plot, figure) => (figure == null ? "–" : format(figure)),
		}));
		this.plot = new uPlot({
			...this.size(),
			cursor: { drag: { x: false, y: false } },
			scales: {
				x: { range: (plot, low, high) => this.span(low, high) },
				y: { range: (plot, low, high) => [0, Math.max(high * 1.1, this.least)] },
			},
			axes: [
				{ ...axis(), space: 80, values: (plot, ticks) => ticks.map((tick) => clock.format(tick * 1000)) },
				{ ...axis(), size: 60, values: (plot, ticks) => ticks.map((tick) => format(tick)) },
			],
			series: [{ label: "time", value: (plot, seconds) => (seconds == null ? "–" : clock.format(seconds * 1000)) }, ...series],
		}, this.data, this.place);
	}

	push(seconds, figures) {
		this.data[0].push(seconds);
		figures.forEach((figure, i) => this.data[i + 1].push(figure));
		if (this.data[0].length > POINTS_MAX)
			this.data.forEach((column) => column.shift());
		this.plot.setData(this.data);
		if (figures.some((figure) => figure != null))
			this.place.classList.remove("empty");
		if (this.plot.cursor.left < 0) // nobody points at a time: the legend tells the last one
			this.plot.setLegend({ idx: this.data[0].length - 1 });
		this.text.textContent = this.series.map((line, i) => `${line.label} ${figures[i] == null ? "none" : format(figures[i])}`).join(", ") +
			(this.unit ? ` ${this.unit}` : "");
	}
}

const charts = {
	outcomes: new Chart("outcomes", OUTCOMES, "a second", 10),
	latency: new Chart("latency", QUANTILES, "milliseconds", 1),
	units: new Chart("units", STOCK, "units", 10),
	commit: new Chart("commit", QUANTILES, "milliseconds", 1),
	batch: new Chart("batch", [{ label: "mean", stroke: "blue" }], "events", 10),
	lanes: new Chart("lanes", [{ label: "journal", stroke: "blue" }, { label: "ledger", stroke: "purple", dash: [6, 3] }], "waiting", 10),
};
let stockChart = null;

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
	Object.values(charts).forEach((chart) => chart.draw());
	stockChart?.draw();
});

// --- Every second ---

let before = null, paused = false;

// Only what has changed: a live region says again whatever is written to it.
function say(place, text) {
	if (place.textContent !== text)
		place.textContent = text;
}

function notice(text) {
	say(byId("notice"), text);
	byId("notice").hidden = text === "";
	document.body.classList.toggle("stale", text !== "");
}

function showFigures(samples, now) {
	const seconds = (now - before.now) / 1000;
	const rate = (code) => (value(samples, code) - value(before.samples, code)) / seconds;
	const outcome = (code) => rate(`penstock_purchases_total{outcome="${code}"}`);
	const gained = (name) => sum(samples, name) - sum(before.samples, name);
	const all = gained("penstock_purchases_total") / seconds;
	const rates = OUTCOMES.map(({ codes }) => codes?.reduce((total, code) => total + outcome(code), 0) ?? 0);
	const others = all - [...NAMED].reduce((total, code) => total + outcome(code), 0);
	rates[rates.length - 1] = Math.abs(others) < 1e-6 ? 0 : others; // what rounding leaves is no purchase

	const milliseconds = (name, labels = "") => {
		const buckets = bucketsBetween(before.samples, samples, name, labels);
		return [0.5, 0.99].map((q) => (quantile(buckets, q) === null ? null : quantile(buckets, q) * 1000));
	};
	const commits = gained("penstock_journal_batch_events_count");
	const latency = milliseconds("penstock_http_request_duration_seconds", 'route="buy"');
	const at = now / 1000;

	charts.outcomes.push(at, rates);
	charts.latency.push(at, latency);
	charts.units.push(at, STOCK.map(({ label }) => value(samples, `penstock_stock_units{state="${label}"}`)));
	charts.commit.push(at, milliseconds("penstock_journal_append_seconds"));
	charts.batch.push(at, [commits ? gained("penstock_journal_batch_events_sum") / commits : null]);
	charts.lanes.push(at, ["journal", "ledger"].map((lane) => value(samples, `penstock_lane_depth{lane="${lane}"}`)));
	byId("tile-accepted").textContent = number.format(rates[0]);
	byId("tile-refused").textContent = number.format(all - rates[0] - rates[1]);
	byId("tile-p99").textContent = latency[1] === null ? "–" : format(latency[1]);
}

function showState(samples) {
	const broken = ["P1", "P2", "P3", "P4", "P5"].filter((name) => value(samples, `penstock_promise_broken_total{promise="${name}"}`) > 0);
	const tile = byId("tile-promises");
	const build = [...samples.keys()].find((key) => key.startsWith("penstock_build_info"));

	say(tile, broken.length ? `${broken.join(", ")} broken` : "kept");
	tile.className = broken.length ? "bad" : "good";
	tile.parentElement.classList.toggle("broken", broken.length > 0);
	byId("tile-connections").textContent = number.format(value(samples, "penstock_connections"));
	byId("tile-memory").textContent = number.format(value(samples, "process_resident_memory_bytes") / (1 << 20));
	byId("build").textContent = build ? `${build.match(/version="([^"]*)"/)?.[1]} (${build.match(/revision="([^"]*)"/)?.[1]})` : "";
}

function showHealthTile(word, well) {
	const tile = byId("tile-health");

	say(tile, word);
	tile.className = well ? "good" : "bad";
	tile.parentElement.classList.toggle("broken", !well);
}

function showHealth(health) {
	const reasons = Object.entries(health.components).filter(([, component]) => component.status !== "UP")
		.map(([name, component]) => `${name}: ${component.details.reason ?? component.status.toLowerCase()}`);
	const list = byId("reasons");

	showHealthTile({ UP: "up", DOWN: "down", OUT_OF_SERVICE: "out of service" }[health.status] ?? health.status, health.status === "UP");
	list.hidden = reasons.length === 0;
	list.replaceChildren(...reasons.map((reason) => element("li", {}, reason)));
}

async function poll() {
	try {
		const [metrics, health] = await Promise.all([fetch("/metrics", { cache: "no-store" }), fetch("/health", { cache: "no-store" })]);
		const samples = parseMetrics(await metrics.text());
		const now = Date.now();

		// A counter that fell is a program that was started anew: the two scrapes say nothing together.
		if (before && sum(samples, "penstock_http_requests_total") >= sum(before.samples, "penstock_http_requests_total"))
			showFigures(samples, now);
		before = { samples, now };
		drawStock(now / 1000);
		showState(samples);
		showHealth(await health.json());
		notice("");
	} catch {
		before = null;
		showHealthTile("no answer", false);
		notice("The server does not answer; what stands here is what it said last. Trying again.");
	}
}

// --- The token ---

class Unauthorized extends Error {}

async function ask(path, options = {}) {
	const token = sessionStorage.getItem(TOKEN_KEY);
	const answer = await fetch(path, { cache: "no-store", ...options, headers: token ? { Authorization: `Bearer ${token}` } : {} });

	if (answer.status === 401 || answer.status === 403)
		throw new Unauthorized();
	if (!answer.ok)
		throw new Error(`${path}: ${answer.status}`);
	return answer;
}

const dialog = byId("token-dialog");
let asked = false;

function askForToken() {
	asked = true;
	byId("token-wrong").hidden = true;
	byId("token").value = "";
	if (!dialog.open)
		dialog.showModal();
}

function showLock(locked) {
	byId("sales-locked").hidden = !locked;
	byId("token-forget").hidden = sessionStorage.getItem(TOKEN_KEY) === null;
	if (!locked)
		return;
	byId("sales-scroll").hidden = byId("sales-none").hidden = byId("watched").hidden = true;
	stopWatching();
	if (!asked)
		askForToken();
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
	event.preventDefault();
	sessionStorage.setItem(TOKEN_KEY, byId("token").value.trim());
	try {
		await ask("/v1/sales?limit=1");
		dialog.close();
		await pollSales();
	} catch (error) {
		sessionStorage.removeItem(TOKEN_KEY);
		byId("token-wrong").textContent = error instanceof Unauthorized
			? "This token was not taken: it is not the server's, or it lacks the scope read."
			: "The server did not answer. Try again.";
		byId("token-wrong").hidden = false;
		byId("token").select();
	}
});
byId("token-cancel").addEventListener("click", () => dialog.close());
byId("token-ask").addEventListener("click", askForToken);
byId("token-forget").addEventListener("click", () => {
	sessionStorage.removeItem(TOKEN_KEY);
	showLock(true);
});

// --- Sales ---

function element(tag, attributes, ...children) {
	const node = document.createElement(tag);
	for (const [name, text] of Object.entries(attributes))
		node.setAttribute(name, text);
	node.append(...children);
	return node;
}

function bar(units) {
	const total = STOCK.reduce((all, { label }) => all + units[label], 0) || 1;
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	let x = 0;

	svg.setAttribute("class", "bar");
	svg.setAttribute("viewBox", "0 0 100 1");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("aria-hidden", "true"); // the figures stand beside it
	for (const { label } of STOCK) {
		const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
		const width = (units[label] * 100) / total;

		for (const [name, figure] of [["class", `fill-${label}`], ["x", x], ["y", 0], ["width", width], ["height", 1]])
			rect.setAttribute(name, figure);
		svg.append(rect);
		x += width;
	}
	return svg;
}

const unitsOf = (lots) => Object.fromEntries(STOCK.map(({ label }) => [label, lots.reduce((total, lot) => total + lot[label], 0)]));
const unitCells = (units) => [element("td", {}, bar(units)),
	...STOCK.map(({ label }) => element("td", { class: "number" }, number.format(units[label])))];

// A draft says what becomes of it by itself; "coming" is what buyers are told of one that is announced.
function stateOf(sale) {
	if (sale.state !== "draft" && sale.state !== "coming")
		return sale.state;
	return ["draft", ...["schedule", "announce"].filter((flag) => sale[flag]).map((flag) => `${flag}d`)].join(", ");
}

const ORDER = ["open", "paused", "armed", "draft", "ended"];
let watched = null; // { id, abort, lots }

function showSales(sales, more) {
	const focused = document.activeElement?.dataset?.sale;

	sales.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || b.number - a.number);
	byId("sales-scroll").hidden = sales.length === 0;
	byId("sales-none").hidden = sales.length > 0;
	byId("sales").tBodies[0].replaceChildren(...sales.map((sale) => {
		const button = element("button", { type: "button", "data-sale": sale.id, "aria-pressed": String(watched?.id === sale.id) }, sale.name);

		button.addEventListener("click", () => watch(sale));
		return element("tr", {}, element("th", { scope: "row" }, button),
			element("td", {}, element("span", { class: `state ${sale.state}` }, stateOf(sale))), ...unitCells(unitsOf(sale.lots)));
	}));
	if (more)
		byId("sales").tBodies[0].append(element("tr", {}, element("td", { colspan: "7" }, "There are more; the first 1,000 are shown.")));
	if (focused)
		document.querySelector(`button[data-sale="${CSS.escape(focused)}"]`)?.focus();
	// A draft may have been deleted; behind the first 1,000 it is still there.
	if (watched && !more && !sales.some((sale) => sale.id === watched.id)) {
		stopWatching();
		byId("watched").hidden = true;
	}
	if (!watched && sales.length > 0)
		watch(sales[0]);
}

async function pollSales() {
	try {
		const page = await (await ask("/v1/sales?limit=1000")).json();

		showLock(false);
		showSales(page.sales, page.next !== null);
	} catch (error) {
		if (error instanceof Unauthorized)
			showLock(true);
	}
}

// --- One sale, as it happens ---

// EventSource cannot send a token, so the stream is read by hand: blocks of "field: value" lines, an empty line after each.
async function* readEvents(stream) {
	const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";

	for (;;) {
		const { value: text, done } = await reader.read();
		if (done)
			return;
		const blocks = (rest + text).split("\n\n");
		rest = blocks.pop();
		for (const block of blocks) {
			const fields = Object.fromEntries(block.split("\n").filter((line) => line.includes(": ") && !line.startsWith(":"))
				.map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
			if (fields.event)
				yield { name: fields.event, data: JSON.parse(fields.data) };
		}
	}
}

// The stream tells changes alone; the chart goes on in between.
function drawStock(seconds) {
	if (watched?.lots)
		stockChart.push(seconds, Object.values(unitsOf(watched.lots)));
}

function showStock(lots) {
	watched.lots = lots;
	byId("lots").tBodies[0].replaceChildren(...lots.map((lot) =>
		element("tr", {}, element("th", { scope: "row" }, lot.sku), ...unitCells(lot))));
}

function stopWatching() {
	watched?.abort.abort();
	watched = null;
}

async function watch(sale) {
	stopWatching();
	const mine = watched = { id: sale.id, abort: new AbortController() };

	byId("watched").hidden = false;
	byId("watched-title").textContent = `${sale.name}: ${stateOf(sale)}`;
	document.querySelectorAll("button[data-sale]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.sale === sale.id)));
	stockChart ??= new Chart("stock", STOCK, "units", 10);
	stockChart.clear();
	showStock(sale.lots);
	while (watched === mine) {
		try {
			const answer = await ask(`/v1/sales/${encodeURIComponent(sale.id)}/events`, { signal: mine.abort.signal });

			for await (const event of readEvents(answer.body))
				if (watched !== mine)
					return;
				else if (event.name === "stock")
					showStock(event.data.lots);
				else if (event.name === "sale")
					byId("watched-title").textContent = `${event.data.name}: ${stateOf({ ...sale, ...event.data })}`;
		} catch {
			// Also when the stream ends: the server may be starting anew.
		}
		if (watched === mine)
			await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
	}
}

// --- Start ---

byId("pause").addEventListener("click", (event) => {
	paused = !paused;
	before = null;
	event.target.setAttribute("aria-pressed", String(paused));
	event.target.textContent = paused ? "Go on" : "Pause";
});

// One after the other, however slow the answers are.
async function every(milliseconds, action) {
	for (;;) {
		if (!paused && document.visibilityState === "visible")
			await action();
		await new Promise((resolve) => setTimeout(resolve, milliseconds));
	}
}

every(POLL_MS, poll);
every(SALES_MS, pollSales);
