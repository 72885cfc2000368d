"""
The operator's console for who cannot see it, has no mouse, has names as long as they may be, or a
server that does not answer.
"""

import os
import signal

import pytest

import browser as browsers
from console import console, out_of_sight, serious, state, type_into
from penstock import await_expiry, request, wait_until

pytestmark = pytest.mark.skipif(browsers.ABSENT, reason="chromium and chromium-driver are not installed")
TAB, ENTER = "\ue004", "\ue007"
# What a screen reader is told of without being asked: <output> is a live region, too; a timer none.
LISTEN = """
window.told = [];
const watch = new MutationObserver((changes) => changes.forEach(({ target }) => {
	const place = (target.nodeType === 1 ? target : target.parentElement)?.closest('output, [role=status], [role=alert], [aria-live]');
	if (place && !['alarm', 'notice', 'tile-health'].includes(place.id)) // trouble, which a busy machine may have
		told.push(`${place.id}: ${place.textContent}`);
}));
watch.observe(document.body, { subtree: true, childList: true, characterData: true });
"""


@pytest.fixture
def shop(serve):
    return serve()


def has_focus(view):
    return view.run("return document.activeElement.id || document.activeElement.dataset.order || document.activeElement.tagName")


def find_order(view, order):
    type_into(view, "#find-what", order)
    view.click("#find button")
    view.await_text("#orders tbody", order)


def test_figures_that_change_every_second_are_not_read_out(shop, window):
    shop.make_sale("drop", 50, hold_seconds=600)
    view = console(shop, window)
    view.click("#audit")
    view.await_text("#verdict", "Kept: P1 to P4 hold")
    view.await_text("#health", "all parts are up")
    view.run(LISTEN)
    for left in (49, 48):
        age = view.text("#verdict-age")
        assert shop.buy("drop", f"b{left}").status == 202
        view.await_text("#left", str(left))
        wait_until(lambda: view.text("#verdict-age") not in ("", age), 20, "the audit getting older")
    assert view.run("return told") == []
    assert shop.operate("POST", "/v1/sales/drop/pause").status == 200
    wait_until(lambda: view.run("return told") == ["sale-state: paused"], 20, "what is to be told")

    view.open(f"{shop.operator}/engine")
    wait_until(lambda: view.all("#tile-promises.good") and view.all("#tile-health.good"), 60, "the tiles")
    drawn = "return document.getElementById('text-lanes').textContent && document.querySelector('#chart-lanes .u-value').textContent"
    view.run(LISTEN)
    for _ in range(2):
        time = view.run(drawn)
        wait_until(lambda: view.run(drawn) != time, 20, "another point")
    assert view.run("return told") == []


def test_what_somebody_marks_stays_marked(shop, window):
    shop.make_sale("drop", lots={"AJ1-41": 9, "AJ1-42": 9})
    view = console(shop, window)
    wait_until(lambda: view.all("#log tbody tr"), 60, "the log")
    asked = "return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/v1/log')).length"
    marked = "return getSelection().toString().trim()"
    for place, text in (("#log tbody th", "sale.open"), ('#lots tr[data-sku="AJ1-42"] td.number', "9")):
        view.run("getSelection().selectAllChildren(document.querySelector(arguments[0]))", place)
        before, left = view.run(asked), int(view.text("#left"))
        assert shop.buy("drop", f"b{left}", body={"sku": "AJ1-41"}).status == 202
        view.await_text("#left", str(left - 1))
        wait_until(lambda: view.run(asked) >= before + 2, 60, "the log being read again")
        assert view.run(marked) == text


def test_the_keyboard_keeps_its_place_where_it_has_acted(shop, window):
    shop.make_sale("drop", 5, hold_seconds=600)
    order = shop.buy("drop", "anna").json["id"]
    view = console(shop, window)
    view.run("document.querySelector('[data-move=\"pause\"]').focus()")
    view.driver.switch_to.active_element.send_keys(ENTER)
    wait_until(lambda: state(shop) == "paused" and has_focus(view) == "sale-name", 30, "the sale's name having the keyboard")
    view.driver.switch_to.active_element.send_keys(TAB)
    view.driver.switch_to.active_element.send_keys(ENTER)  # the first that there is now: resume
    wait_until(lambda: state(shop) == "open", 30, "the sale going on")

    find_order(view, order)
    for act in ("extend", "confirm"):
        view.run("document.querySelector(`[data-act=${arguments[0]}]`).focus()", act)
        view.driver.switch_to.active_element.send_keys(ENTER)
        view.await_text("#found", {"extend": "is held now", "confirm": "is confirmed now"}[act])
        wait_until(lambda: view.run("return document.activeElement.closest('tr')?.dataset.order") == order, 20, "the order having the keyboard")
    view.driver.switch_to.active_element.send_keys(TAB)
    assert view.driver.switch_to.active_element.text == "Refund …"

    view.run("document.getElementById('audit').focus()")
    view.driver.switch_to.active_element.send_keys(ENTER)
    view.await_text("#verdict", "Kept")
    wait_until(lambda: has_focus(view) == "audit", 20, "the button having the keyboard again")


