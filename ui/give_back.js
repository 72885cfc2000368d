// What an order gives back: all of it or some of its units, and where they go. The money is the payment side's to send.
import { byId, number, say } from "/assets/page.js";

const dialog = byId("back"), form = dialog.querySelector("form");
const field = (name) => byId(`back-${name}`);
const PLACES = { sale: "for sale again", warehouse: "back in the warehouse", gone: "gone" };
let order = null;

const units = (count) => `${number.format(count)} ${count === 1 ? "unit" : "units"}`;
const place = () => form.elements["back-units"].value;
const quantity = () => (order.quantity > 1 ? field("quantity").valueAsNumber : 1);

// What the button will do, before it does it.
function foretell() {
	const count = quantity(), valid = field("quantity").validity.valid && count >= 1;

	field("yes").textContent = `${order.state === "confirmed" ? "Refund" : "Cancel"} ${valid ? units(count) : "…"}`;
	say(field("then"), valid ? `The order ${count < order.quantity ? `keeps ${units(order.quantity - count)}` : "is cancelled"}; ${units(count)} ${count === 1 ? "is" : "are"} ${PLACES[place()]}.` : "");
}

/**
 * Asks how many units an order gives back, and where they go. What a cancel is asked with; null: it was left.
 */
export function giveBack(of) {
	const paid = of.state === "confirmed", many = of.quantity > 1;

	order = of;
	field("title").textContent = paid ? "This order is paid. Take it back?" : "Cancel this order?";
	field("order").textContent = `${of.buyer}, ${units(of.quantity)} of ${of.sku}.${paid ? " The money is yours to send." : ""}`;
	form.reset();
	field("quantity").max = of.quantity;
	field("quantity").value = of.quantity;
	field("quantity").disabled = !many;
	field("some").hidden = !many;
	field("quantity-label").textContent = `Units to give back, of ${number.format(of.quantity)}`;
	field("paid").hidden = !paid;
	foretell();
	dialog.returnValue = "";
	dialog.showModal();
	return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? asked() : null), { once: true }));
}

function asked() {
	const reference = field("reference").value.trim(), reason = field("reason").value.trim(), count = quantity();

	return {
		...order.quantity > 1 && { quantity: count }, // of so many as were seen: not of fewer, if somebody was here meanwhile
		...place() !== "sale" && { units: place() },
		...reference && order.state === "confirmed" && { reference },
		...reason && { reason },
	};
}

form.addEventListener("input", foretell);
