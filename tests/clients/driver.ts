// What tests/clients does with the TypeScript package, as its user: driver.js WHAT '{...}' prints one line of JSON.
import { newKey, operatorClient, OutcomeUnknown, Shop, UnexpectedAnswer, type Code, type Outcome, type Refusal } from "penstock-client";

declare const process: { argv: string[] };

interface Options {
	url: string;
	operator: string;
	token: string;
	operatorToken: string;
	sale: string;
	sku?: string;
	quantity?: number;
	reference?: string;
	metadata?: Record<string, string>;
	key?: string;
	patience?: number;
	abortAfterWait?: boolean;
}

/** What goes with a refusal is known by its code, and nothing else is there. */
function brought(refusal: Refusal): unknown {
	switch (refusal.code) {
		case "sold-out":
			return refusal.may_return satisfies boolean;
		case "buyer-limit-reached":
			return refusal.orders satisfies string[];
		case "sale-not-open":
			return refusal.state satisfies string;
		case "invalid-value":
		case "unknown-field":
			return refusal.field satisfies string;
		default:
			return null;
	}
}

// @ts-expect-error: what a refusal does not bring with it cannot be read
type Nothing = Refusal<"sale-ended">["may_return"] extends boolean ? true : never;
const one: Refusal<"sold-out">["code"] = "sold-out";
const any: Code = one;

async function buy(options: Options): Promise<unknown> {
	const shop = new Shop({ url: options.url, token: async () => options.token, timeout: 5000 });
	const { sale, sku, quantity, reference, metadata, key, patience } = options;
	const stop = new AbortController();
	const waits: [number, string | null][] = [];
	const told = (end: object) => ({ ...end, waits });
	try {
		const outcome: Outcome = await shop.buy({
			sale,
			...(sku !== undefined && { sku }),
			...(quantity !== undefined && { quantity }),
			...(reference !== undefined && { reference }),
			...(metadata !== undefined && { metadata }),
			...(key !== undefined && { key }),
			...(patience !== undefined && { patience: patience * 1000 }),
			signal: stop.signal,
			onWait: (ms, refusal) => {
				waits.push([ms / 1000, refusal?.code ?? null]);
				if (options.abortAfterWait)
					stop.abort();
			},
		});
		if (outcome.bought)
			return told({ bought: outcome.order.id, replayed: outcome.replayed, key: outcome.key });
		return told({ refused: outcome.refusal.code, brought: brought(outcome.refusal), key: outcome.key });
	} catch (error) {
		if (error instanceof OutcomeUnknown)
			return told({ unknown: error.last?.code ?? null, key: error.key });
		if (error instanceof UnexpectedAnswer)
			return told({ unexpected: error.status });
		throw error;
	}
}

/** By the generated operations alone. */
async function day(options: Options): Promise<unknown> {
	const shop = new Shop(options);
	const operator = operatorClient({ url: options.operator, token: options.operatorToken });
	const bought = await shop.api.POST("/v1/sales/{sale}/orders", {
		params: { path: { sale: options.sale }, header: { "Idempotency-Key": newKey() } },
		body: { quantity: 2 },
	});
	if (!bought.data)
		throw new Error(bought.error.code);
	const order = bought.data.id;
	const confirmed = await operator.POST("/v1/orders/{order}/confirm", { params: { path: { order } } });
	const back = await operator.POST("/v1/orders/{order}/cancel", {
		params: { path: { order }, header: { "Idempotency-Key": "re_1" } },
		body: { quantity: 1, units: "warehouse", reference: "re_1" },
	});
	const listed = await operator.GET("/v1/orders", { params: { query: { sale: options.sale, state: "confirmed" } } });
	const absent = await operator.GET("/v1/orders/{order}", { params: { path: { order: "01900000-0000-7000-8000-000000000001" } } });
	return { bought: order, confirmed: confirmed.data?.state, back: back.data?.quantity, listed: listed.data?.orders.map((each) => [each.id, each.quantity]), absent: absent.error?.code };
}

const [, , what, text] = process.argv;
const options = JSON.parse(text ?? "") as Options;
console.log(JSON.stringify(await (what === "day" ? day(options) : buy(options))));
export type { any as Any, Nothing };
