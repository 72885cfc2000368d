// What operators did, as the log has it, and what an audit says.
import { byId, element, local, number, say, span } from "/assets/page.js";
import { act, entered, read } from "/assets/session.js";

const ROWS = 15;
let audited = null; // {at, text, well}

export async function showLog() {
	if (!entered())
		return;
	const { rows } = await read(`/v1/log?order=newest&limit=${ROWS}&kind=${byId("log-kind").value}`);

	byId("log").tBodies[0].replaceChildren(...rows.map((row) =>
		element("tr", {}, element("td", {}, local(row.at)), element("td", {}, row.actor), element("th", { scope: "row" }, row.action),
			element("td", {}, row.subject ?? ""), element("td", { class: "detail" }, Object.entries(row.detail).filter(([name, of]) => !name.endsWith("_at_ms") || of >= 0)
				.map(([name, of]) => name.endsWith("_at_ms") ? `${name.slice(0, -3)} ${local(of)}` : `${name} ${of}`).join(", ")))));
}

export function showAuditsAge() {
	if (audited)
		say(byId("verdict"), `${audited.text} (${span(Date.now() - audited.at)} ago)`);
}

function verdictOf(audit) {
	const broken = Object.entries(audit.promises).filter(([, { broken: count }]) => count > 0).map(([name, { broken: count }]) => `${name.toUpperCase()} ${number.format(count)} times`);

	if (audit.operator_log.broken)
		broken.push("the operator log");
	return audit.ok ? `Kept: P1 to P4 hold over ${number.format(audit.totals.orders)} orders and ${number.format(audit.totals.movements)} movements.`
		: `BROKEN: ${broken.join(", ")}.`;
}

byId("log-kind").addEventListener("change", showLog);
byId("audit").addEventListener("click", async () => {
	byId("audit").disabled = true;
	say(byId("verdict"), "Reading the whole ledger …");
	try {
		const audit = await act("POST", "/v1/audit");
		audited = { at: Date.now(), text: verdictOf(audit) };
		byId("verdict").className = audit.ok ? "good" : "bad";
		showAuditsAge();
	} catch (error) {
		audited = null;
		byId("verdict").className = "bad";
		say(byId("verdict"), error.message);
	}
	byId("audit").disabled = false;
});
