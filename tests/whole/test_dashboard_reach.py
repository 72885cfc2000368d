"""
The operator's console for who cannot see it, has no mouse, has names as long as they may be, or a
server that does not answer.
"""

import pytest

import browser as browsers
from console import console, serious, type_into
from penstock import wait_until

pytestmark = pytest.mark.skipif(browsers.ABSENT, reason="chromium and chromium-driver are not installed")


@pytest.fixture
def shop(serve):
    return serve()


def has_focus(view):
    return view.run("return document.activeElement.id || document.activeElement.dataset.order || document.activeElement.tagName")


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
        assert has_focus(view) == f"edit-{name}", "a sale has a price: the browser says so"
        type_into(view, f"#edit-{name}", {"price": "12", "currency": "EUR"}[name])
