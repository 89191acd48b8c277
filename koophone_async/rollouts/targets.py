"""Resolve the selections of a plan to phones, in the order in which they are reached."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.fleets import RESOURCES
from koophone_async.rollouts.journal import Target
from koophone_async.selection import parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from koophone_async.rollouts.clients import Clients
    from koophone_async.rollouts.fleets import Client, Resource
    from koophone_async.rollouts.plan import Order, Plan, Selection
    from koophone_async.services.cph.client import CloudPhone


async def resolve(plan: Plan, clients: Clients) -> list[Target]:
    """List the phones of all selections, each once, and put them into the order of the plan.

    Raises:
        InvalidRequest: An expression names a field that the list does not have, or an id that is to come
            first is not selected.
    """
    found: dict[tuple[int, str], Target] = {}
    for index, selection in enumerate(plan.selections):
        client = await clients.get(index)
        async for target in _select(selection, RESOURCES[plan.service][plan.resource], client):
            found.setdefault((index, target.id), evolve(target, selection=index))
    ordered = _in_order(list(found.values()), plan.order)
    return [evolve(target, position=position) for position, target in enumerate(ordered)]


async def _select(selection: Selection, resource: Resource, client: Client) -> AsyncIterator[Target]:
    if selection.ids is not None:
        for id in selection.ids:
            yield Target(0, id)
        return
    where, query = parse(selection.where) if selection.where is not None else None, resource.query.load()()
    if where is not None:
        query = where.pushed_down(resource.model.load(), query)
    items: AsyncIterator[Any] = getattr(client, resource.lister).list(query)
    tagged = None
    if selection.tag is not None:
        tags = {key: list(values) for key, values in selection.tag.items()}
        tagged = {item.id async for item in cast("CloudPhone", client).tags.find(tags)}
    async for item in where.filter(items) if where is not None else items:
        if tagged is None or item.id in tagged:
            yield Target(0, item.id, getattr(item, "region", None), getattr(item, "server", None))


def _in_order(targets: Sequence[Target], order: Order) -> Iterable[Target]:
    first = {id: place for place, id in enumerate(order.first)}
    if missing := first.keys() - {target.id for target in targets}:
        problem = f"has {min(missing)!r}, which is not selected"
        raise InvalidRequest("", "order.first", problem, Rule.NOT_A_CHOICE)
    canaries = sorted((t for t in targets if t.id in first), key=lambda target: first[target.id])
    rest = [target for target in targets if target.id not in first]
    if order.seed is not None:
        random.Random(order.seed).shuffle(rest)  # noqa: S311 - an order, not a secret
    return chain(canaries, rest if order.spread is None else _spread(rest, order.spread.value))


def _spread(targets: Iterable[Target], field: str) -> Iterable[Target]:
    """Take targets from servers or regions in turn."""
    queues: dict[object, deque[Target]] = defaultdict(deque)
    for target in targets:
        queues[target.selection, getattr(target, field)].append(target)
    turns = deque(queues.values())
    while turns:
        queue = turns.popleft()
        yield queue.popleft()
        if queue:
            turns.append(queue)
