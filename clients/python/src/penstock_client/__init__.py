"""A client of Penstock, over what openapi-python-client makes of the server's own documents.

`Shop.buy()` makes one key for one purchase and sends the same request again until it has an end
that is known: after no answer, after an answer that says that the outcome is unknown, and wherever
the server says when to ask again (`Retry-After`). Each refusal is an exception of its own
(`SoldOut`, `BuyerLimitReached`, ...), all of them `Refused`. What is not known is never called
refused: where the time is over, or the login has run out in between, it raises `OutcomeUnknown`,
which has the key to go on with.

`penstock_client.public` and `penstock_client.operator` have every other operation of the two
listeners.
"""

from __future__ import annotations

import datetime
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import httpx

from .operator import AuthenticatedClient as OperatorClient
from .public import AuthenticatedClient as PublicClient
from .public.api.purchase import buy as buy_operation
from .public.api.purchase import own_orders
from .public.models.metadata import Metadata
from .public.models.order import Order
from .public.models.order_request import OrderRequest
from .public.models.problem import Problem
from .public.models.problem_code import ProblemCode as Code
from .public.models.problem_state import ProblemState as State
from .public.types import UNSET

__all__ = ["Bought", "Code", "OperatorClient", "Order", "OutcomeUnknown", "PublicClient", "Refused", "Shop", "UnexpectedAnswer"]


class PenstockError(Exception):
    """Whatever buy() raises."""


class UnexpectedAnswer(PenstockError):
    """An answer of 4xx that is no problem of a Penstock server: a proxy's."""

    def __init__(self, status: int, body: bytes):
        super().__init__(f"the answer {status} is none that a Penstock server gives")
        self.status, self.body = status, body


class Refused(PenstockError):
    """Nothing was bought. A code that this version does not know (`code`) is this class itself."""

    types: ClassVar[dict[str, type[Refused]]] = {}

    def __init_subclass__(cls, code: Code):
        Refused.types[code.value] = cls

    def __init__(self, problem: dict[str, Any], key: str, wait: float | None = None):
        super().__init__(f"{problem['code']}: {problem.get('detail', '')}")
        self.code, self.status, self.key, self.wait = str(problem["code"]), int(problem["status"]), key, wait
        self.members = problem

    @property
    def problem(self) -> Problem:
        return Problem.from_dict(self.members)


class MalformedRequest(Refused, code=Code.MALFORMED_REQUEST): ...
class LengthRequired(Refused, code=Code.LENGTH_REQUIRED): ...
class BodyTooLarge(Refused, code=Code.BODY_TOO_LARGE): ...
class HeadersTooLarge(Refused, code=Code.HEADERS_TOO_LARGE): ...
class HttpVersion(Refused, code=Code.HTTP_VERSION): ...
class TransferEncoding(Refused, code=Code.TRANSFER_ENCODING): ...
class Expectation(Refused, code=Code.EXPECTATION): ...
class RequestTimeout(Refused, code=Code.REQUEST_TIMEOUT): ...
class UnsupportedMediaType(Refused, code=Code.UNSUPPORTED_MEDIA_TYPE): ...
class IdempotencyKeyReused(Refused, code=Code.IDEMPOTENCY_KEY_REUSED): ...
class Unauthorized(Refused, code=Code.UNAUTHORIZED): ...
class NotFound(Refused, code=Code.NOT_FOUND): ...
class UnknownSale(Refused, code=Code.UNKNOWN_SALE): ...
class UnknownOrder(Refused, code=Code.UNKNOWN_ORDER): ...
class MethodNotAllowed(Refused, code=Code.METHOD_NOT_ALLOWED): ...
class RequestInFlight(Refused, code=Code.REQUEST_IN_FLIGHT): ...
class HoldExpired(Refused, code=Code.HOLD_EXPIRED): ...
class OrderState(Refused, code=Code.ORDER_STATE): ...
class SaleEnded(Refused, code=Code.SALE_ENDED): ...
class RateLimited(Refused, code=Code.RATE_LIMITED): ...
class AddressRateLimited(Refused, code=Code.ADDRESS_RATE_LIMITED): ...
class Overloaded(Refused, code=Code.OVERLOADED): ...
class Fenced(Refused, code=Code.FENCED): ...
class JournalUnavailable(Refused, code=Code.JOURNAL_UNAVAILABLE): ...
class StockUnavailable(Refused, code=Code.STOCK_UNAVAILABLE): ...
class LedgerUnavailable(Refused, code=Code.LEDGER_UNAVAILABLE): ...
class ShuttingDown(Refused, code=Code.SHUTTING_DOWN): ...
class UnknownSoFar(Refused, code=Code.OUTCOME_UNKNOWN): ...  # never raised: buy() asks again, or raises OutcomeUnknown


class InvalidValue(Refused, code=Code.INVALID_VALUE):
    @property
    def field(self) -> str:
        return str(self.members["field"])


class UnknownField(Refused, code=Code.UNKNOWN_FIELD):
    @property
    def field(self) -> str:
        return str(self.members["field"])


class SoldOut(Refused, code=Code.SOLD_OUT):
    @property
    def may_return(self) -> bool:
        """Holds may still run out and give units back."""
        return bool(self.members["may_return"])


class BuyerLimitReached(Refused, code=Code.BUYER_LIMIT_REACHED):
    @property
    def orders(self) -> list[uuid.UUID]:
        """The buyer's newest live orders, newest first."""
        return [uuid.UUID(order) for order in self.members["orders"]]


