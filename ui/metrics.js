// Prometheus' text (exposition format 0.0.4), and what two scrapes say together.

export function parseMetrics(text) {
	const samples = new Map();
	for (const line of text.split("\n")) {
		if (line === "" || line.startsWith("#"))
			continue;
		const space = line.lastIndexOf(" ");
		samples.set(line.slice(0, space), Number(line.slice(space + 1)));
	}
	return samples;
}

export const value = (samples, key) => samples.get(key) ?? 0;

export function sum(samples, name) {
	let total = 0;
	for (const [key, sample] of samples)
		if (key === name || key.startsWith(`${name}{`))
			total += sample;
	return total;
}

// Buckets of a histogram between two scrapes, as [bound, observations up to it]; labels: 'route="buy"' or "".
export function bucketsBetween(before, after, name, labels) {
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
export function quantile(buckets, q) {
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

// --- Purchases by what came of them ---

export const OUTCOMES = [
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

/** Of each of OUTCOMES, how many a second between two scrapes, {samples, now}; null: the program was started anew between them. */
export function outcomeRates(before, after) {
	if (sum(after.samples, "penstock_http_requests_total") < sum(before.samples, "penstock_http_requests_total"))
		return null;
	const seconds = (after.now - before.now) / 1000;
	const rate = (code) => {
		const key = `penstock_purchases_total{outcome="${code}"}`;
		return (value(after.samples, key) - value(before.samples, key)) / seconds;
	};
	const whole = (sum(after.samples, "penstock_purchases_total") - sum(before.samples, "penstock_purchases_total")) / seconds;
	const rates = OUTCOMES.map(({ codes }) => codes?.reduce((total, code) => total + rate(code), 0) ?? 0);
	const others = whole - [...NAMED].reduce((total, code) => total + rate(code), 0);

	rates[rates.length - 1] = Math.abs(others) < 1e-6 ? 0 : others; // what rounding leaves is no purchase
	return rates;
}

export const brokenPromises = (samples) => ["P1", "P2", "P3", "P4", "P5"].filter((name) => value(samples, `penstock_promise_broken_total{promise="${name}"}`) > 0);

export async function scrape() {
	const answer = await fetch("/metrics", { cache: "no-store" });
	return { samples: parseMetrics(await answer.text()), now: Date.now() };
}
