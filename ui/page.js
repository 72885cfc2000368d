// What the operator's pages share: elements, figures and times as they are written, and what a reader is told.

export const byId = (id) => document.getElementById(id);
export const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const momentUtc = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" });

export const format = (figure) => (Math.abs(figure) >= 100 ? number : short).format(figure);
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const rest = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
export const local = (text) => moment.format(new Date(text));
export const utc = (text) => `${momentUtc.format(new Date(text))} UTC`;

export function element(tag, attributes, ...children) {
	const node = document.createElement(tag);
	for (const [name, text] of Object.entries(attributes))
		node.setAttribute(name, text);
	node.append(...children);
	return node;
}

/** Of a cell with a name: one that is long may be broken anywhere. */
export const length = (name) => (name.length > 20 ? { class: "long" } : {});

// Only what has changed: a live region says again whatever is written to it.
export function say(place, text) {
	if (place.textContent !== text)
		place.textContent = text;
}

/** What is wrong, in its own place; "": nothing is. */
export function sayWrong(place, text) {
	place.textContent = text; // also the same again: it was asked again
	place.hidden = text === "";
}

/** Rows as they are to be. Where nothing has changed they stay, with what somebody has selected in them. */
export function showRows(body, rows) {
	if (rows.length !== body.rows.length || rows.some((row, i) => !row.isEqualNode(body.rows[i])))
		body.replaceChildren(...rows);
}

/** After what was pressed has gone out of sight, or could not be pressed for a while: unless the reader has gone on, the keyboard's place is `next`. */
export function keepPlace(next) {
	if ([document.body, null].includes(document.activeElement) || !document.activeElement.checkVisibility())
		next.focus();
}

// What went wrong, or `well`.
export function notice(text, well = false) {
	say(byId("notice"), text);
	byId("notice").classList.toggle("well", well);
	byId("notice").hidden = text === "";
}

// "1 d 2:03:04", "2:03:04", "3:04"
export function span(milliseconds) {
	const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
	const two = (figure) => String(figure).padStart(2, "0");
	const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
	const tail = `${days || hours ? two(minutes) : minutes}:${two(seconds % 60)}`;

	return (days ? `${days} d ` : "") + (days || hours ? `${hours}:${tail}` : tail);
}

const currencyFormat = (currency) => new Intl.NumberFormat("en", { style: "currency", currency });
export const currencyDigits = (currency) => currencyFormat(currency).resolvedOptions().maximumFractionDigits;
export const money = (amount, currency) => currencyFormat(currency).format(amount / 10 ** currencyDigits(currency));

// One after the other, however slow the answers are.
export async function every(milliseconds, action) {
	for (;;) {
		if (document.visibilityState === "visible")
			await action();
		await rest(milliseconds);
	}
}

/**
 * Asks before something is done that cannot be undone. `typed`: what must be typed first. Whether it was said.
 */
export function sure(question, button, typed = "") {
	const dialog = byId("sure"), input = byId("sure-typed");

	byId("sure-question").textContent = question;
	byId("sure-label").textContent = `Type ${typed} to go on`;
	byId("sure-label").hidden = input.hidden = !typed;
	input.required = !!typed;
	input.value = "";
	byId("sure-yes").textContent = button;
	dialog.returnValue = "";
	dialog.showModal();
	const check = () => { byId("sure-yes").disabled = input.value !== typed; };
	input.oninput = check;
	check();
	return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
