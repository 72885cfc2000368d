"""The operator's console in a real browser: every action by clicking, against the real program."""

import csv
import re

import pytest

import browser as browsers
from console import PICTURES, console, out_of_sight, seen, serious, state, type_into
from penstock import OPERATOR_TOKEN, request, run, wait_until

pytestmark = pytest.mark.skipif(browsers.ABSENT, reason="chromium and chromium-driver are not installed")


@pytest.fixture
def shop(serve):
    return serve()


def move(view, shop, name, becomes, sale="drop"):
    view.click(f'[data-move="{name}"]')
    wait_until(lambda: state(shop, sale) == becomes, 30, f"the sale being {becomes}")
    view.await_text("#sale-state", becomes)


def test_a_sale_is_opened_paused_resumed_and_ended(shop, window):
    shop.make_sale("drop", 5, state="draft", opens_at="2099-01-01T10:00:00.000Z", price={"amount": 17900, "currency": "EUR"}, hold_seconds=600)
    view = console(shop, window)
    view.await_text("#countdown-when", "1 Jan 2099, 10:00:00 UTC")
    move(view, shop, "arm", "armed")
    move(view, shop, "disarm", "draft")
    move(view, shop, "open", "open")
    assert shop.buy("drop", "anna", body={"quantity": 1}).status == 202
    view.await_text("#sold-share", "20 %")
    assert (view.text("#left"), view.text("#held"), view.text("#held-money")) == ("4", "1", "€179.00")
    wait_until(lambda: view.driver.title == "● 4 left · drop", 20, "the state in the tab")
    move(view, shop, "pause", "paused")
    wait_until(lambda: view.driver.title == "‖ 4 left · drop", 20, "the pause in the tab")
    move(view, shop, "resume", "open")
    view.click('[data-move="end"]')
    assert not view.find("#sure-yes").is_enabled(), "what cannot be undone is typed"
    view.find("#sure-typed").send_keys("dro")
    assert not view.find("#sure-yes").is_enabled()
    view.find("#sure-typed").send_keys("p")
    view.click("#sure-yes")
    wait_until(lambda: state(shop) == "ended", 30, "the end")
    view.await_text("#sale-state", "ended")
    assert not [button for button in view.all("[data-move]") if button.is_displayed()], "nothing is offered that it does not allow"
    wait_until(lambda: "sale.end" in view.text("#log tbody"), 30, "the end in the log")
    assert "rate none" in view.text("#log tbody") and "price €179.00" in view.text("#log tbody")


def drawn(view):
    """
    When the first and the last point that is drawn were made, as the page tells them, and the
    curves' names.
    """
    first = re.search(r"since (\S+)$", view.run("return document.getElementById('text-purchases').textContent"))
    names, values = (view.run(f"return [...document.querySelectorAll('#chart-purchases .u-legend {cell}')].map((each) => each.textContent)") for cell in ("th", "td"))
    return first and first[1], values[0], names[1:]


def test_a_page_that_is_opened_has_the_past_of_the_sale(shop, window):
    shop.make_sale("drop", 1, hold_seconds=600)
    assert [shop.buy("drop", buyer).status for buyer in ("anna", "bert")] == [202, 410]
    first = console(shop, window)
    wait_until(lambda: drawn(first)[0] and drawn(first)[1] not in (drawn(first)[0], "–", "--"), 60, "its points")
    later = console(shop, window)
    wait_until(lambda: drawn(later)[0], 60, "its points")
    assert drawn(later)[0] == drawn(first)[0], "what was before this page"
    assert drawn(later)[2] == ["accepted", "replayed", "sold out (410)", "refused (4xx)", "unavailable (503)"]
    later.find('#last option[value="300"]').click()
    assert serious(later) == []