def test_what_a_form_got_wrong_is_marked(shop, window):
    shop.make_sale("drop", 5, state="draft")
    view = console(shop, window)
    view.click("#make")
    for name, text in (("id", "drop"), ("lots", "none=1"), ("price", "12 Euro")):
        type_into(view, f"#edit-{name}", text)
    for (name, text), told, wrong in (
        (("currency", "EUR"), '"12 Euro" is no price', "edit-price"),
        (("price", "12"), "There is a sale drop already.", "edit-id"),
        (("id", "air"), "There is no item none", "edit-lots"),
        (("lots", "drop-item=1"), "on hand", "edit-lots"),
        (("seconds", "99999999"), "rate.seconds must be", "edit-requests"),
    ):
        type_into(view, f"#edit-{name}", text)
        view.click("#editor-save")
        view.await_text("#editor-wrong", told)
        wait_until(lambda: has_focus(view) == "editor-save", 20, "the button having the keyboard again")
        assert [each.get_attribute("id") for each in view.all("[aria-invalid]")] == [wrong]
    assert serious(view) == []
    for name in ("price", "currency"):
        view.find(f"#edit-{name}").clear()
        view.click("#editor-save")
        wait_until(lambda: has_focus(view) == f"edit-{name}", 20, "the browser saying that a sale has a price")
        type_into(view, f"#edit-{name}", {"price": "12", "currency": "EUR"}[name])


def test_usual_names_leave_a_table_as_wide_as_the_page(shop, window):
    shop.make_sale("air-1-drop-2027", lots={"AIR-1-42.5": 5}, hold_seconds=600)
    order = shop.buy("air-1-drop-2027", "anna.meier", body={"sku": "AIR-1-42.5"}).json["id"]
    view = console(shop, window)
    find_order(view, order)
    assert view.run("const box = document.getElementById('orders-scroll'); return box.scrollWidth - box.clientWidth") <= 0
    lines = (
        "return [...document.querySelectorAll('#lots tbody th, #orders [data-title=SKU], #orders [data-title=Buyer]')].map((each) => { "
        "const range = document.createRange(); range.selectNodeContents(each); return range.getClientRects().length; })"
    )
    assert view.run(lines) == [1, 1, 1], "no name is broken"


@pytest.mark.parametrize("size", [browsers.DESK, browsers.PHONE])
def test_names_as_long_as_they_may_be_hide_nothing(shop, window, size):
    sale, skus = "a" * 64, ["B" * 63 + figure for figure in "12"]
    shop.make_sale(sale, lots=dict.fromkeys(skus, 5), name="N" * 200, hold_seconds=600)
    order = shop.buy(sale, "c" * 128, body={"sku": skus[0]}).json["id"]
    view = console(shop, window, size=size)
    find_order(view, order)
    wait_until(lambda: view.all("#log tbody tr"), 60, "the log")
    assert view.too_wide() <= 0 and out_of_sight(view) == []
    cut = "return [...document.querySelectorAll('main td, main tbody th, h2, dialog[open] form')].filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.outerHTML)"
    assert view.run(cut) == []
    for button, dialog in (('[data-act="cancel"]', "back"), ('[data-move="end"]', "sure")):
        view.click(button)
        assert view.run(cut) == [] and view.too_wide() <= 0
        view.click(f'#{dialog} button[value="no"]')


def test_an_empty_log_says_so(shop, window):
    shop.make_sale("drop", 5)
    view = console(shop, window)
    wait_until(lambda: view.all("#log tbody tr"), 60, "the log")
    assert not view.find("#log-none").is_displayed()
    view.find('#log-kind option[value="payments"]').click()
    view.await_text("#log-none", "Nothing yet.")


def test_units_that_come_back_are_no_forecast_of_the_end(shop, window):
    shop.make_sale("drop", 20, hold_seconds=10, limit_per_buyer=20)
    view = console(shop, window)
    view.await_text("#left", "20")
    unpaid, paid = (shop.buy("drop", buyer, body={"quantity": units}).json["id"] for buyer, units in (("anna", 12), ("bert", 3)))
    assert shop.operate("POST", f"/v1/orders/{paid}/confirm").status == 200
    await_expiry(shop, unpaid)
    view.await_text("#left", "17")
    assert view.text("#forecast") == ""


def test_a_server_that_hangs_is_told_of_in_a_tab_that_nobody_looks_at(shop, window):
    shop.make_sale("drop", 5)
    view = console(shop, window, script="Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });")
    view.await_text("#health", "all parts are up")
    os.kill(shop.process.pid, signal.SIGSTOP)
    try:
        view.click('[data-move="pause"]')
        view.await_text("#notice", "No answer yet.")
        view.await_text("#alarm", "The server does not answer")
    finally:
        os.kill(shop.process.pid, signal.SIGCONT)
    wait_until(lambda: state(shop) == "paused", 60, "the pause")
    wait_until(lambda: not view.find("#notice").is_displayed(), 60, "the end of the waiting")
    view.await_text("#sale-state", "paused")
    paused = [row for row in shop.operate("GET", "/v1/log").json["rows"] if row["action"] == "sale.pause"]
    assert len(paused) == 1 and request(shop.operator, "GET", "/livez").status == 200
