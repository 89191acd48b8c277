"""Orders of both services: placing and paying them."""

from __future__ import annotations

from koophone_async.emulator.jobs.engine import Effect, Jobs
from koophone_async.emulator.world import Order


def place(jobs: Jobs, order: Order, effect: Effect | None = None, *, paid: bool) -> None:
    """Place an order. The effect is applied to its phones or servers a while after it is paid."""
    jobs.world.orders[order.id] = order
    if effect is not None:
        for id_ in order.resources:
            phone, server = (None, id_) if id_ in jobs.world.cph.servers.by_id else (id_, None)
            jobs.start_hidden(effect, phone=phone, server=server, after=order.id)
    if paid:
        pay(jobs, order.id)


def pay(jobs: Jobs, id_: str) -> None:
    """Pay for an order.

    Raises:
        KeyError: There is no such order.
    """
    order, servers = jobs.world.orders[id_], jobs.world.cph.servers.by_id
    if order.paid:
        return
    order.paid = True
    for server in order.resources:
        if server in servers:
            servers[server].is_ordered = False
    jobs.complete(id_)
