/**
 * A client of Penstock for pages and for Node, over what openapi-typescript makes of the server's own documents.
 *
 * `Shop.buy()` makes one key for one purchase and sends the same request again until it has an end that is known: after no answer, after an
 * answer that says that the outcome is unknown, and wherever the server says when to ask again (`Retry-After`). What is not known is never
 * called refused: where the time is over, or the login has run out in between, it throws `OutcomeUnknown`, which has the key to go on with.
 */
import createClient, { type Client } from "openapi-fetch";
import type { paths as OperatorPaths } from "./operator.js";
import type { components, paths as PublicPaths } from "./public.js";

export type { components as OperatorComponents } from "./operator.js";
export type { OperatorPaths, PublicPaths, components as PublicComponents };

export type Order = components["schemas"]["Order"];
type Problem = components["schemas"]["Problem"];
/** Every code that the public listener can refuse with. */
export type Code = Problem["code"];

/** What a refusal of some codes brings with it. */
interface Brings {
	"sold-out": "may_return";
	"buyer-limit-reached": "orders";
	"sale-not-open": "state" | "opens_at";
	"invalid-value": "field";
	"unknown-field": "field";
}
type Common = "type" | "title" | "status" | "detail";

/**
 * A refusal: `Refusal<"sold-out">` is one type, and `Refusal` the union of all, which a `switch` over `code` takes apart. A newer server
 * may have codes that are not among them: keep a `default`.
 */
export type Refusal<C extends Code = Code> = C extends Code
	? Pick<Problem, Common> & { code: C } & (C extends keyof Brings ? Required<Pick<Problem, Brings[C]>> : unknown)
	: never;

/** An answer of 4xx that is no problem of a Penstock server: a proxy's. */
export class UnexpectedAnswer extends Error {
	constructor(
		readonly status: number,
		readonly body: unknown,
	) {
		super(`the answer ${status} is none that a Penstock server gives`);
		this.name = "UnexpectedAnswer";
	}
}

/** The purchase may have been done. Buying again with the same key, and all else as it was, finds out, and never buys twice. */
export class OutcomeUnknown extends Error {
	constructor(
		readonly key: string,
		/** The last refusal, where one came: a 401 asks for a new token. */
		readonly last: Refusal | undefined,
		options?: ErrorOptions,
	) {
		super(`it is not known whether the purchase was done${last ? ` (${last.code})` : ""}: buy again with its key`, options);
		this.name = "OutcomeUnknown";
	}
}

export interface Purchase {
	sale: string;
	/** Which lot; may be left out where the sale has one. */
	sku?: string;
	quantity?: number;
	/** What the shop calls it, and pairs of its own: kept with the order. The same each time that a key is sent. */
	reference?: string;
	metadata?: Record<string, string>;
	/** Of a purchase that was begun before: keep it where a reload or a crash leaves it. Left out, a new one is made. */
	key?: string;
	/** For how long to go on asking, in ms (60,000); 0: the first answer, whatever it is. */
	patience?: number;
	signal?: AbortSignal;
	/** Told before each wait: how long it will be, and the refusal, or undefined where no answer came. */
	onWait?: (ms: number, refusal: Refusal | undefined) => void;
}

export type Outcome =
	| { bought: true; order: Order; replayed: boolean; key: string }
	| { bought: false; refusal: Refusal; key: string };

export interface Place {
	/** Of the listener, such as `https://shop.example`. */
	url: string;
	/** Or what gives one: it is asked before each request, so a token that is renewed is taken. */
	token?: string | (() => string | Promise<string>);
	fetch?: typeof globalThis.fetch;
	/** How long one request may take, in ms (15,000). */
	timeout?: number;
}

/** Every operation of the operator's listener, by path, with the types of its document. */
export function operatorClient(place: Place): Client<OperatorPaths> {
	return client<OperatorPaths>(place);
}

function client<Paths extends object>(place: Place): Client<Paths> {
	const made = createClient<Paths>({ baseUrl: place.url.replace(/\/+$/, ""), ...(place.fetch && { fetch: place.fetch }) });
	made.use({
		async onRequest({ request }) {
			const token = typeof place.token === "function" ? await place.token() : place.token;
			if (token)
				request.headers.set("Authorization", `Bearer ${token}`);
			return request;
		},
	});
	return made;
}

