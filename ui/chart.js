// Lines over time (uPlot), and units by state as a bar.
import { byId, clock, colour, element, format, number } from "/assets/page.js";

const POINTS_MAX = 3600; // an hour at one a second
const WINDOW_S = 60; // that a chart shows at least
const all = new Set();
let last = POINTS_MAX; // seconds that a chart shows at most

export const STOCK = [
	{ label: "available", stroke: "green" },
	{ label: "held", stroke: "orange", dash: [6, 3] },
	{ label: "confirmed", stroke: "blue" },
	{ label: "withdrawn", stroke: "grey", dash: [2, 3] },
];

export class Chart {
	// least: what the scale shows at least.
	constructor(name, series, unit, least) {
		this.least = least;
		this.place = byId(`chart-${name}`);
		this.text = byId(`text-${name}`);
		this.series = series;
		this.unit = unit;
		this.clear();
		this.draw();
		all.add(this);
		new ResizeObserver(() => this.plot.setSize(this.size())).observe(this.place.parentElement);
	}

	clear() {
		this.data = [[], ...this.series.map(() => [])];
		this.place.classList.add("empty");
		this.plot?.setData(this.data);
	}

	size() {
		return { width: Math.max(240, this.place.clientWidth), height: document.body.classList.contains("wall") ? innerHeight * 0.38 : 220 };
	}

	// The time that is shown; nothing is known before the first point.
	span(low, high) {
		const end = high ?? Date.now() / 1000;

		return [Math.max(Math.min(low ?? end, end - WINDOW_S), end - last), end];
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

	// Rows [seconds, ...figures], the oldest first.
	push(rows) {
		if (!rows.length)
			return;
		rows.forEach((row) => row.forEach((figure, i) => this.data[i].push(figure)));
		this.data.forEach((column) => column.splice(0, column.length - POINTS_MAX));
		this.plot.setData(this.data);
		const figures = rows[rows.length - 1].slice(1);
		if (figures.some((figure) => figure != null))
			this.place.classList.remove("empty");
		if (this.plot.cursor.left < 0) // nobody points at a time: the legend tells the last one
			this.plot.setLegend({ idx: this.data[0].length - 1 });
		this.text.textContent = this.series.map((line, i) => `${line.label} ${figures[i] == null ? "none" : format(figures[i])}`).join(", ") +
			`${this.unit ? ` ${this.unit}` : ""}; since ${clock.format(this.data[0][0] * 1000)}`;
	}
}

/** How much of their past all charts show. */
export function showLast(seconds) {
	last = seconds;
	all.forEach((chart) => chart.plot.setData(chart.data));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all.forEach((chart) => chart.draw()));

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

export const unitsOf = (lots) => Object.fromEntries(STOCK.map(({ label }) => [label, lots.reduce((total, lot) => total + lot[label], 0)]));
export const unitCells = (units) => [element("td", { class: "bar" }, bar(units)),
	...STOCK.map(({ label }) => element("td", { class: "number", "data-title": label }, number.format(units[label])))];
