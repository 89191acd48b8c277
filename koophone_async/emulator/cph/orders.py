"""Orders, as all that costs money writes them down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from koophone_async.emulator.cph.state import Bought
from koophone_async.emulator.steps import pay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from koophone_async.emulator.cph.project import Site
    from koophone_async.operation import AnyOperation

PRICE: Final = 10.0
"""Of a server's core for a month, in an invented currency."""

DISK: Final = 0.5
"""Of a GB of disk."""


def place(  # noqa: PLR0913 - what an order is
    site: Site,
    operation: AnyOperation,
    resources: Iterable[str],
    product: str,
    cost: float,
    *,
    paid: bool,
    step: str | None = None,
    **details: Any,  # noqa: ANN401 - JSON
) -> Bought:
    """Write down an order, and pay for it if that is wanted.

    Args:
        site: Where.
        operation: By what it was ordered.
        resources: The servers or phones that it is about.
        product: What was bought.
        cost: What it costs.
        paid: Whether it is paid at once.
        step: What happens to each server after a while once it is paid.
        details: What the step needs to know.
    """
    order = Bought(
        f"CS{site.world.hex(8).upper()}", operation.name, list(resources), product, cost,
        details={"step": step, "with": details},
    )  # fmt: skip
    site.estate.orders[order.id] = order
    if paid:
        pay(site.world, order)
    return order