/** For one purchase: no other of this buyer has it. Pages without TLS have no randomUUID(), Node 18 no crypto. */
export function newKey(): string {
	const bytes = new Uint8Array(16);
	globalThis.crypto ? crypto.getRandomValues(bytes) : bytes.forEach((_, at) => (bytes[at] = Math.random() * 256));
	return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

type Answer = { order: Order; replayed: boolean } | { refusal: Refusal; wait: number | undefined } | undefined;

export class Shop {
	/** Every operation of the public listener, by path, with the types of its document. */
	readonly api: Client<PublicPaths>;
	private readonly timeout: number;

	constructor(place: Place) {
		this.api = client<PublicPaths>(place);
		this.timeout = place.timeout ?? 15_000;
	}

	async buy(purchase: Purchase): Promise<Outcome> {
		const key = purchase.key ?? newKey();
		const end = performance.now() + (purchase.patience ?? 60_000);
		let unknown = false; // whether an attempt may have been done
		let last: Refusal | undefined;
		for (let attempt = 0; ; attempt++) {
			let answer: Answer;
			try {
				answer = await this.attempt(purchase, key);
			} catch (error) {
				throw unknown || purchase.signal?.aborted ? new OutcomeUnknown(key, last, { cause: error }) : error;
			}
			if (answer && "order" in answer)
				return { bought: true, key, ...answer };
			last = answer?.refusal;
			unknown ||= !last || last.code === "outcome-unknown" || last.code === "request-in-flight";
			const wait = waitFor(answer, attempt);
			if (wait === undefined || performance.now() + wait > end) {
				if (last && !(unknown && (wait !== undefined || !(await this.concerns(last, purchase)))))
					return { bought: false, refusal: last, key };
				throw new OutcomeUnknown(key, last);
			}
			purchase.onWait?.(wait, last);
			if (!(await rest(wait, purchase.signal)))
				throw new OutcomeUnknown(key, last, { cause: purchase.signal?.reason });
		}
	}

	/** undefined: no answer, or one that tells nothing. */
	private async attempt({ sale, sku, quantity, reference, metadata, signal }: Purchase, key: string): Promise<Answer> {
		signal?.throwIfAborted();
		const limit = limited(this.timeout, signal);
		let told: { data?: Order; error?: unknown; response: Response };
		try {
			told = await this.api.POST("/v1/sales/{sale}/orders", {
				params: { path: { sale }, header: { "Idempotency-Key": key } },
				body: { quantity: quantity ?? 1, ...(sku !== undefined && { sku }), ...(reference !== undefined && { reference }), ...(metadata && { metadata }) },
				signal: limit.signal,
				cache: "no-store",
			});
		} catch (error) {
			if (signal?.aborted)
				throw error;
			return undefined;
		} finally {
			limit.done();
		}
		const { data, error, response } = told;
		if (data)
			return { order: data, replayed: response.headers.get("Idempotent-Replayed") === "true" };
		const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
		if (isProblem(error))
			return { refusal: error as Refusal, wait: Number.isNaN(retryAfter) ? undefined : retryAfter * 1000 };
		if (response.status < 500 && response.status >= 400)
			throw new UnexpectedAnswer(response.status, error);
		return undefined;
	}

	/**
	 * Whether a refusal, after an attempt that may have been done, is about this purchase. What is public is told to a token that has
	 * lapsed as well, and says nothing then; a list of the buyer's own orders shows whether it has.
	 */
	private async concerns({ status, code }: Refusal, { sale }: Purchase): Promise<boolean> {
		if (status === 401 || code === "address-rate-limited")
			return false;
		if (code !== "sold-out" && code !== "sale-ended" && code !== "sale-not-open")
			return true;
		const limit = limited(this.timeout);
		try {
			const { response } = await this.api.GET("/v1/sales/{sale}/orders", { params: { path: { sale } }, signal: limit.signal, cache: "no-store" });
			return response.ok;
		} catch {
			return false;
		} finally {
			limit.done();
		}
	}
}

function isProblem(body: unknown): body is Problem {
	return typeof body === "object" && body !== null && String((body as Partial<Problem>).type).startsWith("urn:penstock:problem:");
}

/** In ms, with a little more so that not all ask at once; undefined: asking again does not help. */
function waitFor(answer: Answer, attempt: number): number | undefined {
	const refusal = answer && "refusal" in answer ? answer : undefined;
	const told = refusal?.wait;
	if (refusal && told === undefined && refusal.refusal.status !== 503 && refusal.refusal.code !== "request-timeout")
		return undefined;
	return (told || Math.min(250 * 2 ** attempt, 8_000)) * (1 + Math.random() / 4);
}

/** A signal for one request, which ends with its time or with the caller's. */
function limited(ms: number, outer?: AbortSignal): { signal: AbortSignal; done: () => void } {
	const inner = new AbortController();
	const stop = () => inner.abort(outer?.reason);
	const timer = setTimeout(() => inner.abort(), ms);
	outer?.addEventListener("abort", stop);
	return {
		signal: inner.signal,
		done: () => {
			clearTimeout(timer);
			outer?.removeEventListener("abort", stop);
		},
	};
}

/** Whether the time has passed, and not the caller's patience. */
function rest(ms: number, signal?: AbortSignal): Promise<boolean> {
	return new Promise((resolve) => {
		const end = (passed: boolean) => {
			clearTimeout(timer);
			signal?.removeEventListener("abort", stop);
			resolve(passed);
		};
		const stop = () => end(false);
		const timer = setTimeout(() => end(true), ms);
		signal?.addEventListener("abort", stop);
		if (signal?.aborted)
			stop();
	});
}
