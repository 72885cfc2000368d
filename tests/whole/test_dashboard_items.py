"""The operator's console: the warehouse, from the first item to a sale of it."""

import pytest

import browser as browsers
from console import PICTURES, log_in, out_of_sight, serious, type_into
from penstock import OPERATOR_TOKEN, run, wait_until

pytestmark = pytest.mark.skipif(browsers.ABSENT, reason="chromium and chromium-driver are not installed")


@pytest.fixture
def shop(serve):
    return serve()


def warehouse(shop, window, token=OPERATOR_TOKEN, **options):
    view = log_in(shop, window, token, **options)
    view.await_text("#items-title", "Items")
    return view


def make_item(shop, sku, on_hand):
    assert shop.operate("POST", "/v1/items", {"sku": sku, "name": sku, "on_hand": on_hand}).status == 201


def on_hand(shop, sku):
    return shop.operate("GET", f"/v1/items/{sku}").json["on_hand"]


@pytest.mark.parametrize("size, dark", [(browsers.DESK, False), (browsers.PHONE, True)])
def test_the_first_item_is_made_received_and_sold(shop, window, size, dark):
    view = warehouse(shop, window, size=size, dark=dark)
    view.await_text("#none", "There is no sale yet.")
    view.click("#item-make")
    type_into(view, "#item-sku", "AJ 1")
    type_into(view, "#item-units", "40")
    view.click("#item-save")
    view.await_text("#item-wrong", "sku must be")
    type_into(view, "#item-sku", "AJ1")
    assert serious(view) == []
    view.click("#item-save")
    view.await_text("#items-told", "The item AJ1 was made.")
    assert shop.operate("GET", "/v1/items/AJ1").json == {"sku": "AJ1", "name": "AJ1", "on_hand": 40}

    view.find('#items tr[data-sku="AJ1"] input').send_keys("2")
    view.click('#items tr[data-sku="AJ1"] button')
    view.await_text("#items-told", "2 units of AJ1 came in: 42 are on hand.")
    view.await_text('#items [data-title="On hand"]', "42")
    assert on_hand(shop, "AJ1") == 42
    assert serious(view) == [] and view.too_wide() <= 0 and out_of_sight(view) == []
    view.picture(PICTURES / f"console-items-{'phone' if size == browsers.PHONE else 'desk'}.png")

    view.click("#item-make")
    type_into(view, "#item-sku", "AJ1")
    type_into(view, "#item-units", "1")
    view.click("#item-save")
    view.await_text("#item-wrong", "There is an item AJ1 already.")
    view.click("#item-cancel")

    view.click("#make")
    for name, text in (("id", "air"), ("lots", "AJ1=40"), ("price", "179")):
        type_into(view, f"#edit-{name}", text)
    view.click("#editor-save")
    view.await_text("#sale-name", "air")
    wait_until(lambda: "2" in view.text('#items [data-title="On hand"]').split(), 60, "what the sale has left of the item")


def test_an_item_is_found_and_what_is_typed_stays(shop, window):
    make_item(shop, "Z-1", 5)
    for i in range(100):
        make_item(shop, f"A-{i:03}", i)
    view = warehouse(shop, window)
    view.await_text("#items-more", "There are more: find one by its SKU.")
    assert len(view.all("#items tbody tr")) == 100
    view.find('#items tr[data-sku="A-000"] input').send_keys("7")
    assert shop.operate("POST", "/v1/items/A-000/receive", {"units": 3}).status == 200
    view.await_text('#items tr[data-sku="A-000"] .number', "3")
    assert view.find('#items tr[data-sku="A-000"] input').get_attribute("value") == "7"

    for sku, told in (("Z-9", "There is no item Z-9."), ("Z-1", "")):
        type_into(view, "#items-sku", sku)
        view.click("#items-find button.main")
        wait_until(lambda: view.text("#items-told") == told, 60, "the answer")
    wait_until(lambda: len(view.all("#items tbody tr")) == 1, 60, "the one that was looked for")
    view.await_text("#items tbody", "Z-1")
    assert not view.find("#items-more").is_displayed()
    view.find("#items-sku").clear()
    view.click("#items-find button.main")
    wait_until(lambda: len(view.all("#items tbody tr")) == 100, 60, "the first ones")


def test_who_may_only_read_is_offered_no_item(serve, window):
    words = run("token", "--operator", "reader", "--scopes", "read").stdout.split()
    shop = serve(environment={"PENSTOCK_OPERATOR_TOKENS": words[words.index("=") + 1]})
    make_item(shop, "AJ1", 5)
    view = warehouse(shop, window, token=words[words.index("token") + 1])
    view.await_text("#items tbody", "AJ1")
    assert [each.text for each in view.all("#items-section button") if each.is_displayed()] == ["Find"]