class SaleNotOpen(Refused, code=Code.SALE_NOT_OPEN):
    @property
    def state(self) -> State:
        return State(self.members["state"])

    @property
    def opens_at(self) -> datetime.datetime | None:
        return cast("datetime.datetime | None", self.problem.opens_at)


class OutcomeUnknown(PenstockError):
    """
    The purchase may have been done. Buying again with the same key, and all else as it was, finds
    out, and never buys twice.
    """

    def __init__(self, key: str, last: Refused | None):
        """`last`: the last refusal, where one came: Unauthorized asks for a new token."""
        super().__init__(f"it is not known whether the purchase was done{f' ({last.code})' if last else ''}: buy again with its key")
        self.key, self.last = key, last


@dataclass(frozen=True)
class Bought:
    order: Order
    replayed: bool
    key: str


class Shop:
    """
    The public listener at `url`. `token` may be what gives one: it is asked before each request, so
    a token that is renewed is taken.
    """

    def __init__(self, url: str, token: str | Callable[[], str], timeout: float = 15.0):
        self.url, self.timeout = url.rstrip("/"), timeout
        self._token = token if callable(token) else lambda: token
        self._http = httpx.Client(base_url=self.url, timeout=timeout)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Shop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def client(self) -> PublicClient:
        """For every other operation of penstock_client.public.api, with the token of now."""
        return PublicClient(base_url=self.url, token=self._token(), timeout=httpx.Timeout(self.timeout))

    def buy(
        self,
        sale: str,
        sku: str | None = None,
        quantity: int = 1,
        *,
        reference: str | None = None,
        metadata: dict[str, str] | None = None,
        key: str | None = None,
        patience: float = 60.0,
        on_wait: Callable[[float, Refused | None], object] = lambda _wait, _refusal: None,
    ) -> Bought:
        """Buys, or raises. `reference` and `metadata`: what the shop calls it, and pairs of its
        own, kept with the order. `key`: of a purchase that was begun before; keep it where a crash
        leaves it, and all else as it was. `patience`: for how many seconds to go on asking; 0: the
        first answer, whatever it is. `on_wait` is told of each wait, and of the refusal, or None:
        no answer came.
        """
        key = key or uuid.uuid4().hex
        body = OrderRequest(
            quantity=quantity,
            sku=UNSET if sku is None else sku,
            reference=UNSET if reference is None else reference,
            metadata=UNSET if metadata is None else Metadata.from_dict(metadata),
        )
        end = time.monotonic() + patience
        unknown = False  # whether an attempt may have been done
        attempt = 0
        while True:
            try:
                answer = self._attempt(sale, body, key)
            except UnexpectedAnswer as error:
                if unknown:
                    raise OutcomeUnknown(key, None) from error
                raise
            if isinstance(answer, Bought):
                return answer
            unknown = unknown or answer is None or isinstance(answer, (UnknownSoFar, RequestInFlight))
            wait = _wait_for(answer, attempt)
            if wait is None or time.monotonic() + wait > end:
                if answer and not (unknown and (wait is not None or not self._concerns(answer, sale))):
                    raise answer
                raise OutcomeUnknown(key, answer)
            on_wait(wait, answer)
            time.sleep(wait)
            attempt += 1

    def _ask(self, arguments: dict[str, Any]) -> httpx.Response | None:
        arguments["headers"] = {**arguments.get("headers", {}), "Authorization": f"Bearer {self._token()}"}
        try:
            return self._http.request(**arguments)
        except (httpx.TransportError, httpx.DecodingError):
            return None

    def _attempt(self, sale: str, body: OrderRequest, key: str) -> Bought | Refused | None:
        """None: no answer, or one that tells nothing."""
        response = self._ask(buy_operation._get_kwargs(sale, body=body, idempotency_key=key))
        if response is None:
            return None
        try:
            told = response.json()
            if response.status_code == 202:
                return Bought(Order.from_dict(told), response.headers.get("Idempotent-Replayed") == "true", key)
            if isinstance(told, dict) and str(told.get("type")).startswith("urn:penstock:problem:"):
                after = response.headers.get("Retry-After", "")
                return Refused.types.get(told["code"], Refused)(told, key, float(after) if after.isdecimal() else None)
        except (ValueError, KeyError, TypeError):
            pass
        if 400 <= response.status_code < 500:
            raise UnexpectedAnswer(response.status_code, response.content)
        return None

    def _concerns(self, refusal: Refused, sale: str) -> bool:
        """Whether a refusal, after an attempt that may have been done, is about this purchase. What
        is public is told to a token that has lapsed as well, and says nothing then; a list of the
        buyer's own orders shows whether it has."""
        if isinstance(refusal, (Unauthorized, AddressRateLimited)):
            return False
        if not isinstance(refusal, (SoldOut, SaleEnded, SaleNotOpen)):
            return True
        response = self._ask(own_orders._get_kwargs(sale))
        return response is not None and response.is_success


def _wait_for(refusal: Refused | None, attempt: int) -> float | None:
    """With a little more, so that not all ask at once; None: asking again does not help."""
    told = refusal.wait if refusal else None
    if refusal and told is None and refusal.status != 503 and not isinstance(refusal, RequestTimeout):
        return None
    return (told or min(0.25 * 2**attempt, 8.0)) * random.uniform(1.0, 1.25)
