"""
The page of examples/storefront in a real browser, served from another origin, against the real
program.
"""

import time
from urllib.parse import urlencode

import pytest

import browser as browsers
from penstock import ROOT, buyer_token, rfc3339, wait_until

pytestmark = pytest.mark.skipif(browsers.ABSENT, reason="chromium and chromium-driver are not installed")
PICTURES = ROOT / "build/pictures"


@pytest.fixture(scope="module")
def origin():
    with browsers.another_origin(ROOT / "examples/storefront") as origin:
        yield origin


@pytest.fixture
def shop(serve, origin):
    return serve({"gate.origins": origin})


def page(origin, shop, buyer="anna", sale="drop"):
    return f"{origin}/#" + urlencode({"api": shop.public, "sale": sale, **({"token": buyer_token(buyer)} if buyer else {})})


def seconds(clock):
    """Of "2 d 1:02:03"."""
    days, _, rest = clock.rpartition(" d ")
    total = int(days or 0) * 24
    for part in (("0:" if rest.count(":") < 2 else "") + rest).split(":"):
        total = total * 60 + int(part)
    return total - int(days or 0) * 24 * 3600 + int(days or 0) * 86400


def test_a_buyer_buys_gives_back_buys_again_and_pays(shop, origin, window):
    shop.make_sale("drop", 3, limit_per_buyer=1, hold_seconds=600, price={"amount": 17900, "currency": "EUR"})
    view = window(size=browsers.PHONE)
    view.open(page(origin, shop))
    view.await_text("#name", "drop")
    view.await_text("#price", "€179.00")
    assert "token" not in view.driver.current_url, "whoever copies the address must not hand out the token"

    view.click("#button")
    view.await_text(".order h2", "Yours until you pay")
    wait_until(lambda: view.text(".order .clock"), 20, "the hold's countdown")
    assert 500 < seconds(view.text(".order .clock")) <= 600
    assert view.too_wide() <= 0
    view.picture(PICTURES / "storefront-held-phone.png")
    view.click(".order .cancel")
    view.await_text(".order h2", "Cancelled")

    view.click("#button")
    wait_until(lambda: [each.text for each in view.all(".order h2")] == ["Yours until you pay", "Cancelled"], 20, "a second order")
    orders = shop.operate("GET", "/v1/orders?sale=drop&state=held").json["orders"]
    assert shop.operate("POST", f"/v1/orders/{orders[0]['id']}/confirm").status == 200
    view.await_text(".order h2", "Paid")

    view.click("#button")
    view.await_text("#message", "as many as one person may have")
    assert view.hosts() <= {origin, shop.public}


def test_an_order_that_has_given_units_back_says_how_many_are_left(shop, origin, window):
    shop.make_sale("drop", 3, limit_per_buyer=3, hold_seconds=600)
    order = shop.buy("drop", "anna", body={"quantity": 3}).json["id"]
    view = window(size=browsers.PHONE)
    view.open(page(origin, shop))
    view.await_text(".order .what", "3 × drop-item.")
    answer = shop.operate("POST", f"/v1/orders/{order}/cancel", {"quantity": 1}, headers={"Idempotency-Key": "k"})
    assert answer.status == 200, answer.body
    view.await_text(".order .what", "2 × drop-item, of 3.")
    assert view.text(".order h2") == "Yours until you pay"


def test_the_countdown_goes_by_the_servers_clock(shop, origin, window):
    """The browser's is an hour ahead: by that the sale would be open long ago."""
    shop.make_sale("drop", 3, state="armed", opens_at=rfc3339(time.time() + 1800))
    view = window(size=browsers.PHONE, dark=True, script="{const real = Date.now; Date.now = () => real() + 3600e3;}")
    view.open(page(origin, shop))
    wait_until(lambda: view.text("#countdown-clock"), 20, "a countdown")
    assert 29 * 60 < seconds(view.text("#countdown-clock")) <= 30 * 60
    assert not view.find("#button").is_enabled()
    assert view.too_wide() <= 0
    view.picture(PICTURES / "storefront-coming-phone-dark.png")

    assert shop.operate("POST", "/v1/sales/drop/open").status == 200
    view.click("#button")
    view.await_text("#message", "It is yours.")


def test_a_server_that_dies_meanwhile_is_asked_again_and_sells_once(serve, origin, window):
    """
    The purchase is pressed while nobody is there; the page is even loaded anew before the server
    is.
    """
    shop = serve({"gate.origins": origin})
    shop.make_sale("drop", 5, limit_per_buyer=3)
    shop.keep_ports()
    view = window()
    view.open(page(origin, shop))
    view.await_text("#message", "It is open.")
    shop.kill()
    view.click("#button")
    view.await_text("#message", "asks again by itself")
    view.driver.refresh()
    view.await_text("#message", "asks again by itself")
    shop.restart()
    view.await_text(".order h2", "Yours until you pay")
    assert len(shop.operate("GET", "/v1/orders?sale=drop").json["orders"]) == 1


