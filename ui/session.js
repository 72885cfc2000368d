// Whose page this is: the operator's token, what it allows, and requests with it.
//
// The token is asked for once and kept in sessionStorage: in this tab, until it is closed. It is sent to this server alone; the
// Content-Security-Policy lets the page reach no other.
import { byId, notice, rest, sayWrong } from "/assets/page.js";

const TOKEN_KEY = "penstock.operator-token";
const ACT_MS = 60000; // how long an act whose end is unknown is asked again
const ANSWER_MS = 20000; // longer than a server that is there takes for an answer
const SLOW_MS = 2000; // then it is said that none has come
const dialog = byId("token-dialog");
let operator = null, changed = () => {};
let ahead = 0; // ms that the server's clock is ahead of this browser's, which may be wrong by hours

export const now = () => Date.now() + ahead;

export class Unauthorized extends Error {
	constructor(token) {
		super();
		this.token = token; // that was sent
	}
}
export class Refused extends Error {
	constructor(problem) {
		super(problem.detail ?? problem.title);
		this.code = problem.code;
		this.quantity = problem.quantity; // of order-quantity: what the order has
		this.field = problem.field; // of invalid-value
	}
}

const headers = (token = sessionStorage.getItem(TOKEN_KEY)) => token ? { Authorization: `Bearer ${token}` } : {};

export async function ask(path, options = {}) {
	const token = sessionStorage.getItem(TOKEN_KEY);
	const answer = await fetch(path, { cache: "no-store", ...options, headers: { ...headers(token), ...options.headers } })
		.catch(() => { throw new Error("The server did not answer. Try again."); });

	if (answer.status === 401 || answer.status === 403)
		throw new Unauthorized(token);
	if (!answer.ok)
		throw new Refused(await answer.json().catch(() => ({ title: `${path}: ${answer.status}` })));
	return answer;
}

export const read = async (path) => (await ask(path)).json();

function newKey() {
	return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Something is done, once: while no answer comes, or a 503, the same is sent again with its key (a new one, where it has none). What the
 * server shows of it (with `everywhere` false where it is only taken, 202); Refused with its words; Error where its end stayed unknown.
 */
export async function act(...asked) {
	const slow = setTimeout(notice, SLOW_MS, "No answer yet. The same is asked again until there is one; it is done once.");

	try {
		return await actUntilKnown(...asked);
	} finally {
		clearTimeout(slow);
		notice("");
	}
}

async function actUntilKnown(method, path, body, key = newKey()) {
	const end = Date.now() + ACT_MS;
	const options = {
		method, cache: "no-store", body: body === undefined ? "" : JSON.stringify(body),
		headers: { ...headers(), ...(method === "POST" && { "Idempotency-Key": key }), ...(body !== undefined && { "Content-Type": "application/json" }) },
	};

	for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
		const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => null);
		const shown = await answer?.json().catch(() => null);
		if (answer?.ok && shown)
			return answer.status === 202 ? { ...shown, everywhere: false } : shown;
		if (answer && answer.status < 500 && shown)
			throw new Refused(shown);
		if (Date.now() > end)
			throw new Error(shown?.detail ?? "The server did not answer. It may have been done: look before you do it again.");
		await rest((Number(answer?.headers.get("Retry-After")) * 1000 || wait) * (1 + Math.random() / 4));
	}
}

export const may = (scope) => operator?.scopes.includes(scope) ?? false;

/** What the token does not allow is not offered: whatever has data-scope. */
export function offer(root = document) {
	root.querySelectorAll("[data-scope]").forEach((each) => { each.hidden = !may(each.dataset.scope); });
}

function show() {
	document.body.classList.toggle("locked", !operator);
	byId("who").textContent = operator?.name ?? "";
	byId("token-forget").hidden = !operator;
	byId("locked").hidden = !!operator;
	offer();
}

function askForToken(why = "") {
	sayWrong(byId("token-wrong"), why);
	byId("token").value = "";
	if (!dialog.open)
		dialog.showModal();
}

function lock() {
	operator = null;
	show();
	changed();
}

/**
 * The token is not taken any more. A new one is asked for above whatever dialog somebody fills in, which stays. Of several reads that were
 * under way with it the first tells that, and the others say nothing of the one that is typed meanwhile.
 */
export function turnedAway({ token }) {
	if (token === null || token !== sessionStorage.getItem(TOKEN_KEY))
		return;
	sessionStorage.removeItem(TOKEN_KEY);
	lock();
	askForToken("The server does not take this token any more: it was withdrawn, or the server has been started with another one.");
}

async function setClock() {
	const start = performance.now(), { unix_ms: then } = await read("/v1/time");
	ahead = then + (performance.now() - start) / 2 - Date.now();
}

async function enter() {
	await setClock();
	operator = await read("/v1/whoami");
	show();
	changed();
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
	event.preventDefault();
	sessionStorage.setItem(TOKEN_KEY, byId("token").value.trim());
	try {
		await enter();
		dialog.close();
	} catch (error) {
		sessionStorage.removeItem(TOKEN_KEY);
		sayWrong(byId("token-wrong"), error instanceof Unauthorized ? "This token was not taken: it is not the server's, or it lacks the scope read." : "The server did not answer. Try again.");
		byId("token").select();
	}
});
byId("token-cancel").addEventListener("click", () => dialog.close());
byId("token-ask").addEventListener("click", () => askForToken());
byId("token-forget").addEventListener("click", () => {
	sessionStorage.removeItem(TOKEN_KEY);
	lock();
});

/** Begins; `then` is called whenever somebody has come or gone. Tried again until the server answers. */
export async function begin(then) {
	changed = then;
	if (sessionStorage.getItem(TOKEN_KEY) === null) {
		lock();
		return askForToken();
	}
	for (;;)
		try {
			return await enter();
		} catch (error) {
			if (error instanceof Unauthorized)
				return turnedAway(error);
			await rest(2000);
		}
}

export const entered = () => operator !== null;
