"""The operator's console in a browser: what its tests share."""

from penstock import OPERATOR_TOKEN, ROOT, wait_until

PICTURES = ROOT / "build/pictures"
AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"


def log_in(shop, window, token=OPERATOR_TOKEN, **options):
    view = window(**options)
    view.open(f"{shop.operator}/dashboard")
    wait_until(lambda: view.find("#token").is_displayed(), 60, "the question for a token")
    view.find("#token").send_keys(token)
    view.click("#token-dialog button.main")
    return view


def console(shop, window, token=OPERATOR_TOKEN, **options):
    view = log_in(shop, window, token, **options)
    wait_until(lambda: view.text("#sale-name"), 60, "a sale")
    return view


def serious(view):
    """What axe finds that keeps somebody out."""
    view.run(AXE.read_text())
    found = view.driver.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run(document, {resultTypes: ['violations']}).then(done, (error) => done({violations: [{id: String(error), impact: 'serious', nodes: []}]}))"
    )
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"] if each["impact"] in ("serious", "critical")]


def out_of_sight(view):
    """What can be pressed or filled in, and is beside its table or the page."""
    return view.run(
        "return [...document.querySelectorAll('main :is(button, input, select)')].filter((each) => { "
        "const room = (each.closest('.scroll') ?? document.documentElement).getBoundingClientRect(), box = each.getBoundingClientRect(); "
        "return box.width > 0 && (box.left < room.left || box.right > room.right); }).map((each) => each.outerHTML)"
    )


def seen(view, selector):
    """The ids of those in sight, or what they say."""
    return {each.get_attribute("id") or each.text for each in view.all(selector) if each.is_displayed()}


def state(shop, sale="drop"):
    return shop.sale(sale)["state"]


def type_into(view, selector, text):
    field = view.find(selector)
    wait_until(field.is_displayed, 60, f"{selector} in sight")
    field.clear()
    field.send_keys(text)
