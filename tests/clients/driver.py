"""
What tests/clients does with the Python package, as its user: driver.py WHAT '{...}' prints one line
of JSON.
"""

import json
import sys
from typing import Any
from uuid import UUID

from penstock_client import BuyerLimitReached, InvalidValue, OperatorClient, OutcomeUnknown, Refused, SaleNotOpen, Shop, SoldOut, UnexpectedAnswer, UnknownField
from penstock_client.operator.api.orders import cancel_order, confirm_order, get_order, list_orders
from penstock_client.operator.models import Order as OperatorOrder
from penstock_client.operator.models import Cancellation, CancellationUnits, OrderPage, OrderState, Problem
from penstock_client.public.api.purchase import buy as buy_operation
from penstock_client.public.models import Order, OrderRequest


def brought(refusal: Refused) -> object:
    """What goes with a refusal is known by its class."""
    match refusal:
        case SoldOut():
            return refusal.may_return
        case BuyerLimitReached():
            return [str(order) for order in refusal.orders]
        case SaleNotOpen():
            return refusal.state.value
        case InvalidValue() | UnknownField():
            return refusal.field
    return None


def buy(options: dict[str, Any]) -> dict[str, Any]:
    waits: list[tuple[float, str | None]] = []

    def on_wait(wait: float, refusal: Refused | None) -> None:
        waits.append((wait, refusal.code if refusal else None))

    arguments = {name: options[name] for name in ("sku", "quantity", "reference", "metadata", "key", "patience") if name in options}
    with Shop(options["url"], token=lambda: str(options["token"]), timeout=5) as shop:
        try:
            bought = shop.buy(options["sale"], on_wait=on_wait, **arguments)
            told = {"bought": str(bought.order.id), "replayed": bought.replayed, "key": bought.key}
        except Refused as refusal:
            assert type(refusal) is Refused.types.get(refusal.code, Refused)
            told = {"refused": refusal.code, "brought": brought(refusal), "key": refusal.key}
        except OutcomeUnknown as unknown:
            told = {"unknown": unknown.last.code if unknown.last else None, "key": unknown.key}
        except UnexpectedAnswer as unexpected:
            told = {"unexpected": unexpected.status}
    return {**told, "waits": waits}


def day(options: dict[str, Any]) -> dict[str, Any]:
    """By the generated operations alone."""
    with Shop(options["url"], options["token"]) as shop:
        bought = buy_operation.sync(options["sale"], client=shop.client(), body=OrderRequest(quantity=2), idempotency_key="a day's")
    assert isinstance(bought, Order)
    operator = OperatorClient(base_url=options["operator"], token=options["operatorToken"])
    confirmed = confirm_order.sync(bought.id, client=operator)
    assert isinstance(confirmed, OperatorOrder)
    body = Cancellation(quantity=1, units=CancellationUnits.WAREHOUSE, reference="re_1")
    back = cancel_order.sync(bought.id, client=operator, body=body, idempotency_key="re_1")
    assert isinstance(back, OperatorOrder)
    listed = list_orders.sync(client=operator, sale=options["sale"], state=OrderState.CONFIRMED)
    assert isinstance(listed, OrderPage)
    absent = get_order.sync(UUID("01900000-0000-7000-8000-000000000001"), client=operator)
    assert isinstance(absent, Problem)
    return {
        "bought": str(bought.id),
        "confirmed": confirmed.state.value,
        "back": back.quantity,
        "listed": [[str(each.id), each.quantity] for each in listed.orders],
        "absent": absent.code.value,
    }


if __name__ == "__main__":
    print(json.dumps({"buy": buy, "day": day}[sys.argv[1]](json.loads(sys.argv[2]))))
