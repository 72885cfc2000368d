// What operators did, as the log has it, and what an audit says.
import { byId, element, keepPlace, local, money, number, say, showRows, span } from "/assets/page.js";
import { act, entered, read } from "/assets/session.js";

const ROWS = 15;
let audited = null; // when

// A time and a price as the rest of the page has them; a rate of none in none is none.
function detailOf({ price, currency, ...detail }) {
	const priced = price !== undefined && currency ? { price: money(price, currency) } : { price, currency };
	const words = ([name, of]) => (name.endsWith("_at_ms") ? `${name.slice(0, -3)} ${local(of)}` : name === "rate" && of === "0/0" ? "rate none" : `${name} ${of}`);

	return Object.entries({ ...detail, ...priced }).filter(([name, of]) => of !== undefined && (!name.endsWith("_at_ms") || of >= 0)).map(words).join(", ");
}

export async function showLog() {
	if (!entered())
		return;
	const { rows } = await read(`/v1/log?order=newest&limit=${ROWS}&kind=${byId("log-kind").value}`);

	showRows(byId("log").tBodies[0], rows.map((row) =>
		element("tr", {}, element("td", {}, local(row.at)), element("td", {}, row.actor), element("th", { scope: "row" }, row.action),
			element("td", {}, row.subject ?? ""), element("td", { class: "detail" }, detailOf(row.detail)))));
	byId("log-none").hidden = rows.length > 0;
}

// Its age is no part of what a reader is told of: it changes every second.
export function showAuditsAge() {
	say(byId("verdict-age"), audited ? `(${span(Date.now() - audited)} ago)` : "");
}

function verdictOf(audit) {
	const broken = Object.entries(audit.promises).filter(([, { broken: count }]) => count > 0).map(([name, { broken: count }]) => `${name.toUpperCase()} ${number.format(count)} times`);

	if (audit.operator_log.broken)
		broken.push("the operator log");
	return audit.ok ? `Kept: P1 to P4 hold over ${number.format(audit.totals.orders)} orders and ${number.format(audit.totals.movements)} movements.`
		: `BROKEN: ${broken.join(", ")}.`;
}

byId("audit").addEventListener("click", async () => {
	byId("audit").disabled = true;
	audited = null;
	showAuditsAge();
	byId("verdict").className = "";
	say(byId("verdict-text"), "Reading the whole ledger …");
	try {
		const audit = await act("POST", "/v1/audit");
		audited = Date.now();
		byId("verdict").className = audit.ok ? "good" : "bad";
		say(byId("verdict-text"), verdictOf(audit));
	} catch (error) {
		byId("verdict").className = "bad";
		say(byId("verdict-text"), error.message);
	}
	showAuditsAge();
	byId("audit").disabled = false;
	keepPlace(byId("audit"));
});