def test_each_refusal_is_told_in_plain_words(shop, origin, window):
    shop.make_sale("drop", 1, limit_per_buyer=1, hold_seconds=0)
    shop.make_sale("paused", 1)
    shop.make_sale("sizes", lots={"S-41": 1, "S-42": 5}, limit_per_buyer=1)
    view = window()
    view.open(page(origin, shop, buyer=None))
    view.await_text("#login h2", "Who are you?")
    view.find("#token").send_keys("nonsense")
    view.click("#login-form button")
    view.await_text("#message", "Your login has run out")
    view.run("setToken(arguments[0])", buyer_token("anna"))
    view.await_text("#message", "It is open.")
    view.run("token = 'nonsense'")  # it runs out while the page is open
    view.click("#button")
    view.await_text("#message", "Your login has run out")
    view.find("#token").send_keys(buyer_token("anna"))
    view.click("#login-form button")
    view.await_text(".order h2", "Paid")  # the same purchase, with the token that is good

    view.open(page(origin, shop, buyer="berta"))
    view.await_text("#message", "Sold out.")
    assert not view.find("#button").is_enabled()

    view.open(page(origin, shop, buyer="berta", sale="paused"))
    view.await_text("#message", "It is open.")
    assert shop.operate("POST", "/v1/sales/paused/pause").status == 200
    view.await_text("#message", "paused")
    assert shop.operate("POST", "/v1/sales/paused/resume").status == 200
    view.click("#button")
    view.await_text(".order h2", "Yours until you pay")
    assert shop.operate("POST", "/v1/sales/paused/end").status == 200
    view.await_text("#message", "over")

    assert shop.buy("sizes", "carl", body={"sku": "S-41"}).status == 202
    view.open(page(origin, shop, buyer="berta", sale="sizes"))
    wait_until(lambda: view.all("label.gone"), 20, "a size that is gone")
    view.picture(PICTURES / "storefront-sizes.png")
    view.click("label.lot:not(.gone)")
    view.click("#button")
    view.await_text(".order .what", "1 × S-42")

    view.open(page(origin, shop, buyer="berta", sale="none"))
    view.await_text("#message", "There is no such sale here.")


def test_the_keyboard_alone_is_enough(shop, origin, window):
    shop.make_sale("sizes", lots={"S-41": 5, "S-42": 5, "S-43": 1}, limit_per_buyer=1)
    view = window()
    view.open(page(origin, shop, sale="sizes"))
    view.await_text("#message", "It is open.")
    body = view.find("body")
    body.send_keys("\ue004")  # Tab: into the sizes
    view.driver.switch_to.active_element.send_keys(" ")
    view.driver.switch_to.active_element.send_keys("\ue015")  # down: the next one
    assert shop.buy("sizes", "berta", body={"sku": "S-43"}).status == 202
    wait_until(lambda: view.all("label.gone"), 20, "a size that is gone")
    assert view.driver.switch_to.active_element.get_attribute("value") == "S-42", "what others buy must not take the keyboard's place"
    view.driver.switch_to.active_element.send_keys("\ue007")  # Enter: buy
    view.await_text(".order .what", "1 × S-42")
    place = "return document.activeElement.id || document.activeElement.textContent"
    view.driver.switch_to.active_element.send_keys("\ue004")  # Tab: to the button
    view.driver.switch_to.active_element.send_keys("\ue007")  # Enter: another one
    view.await_text("#message", "as many as one person may have")
    wait_until(lambda: view.run(place) == "button", 20, "the button having the keyboard again")
    view.driver.switch_to.active_element.send_keys("\ue004")  # Tab: to the order
    view.driver.switch_to.active_element.send_keys("\ue007")  # Enter: cancel it
    wait_until(lambda: view.run(place) == "Cancelled", 60, "the order having the keyboard, whose button is gone")


def test_an_order_that_has_not_changed_is_not_read_out_again(shop, origin, window):
    shop.make_sale("drop", 5, hold_seconds=600)
    assert shop.buy("drop", "anna").status == 202
    view = window()
    view.open(page(origin, shop))
    view.await_text(".order h2", "Yours until you pay")
    view.run(
        "window.heard = []; new MutationObserver((changes) => changes.forEach(({ target }) => { "
        "if (!(target.nodeType === 1 ? target : target.parentElement).closest('[role=timer]')) heard.push(target.textContent); "
        "})).observe(document.getElementById('orders'), { subtree: true, childList: true, characterData: true })"
    )
    asked = "return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/v1/orders/')).length"
    before = view.run(asked)
    wait_until(lambda: view.run(asked) >= before + 3, 60, "the order being asked for again")
    assert view.run("return heard") == []