def test_units_are_added_and_withdrawn(shop, window):
    shop.make_sale("drop", 5)
    assert shop.operate("POST", "/v1/items/drop-item/receive", {"units": 10}).status == 200
    view = console(shop, window)
    view.find('#lots tr[data-sku="drop-item"] input').send_keys("3")
    view.click('#lots tr[data-sku="drop-item"] button')
    view.await_text("#notice", "3 units of drop-item were added.")
    assert view.find("#notice").get_attribute("class") == "well", "it is no alarm"
    view.await_text("#left", "8")
    view.find('#lots tr[data-sku="drop-item"] input').send_keys("2")
    view.click('#lots tr[data-sku="drop-item"] button:last-child')
    view.await_text("#notice", "2 units of drop-item were withdrawn.")
    view.await_text("#left", "6")
    view.find('#lots tr[data-sku="drop-item"] input').send_keys("1000")
    view.click('#lots tr[data-sku="drop-item"] button')
    view.await_text("#notice", "on hand")
    assert view.find("#notice").get_attribute("class") == "", "it is one"
    assert view.text("#left") == "6"


def test_orders_are_found_confirmed_extended_cancelled_refunded_and_exported(shop, window, tmp_path):
    shop.make_sale("drop", 5, hold_seconds=600, limit_per_buyer=2)
    orders = [shop.buy("drop", buyer).json["id"] for buyer in ("anna", "bert", "=cmd|x")]
    view = console(shop, window)
    view.find("#find-what").send_keys(orders[0])
    view.click("#find button")
    view.await_text("#orders tbody", "anna")
    view.click('[data-act="extend"]')
    view.await_text("#found", "is held now")
    assert [row["action"] for row in shop.operate("GET", "/v1/log?kind=payments").json["rows"]] == ["order.extend"]
    view.click('[data-act="confirm"]')
    view.await_text("#orders tbody", "confirmed")
    view.click('[data-act="cancel"]')
    view.await_text("#back-title", "This order is paid.")
    view.click('#back button[value="no"]')
    assert shop.order(orders[0]).json["state"] == "confirmed"
    view.click('[data-act="cancel"]')
    view.find("#back-reason").send_keys("the left <shoe> is torn")
    view.click("#back-yes")
    view.await_text("#found", "is cancelled now")
    me = shop.operate("GET", "/v1/whoami").json["name"]
    view.await_text("#orders td.changed", "the left <shoe> is torn")
    assert me in view.text("#orders td.changed")
    refunded = shop.order(orders[0]).json
    assert (refunded["actor"], refunded["actor_kind"], refunded["reason"]) == (me, "operator", "the left <shoe> is torn")

    paid = {"payment": {"reference": "pi_3N", "amount": 100, "currency": "EUR"}}
    assert shop.operate("POST", f"/v1/orders/{orders[2]}/confirm", paid).status == 200
    view.find('#find-by option[value="payment"]').click()
    type_into(view, "#find-what", "pi_3N")
    wait_until(lambda: shop.operate("GET", "/v1/orders?payment=pi_3N").json["orders"], 30, "the payment in the ledger")
    view.click("#find button")
    view.await_text("#orders tbody", "=cmd|x")

    view.find('#find-by option[value="buyer"]').click()
    type_into(view, "#find-what", "bert")
    view.click("#find button")
    view.await_text("#orders tbody", "bert")
    view.await_text("#orders td.changed", "its buyer")
    view.click('[data-act="cancel"]')
    assert view.find("#back-reason").get_attribute("value") == "", "of this one alone"
    view.click("#back-yes")
    view.await_text("#orders tbody", "cancelled")
    assert "reason" not in shop.order(orders[1]).json
    assert {shop.order(order).json["state"] for order in orders[:2]} == {"cancelled"}

    view.find('#find-by option[value="order"]').click()
    type_into(view, "#find-what", orders[2][:-1] + "f")
    view.click("#find button")
    view.await_text("#found", "There is no such order.")

    view.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    view.click("#export")
    view.await_text("#found", "3 orders are in drop-orders.csv")
    wait_until(lambda: (tmp_path / "drop-orders.csv").exists(), 30, "the file")
    with open(tmp_path / "drop-orders.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == orders and [row["state"] for row in rows] == ["cancelled", "cancelled", "confirmed"]
    assert rows[2]["buyer"] == "'=cmd|x", "a name from outside is no formula"
    assert [(row["actor"], row["reason"]) for row in rows] == [(me, "the left <shoe> is torn"), (me, ""), (me, "")]


@pytest.mark.parametrize("size", [browsers.DESK, browsers.PHONE])
def test_some_units_of_a_paid_order_are_given_back(shop, window, size):
    shop.make_sale("drop", 5, hold_seconds=600, limit_per_buyer=3)
    order = shop.buy("drop", "anna", body={"quantity": 3}).json["id"]
    assert shop.operate("POST", f"/v1/orders/{order}/confirm", {"payment": {"reference": "pi_3N"}}).status == 200
    view = console(shop, window, size=size)
    view.find("#find-what").send_keys(order)
    view.click("#find button")
    view.click('[data-act="cancel"]')
    view.await_text("#back-order", "anna, 3 units of drop-item.")
    assert view.text("#back-yes") == "Refund 3 units" and view.text("#back-then") == "The order is cancelled; 3 units are for sale again."
    type_into(view, "#back-quantity", "4")
    assert view.text("#back-yes") == "Refund …"
    view.click("#back-yes")
    assert view.find("#back").is_displayed(), "the browser says that there are three"
    type_into(view, "#back-quantity", "1")
    view.click('[name="back-units"][value="warehouse"]')
    view.find("#back-reference").send_keys("re_8Kd")
    view.find("#back-reason").send_keys("the left is torn")
    assert view.text("#back-then") == "The order keeps 2 units; 1 unit is back in the warehouse."
    assert serious(view) == [] and view.too_wide() <= 0
    view.picture(PICTURES / f"console-refund-{'phone' if size == browsers.PHONE else 'desk'}.png")
    view.click("#back-yes")
    view.await_text("#found", "is confirmed now, with 2 of its 3 units.")
    now, lot = shop.order(order).json, shop.lot("drop")
    assert (now["state"], now["quantity"], now["reason"]) == ("confirmed", 2, "the left is torn")
    assert (lot["available"], lot["confirmed"], lot["withdrawn"]) == (2, 2, 1)
    event = shop.operate("GET", "/v1/changes?limit=100").json["changes"][-1]["data"]["event"]
    assert (event["kind"], event["quantity"], event["left"], event["units"], event["reference"]) == ("order.reduced", 1, 2, "warehouse", "re_8Kd")


def test_the_keyboard_alone_gives_a_unit_back(shop, window):
    shop.make_sale("drop", 5, hold_seconds=600, limit_per_buyer=2)
    order = shop.buy("drop", "anna", body={"quantity": 2}).json["id"]
    view = console(shop, window)
    view.find("#find-what").send_keys(order)
    view.click("#find button")
    view.click('[data-act="cancel"]')
    tab, down, enter = "\ue004", "\ue015", "\ue007"
    for keys in (down, tab, down + down, tab, "dropped", tab + tab, enter):  # one less; they are gone; why; past "Leave it" to the end
        view.driver.switch_to.active_element.send_keys(keys)
    view.await_text("#found", "is held now, with 1 of its 2 units.")
    assert shop.order(order).json["reason"] == "dropped" and shop.lot("drop")["withdrawn"] == 1


def test_sales_are_made_cloned_and_corrected(shop, window):
    shop.make_sale("drop", 5, state="draft")
    shop.operate("POST", "/v1/items", {"sku": "AJ1", "name": "Air", "on_hand": 100})
    view = console(shop, window)
    view.click("#make")
    for name, text in (("id", "air"), ("name", "Air drop"), ("lots", "AJ1 40"), ("price", "179.00"), ("limit", "2")):
        type_into(view, f"#edit-{name}", text)
    view.click("#editor-save")
    view.await_text("#editor-wrong", "write the SKU, an equals sign and the units")
    type_into(view, "#edit-lots", "AJ1=400")
    view.click("#editor-save")
    view.await_text("#editor-wrong", "on hand")
    type_into(view, "#edit-lots", "AJ1=40")
    view.click("#editor-save")
    view.await_text("#sale-name", "Air drop")
    made = shop.sale("air")
    assert (made["price"], made["limit_per_buyer"], made["rate"]) == ({"amount": 17900, "currency": "EUR"}, 2, {"requests": 3, "seconds": 60})

    view.click("#correct")
    type_into(view, "#edit-price", "99.5")
    type_into(view, "#edit-lots", "AJ1=50")
    view.click("#editor-save")
    wait_until(lambda: shop.sale("air")["price"]["amount"] == 9950 and shop.sale("air")["lots"][0]["units"] == 50, 30, "the correction")

    wait_until(lambda: not view.find("#editor").is_displayed(), 20, "the dialog's end")
    view.click("#clone")
    type_into(view, "#edit-lots", "AJ1=20")
    view.click("#editor-save")
    wait_until(lambda: shop.operate("GET", "/v1/sales/air-2").status == 200, 30, "another like it")
    assert shop.sale("air-2")["price"]["amount"] == 9950
    wait_until(lambda: view.run("return document.getElementById('sale-choice').value") == "air-2", 60, "the page showing it")
    view.click('[data-move="delete"]')
    view.find("#sure-typed").send_keys("air-2")
    view.click("#sure-yes")
    wait_until(lambda: shop.operate("GET", "/v1/sales/air-2").status == 404, 30, "the draft's end")


def test_the_audit_is_asked_by_a_button(shop, window):
    shop.make_sale("drop", 5)
    assert shop.buy("drop", "anna").status == 202
    view = console(shop, window)
    view.click("#audit")
    view.await_text("#verdict", "Kept: P1 to P4 hold over 1 orders")
    assert "ago" in view.text("#verdict")


def test_what_a_token_does_not_allow_is_not_offered(serve, window):
    done = run("token", "--operator", "reader", "--scopes", "read")
    words = done.stdout.split()
    shop = serve(environment={"PENSTOCK_OPERATOR_TOKENS": words[words.index("=") + 1]})
    shop.make_sale("drop", 5, hold_seconds=600)
    order = shop.buy("drop", "anna").json["id"]
    view = console(shop, window, token=words[words.index("token") + 1])
    view.await_text("#who", "reader")
    view.find("#find-what").send_keys(order)
    view.click("#find button")
    view.await_text("#orders tbody", "anna")
    offered = {each.get_attribute("id") or each.text for each in view.all("main button, #make") if each.is_displayed()}
    assert offered == {"Find", "export", "audit"}
    view.click("#token-forget")
    wait_until(lambda: not view.find("main").is_displayed(), 20, "nothing without a token")
    assert view.run("return sessionStorage.length") == 0


def test_trouble_is_said_and_goes_by(shop, window):
    shop.keep_ports()
    shop.make_sale("drop", 5)
    view = console(shop, window)
    view.click("#sound")
    shop.kill()
    view.await_text("#alarm", "The server does not answer")
    wait_until(lambda: view.driver.title.startswith("! "), 20, "the trouble in the tab")
    view.click("#alarm-seen")
    wait_until(lambda: not view.driver.title.startswith("! "), 20, "what was seen rings no more")
    assert view.find("#alarm-text").is_displayed()
    shop.restart()
    wait_until(lambda: not view.find("#alarm").is_displayed(), 60, "its end")
    assert shop.buy("drop", "anna").status == 202
    view.await_text("#left", "4")


def test_before_a_token_and_before_a_sale_there_is_no_empty_box(shop, window):
    view = window()
    view.open(f"{shop.operator}/dashboard")
    wait_until(lambda: view.find("#token").is_displayed(), 60, "the question for a token")
    assert seen(view, "header :is(button, select, label)") == set()
    view.find("#token").send_keys(OPERATOR_TOKEN)
    view.click("#token-dialog button.main")
    view.await_text("#none", "There is no sale yet.")
    assert seen(view, "header :is(button, select, label)") == {"make", "sound", "wall", "token-forget"}
    view.await_text("#log-title", "Operator log")
    assert serious(view) == []
    shop.make_sale("drop", 5)
    view.await_text("#sale-name", "drop")
    assert view.find("#sale-choice").is_displayed()


def test_a_token_that_is_taken_no_more_is_asked_for_and_nothing_typed_is_lost(shop, window):
    shop.keep_ports()
    shop.make_sale("drop", 5)
    view = console(shop, window)
    view.click("#make")
    for name, text in (("id", "air"), ("lots", "drop-item=1")):
        type_into(view, f"#edit-{name}", text)
    shop.kill()
    wait_until(lambda: view.driver.title.startswith("! "), 60, "the trouble in the tab")
    shop.environment = {"PENSTOCK_OPERATOR_TOKEN": "another-token-of-the-operator"}
    shop.restart()
    view.await_text("#token-wrong", "does not take this token any more")
    assert view.driver.title == "○ Penstock" and not view.find("#alarm").is_displayed() and not view.find("main").is_displayed()
    assert view.run("return sessionStorage.length") == 0
    view.find("#token").send_keys("another-token-of-the-operator")
    view.click("#token-dialog button.main")
    wait_until(lambda: not view.find("#token").is_displayed(), 60, "the token being taken")
    assert view.find("#edit-id").is_displayed() and view.find("#edit-id").get_attribute("value") == "air"
    view.await_text("#sale-name", "drop")


# The poll's refusal is held, and the stream's comes once it is.
LATE = """
const real = window.fetch;
window.held = [];
window.fetch = async (...asked) => {
	const answer = await real(...asked), refused = answer.status === 401;
	if (refused && asked[0].startsWith("/v1/sales?"))
		await new Promise((then) => held.push(then));
	while (refused && asked[0].endsWith("/events") && held.length === 0)
		await new Promise((then) => setTimeout(then, 50));
	return answer;
};
"""


def test_a_late_refusal_of_the_old_token_is_none_of_the_new_one(shop, window):
    """
    Two reads are under way when the token is taken no more: the second one's 401 comes while the
    new one is typed.
    """
    shop.keep_ports()
    shop.make_sale("drop", 5)
    view = console(shop, window, script=LATE)
    shop.kill()
    shop.environment = {"PENSTOCK_OPERATOR_TOKEN": "another-token-of-the-operator"}
    shop.restart()
    view.await_text("#token-wrong", "does not take this token any more")
    view.find("#token").send_keys("another-token-of-the-operator")
    assert view.run("const late = held.length; held.forEach((then) => then()); return late") > 0
    assert view.find("#token").get_attribute("value") == "another-token-of-the-operator"
    view.click("#token-dialog button.main")
    wait_until(lambda: not view.find("#token").is_displayed(), 60, "the token being taken")
    view.await_text("#sale-name", "drop")


@pytest.mark.parametrize("size, dark", [(browsers.DESK, False), (browsers.PHONE, True)])
def test_it_keeps_nobody_out_and_fits(shop, window, size, dark):
    shop.make_sale("drop", lots={"AJ1-41": 3, "AJ1-42": 5}, hold_seconds=600, price={"amount": 17900, "currency": "EUR"})
    orders = [shop.buy("drop", f"b{i}", body={"sku": "AJ1-42"}).json["id"] for i in range(3)]
    assert shop.operate("POST", f"/v1/orders/{orders[0]}/confirm").status == 200
    view = console(shop, window, size=size, dark=dark)
    view.find('#find-by option[value="sale"]').click()
    view.click("#find button")
    view.await_text("#found", "3 found.")
    view.await_text("#confirmed-money", "€179.00")
    assert view.too_wide() <= 0 and out_of_sight(view) == []
    assert serious(view) == []
    name = "dark-phone" if dark else "desk"
    view.picture(PICTURES / f"console-{name}.png")
    view.click("#clone")
    assert serious(view) == [] and view.too_wide() <= 0
    view.click("#editor-cancel")
    view.click("#wall")
    wait_until(lambda: not view.find("#orders-section").is_displayed(), 20, "the figures alone")
    assert view.too_wide() <= 0 and view.find("#left").is_displayed()
    view.picture(PICTURES / f"console-wall-{name}.png")


def test_the_keyboard_alone_pauses_a_sale(shop, window):
    shop.make_sale("drop", 5)
    view = console(shop, window)
    for _ in range(40):
        view.driver.switch_to.active_element.send_keys("\ue004")  # Tab
        if view.driver.switch_to.active_element.get_attribute("data-move") == "pause":
            break
    view.driver.switch_to.active_element.send_keys("\ue007")  # Enter
    wait_until(lambda: state(shop) == "paused", 30, "the pause")


def test_the_engines_page_is_drawn(shop, window):
    view = window()
    view.open(f"{shop.operator}/engine")
    wait_until(lambda: len(view.all(".u-wrap")) == 6 and view.all("#tile-promises.good") and view.all("#tile-health.good"), 60, "charts and tiles")
    assert not view.find("#notice").is_displayed() and serious(view) == []
    assert request(shop.public, "GET", "/engine").status == 404
