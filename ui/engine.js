// The engine's own figures: what /metrics and /health say every second, drawn. Both are open on this listener.
import { byId, element, every, format, notice, number, say } from "/assets/page.js";
import { Chart, STOCK } from "/assets/chart.js";
import { OUTCOMES, brokenPromises, bucketsBetween, outcomeRates, quantile, scrape, sum, value } from "/assets/metrics.js";

const POLL_MS = 1000;
const QUANTILES = [{ label: "p50", stroke: "blue" }, { label: "p99", stroke: "orange", dash: [6, 3] }];
const charts = {
	outcomes: new Chart("outcomes", OUTCOMES, "a second", 10),
	latency: new Chart("latency", QUANTILES, "milliseconds", 1),
	units: new Chart("units", STOCK, "units", 10),
	commit: new Chart("commit", QUANTILES, "milliseconds", 1),
	batch: new Chart("batch", [{ label: "mean", stroke: "blue" }], "events", 10),
	lanes: new Chart("lanes", [{ label: "journal", stroke: "blue" }, { label: "ledger", stroke: "purple", dash: [6, 3] }], "waiting", 10),
};
let before = null, held = false;

function showFigures(after) {
	const { samples, now } = after, at = now / 1000, rates = outcomeRates(before, after);

	if (!rates)
		return;
	const gained = (name) => sum(samples, name) - sum(before.samples, name);
	const milliseconds = (name, labels = "") => {
		const buckets = bucketsBetween(before.samples, samples, name, labels);
		return [0.5, 0.99].map((q) => (quantile(buckets, q) === null ? null : quantile(buckets, q) * 1000));
	};
	const commits = gained("penstock_journal_batch_events_count");
	const latency = milliseconds("penstock_http_request_duration_seconds", 'route="buy"');

	charts.outcomes.push([[at, ...rates]]);
	charts.latency.push([[at, ...latency]]);
	charts.units.push([[at, ...STOCK.map(({ label }) => value(samples, `penstock_stock_units{state="${label}"}`))]]);
	charts.commit.push([[at, ...milliseconds("penstock_journal_append_seconds")]]);
	charts.batch.push([[at, commits ? gained("penstock_journal_batch_events_sum") / commits : null]]);
	charts.lanes.push([[at, ...["journal", "ledger"].map((lane) => value(samples, `penstock_lane_depth{lane="${lane}"}`))]]);
	byId("tile-accepted").textContent = number.format(rates[0]);
	byId("tile-refused").textContent = number.format(rates.slice(2).reduce((total, rate) => total + rate, 0));
	byId("tile-p99").textContent = latency[1] === null ? "–" : format(latency[1]);
}

function showState(samples) {
	const broken = brokenPromises(samples);
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

function stale(text) {
	notice(text);
	document.body.classList.toggle("stale", text !== "");
}

async function poll() {
	if (held)
		return;
	try {
		const [after, health] = await Promise.all([scrape(), fetch("/health", { cache: "no-store" })]);

		if (before)
			showFigures(after);
		before = after;
		showState(after.samples);
		showHealth(await health.json());
		stale("");
	} catch {
		before = null;
		showHealthTile("no answer", false);
		stale("The server does not answer; what stands here is what it said last. Trying again.");
	}
}

byId("hold").addEventListener("click", (event) => {
	held = !held;
	before = null;
	event.target.setAttribute("aria-pressed", String(held));
});

every(POLL_MS, poll);
