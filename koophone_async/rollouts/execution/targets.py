"""Resolve the selections of a plan to phones, each once, in the order in which they are reached."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import define, field

from koophone_async.batches.chunks import id_and_region
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.id_files import load_ids
from koophone_async.rollouts.journal import Target
from koophone_async.rollouts.plans.fleets import RESOURCES
from koophone_async.rollouts.plans.order import Spread
from koophone_async.selection import parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from koophone_async.batches.chunks import Item
    from koophone_async.rollouts.execution.clients import Clients
    from koophone_async.rollouts.plans.fleets import Client, Resource
    from koophone_async.rollouts.plans.order import Order
    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.rollouts.plans.selections import Selection


class Place(NamedTuple):
    """Where a phone is, and in which state it was when it was listed; many phones share one."""

    selection: int
    region: str | None = None
    server: str | None = None
    state: str | None = None
    """Such as `running`; None if it was not listed."""


@define(eq=False)
class Targets:
    """The phones of a plan. Iterate over them for the targets, in the order in which they are reached."""

    ids: list[str] = field(factory=list[str], repr=False)
    places: list[Place] = field(factory=list[Place], repr=False)
    """Place of each id, at the same index."""

    duplicates: int = 0
    """How many times a phone was selected again."""

    _shared: dict[Place, Place] = field(factory=dict[Place, Place], repr=False)

    def __len__(self) -> int:
        """Return the number of phones."""
        return len(self.ids)

    def __iter__(self) -> Iterator[Target]:
        """Iterate over the targets, with positions from 0."""
        for position, (id, place) in enumerate(zip(self.ids, self.places, strict=True)):
            yield Target(position, id, place.region, place.server, place.selection)

    def count(self, attribute: str) -> Counter[str | None]:
        """Return the number of phones by `region`, `server` or `state`."""
        counts = Counter[str | None]()
        for place, count in Counter(self.places).items():
            counts[getattr(place, attribute)] += count
        return counts

    def add(self, id: str, place: Place, seen: set[str]) -> None:
        """Add a phone, unless it has been seen before."""
        if id in seen:
            self.duplicates += 1
            return
        seen.add(id)
        self.ids.append(id)
        self.places.append(self._shared.setdefault(place, place))

    def add_all(
        self, ids: Sequence[str], places: Mapping[str, Place], otherwise: Place, seen: set[str]
    ) -> None:
        """Add phones that have not been seen before, those without a place at another."""
        new = [id for id in dict.fromkeys(ids) if id not in seen]
        self.duplicates += len(ids) - len(new)
        seen.update(new)
        self.ids += new
        self.places += [places.get(id, otherwise) for id in new] if places else [otherwise] * len(new)

    def arranged(self, order: Order) -> Targets:
        """Return the phones in the order in which they are reached.

        Raises:
            InvalidRequest: An id that is to come first is not among them.
        """
        spread = "server" if order.spread is Spread.SERVER else "region"
        positions = order.arrange(self.ids, lambda position: getattr(self.places[position], spread))
        if isinstance(positions, range):
            return self
        ids, places = [self.ids[at] for at in positions], [self.places[at] for at in positions]
        return Targets(ids, places, self.duplicates)


async def resolve(plan: Plan, clients: Clients, *, with_states: bool = False) -> Targets:
    """Return the phones that a plan selects now.

    Args:
        plan: The plan.
        clients: The clients of its selections.
        with_states: Whether ids that are stated are looked up in the list, for their region, server and
            state. They are too if phones are spread over servers or regions.

    Raises:
        InvalidRequest: A file of ids is wrong, or an id that is to come first is not selected.
        KooPhoneError: A list could not be read.
    """
    resource = RESOURCES[plan.service][plan.resource]
    is_looked_up = with_states or plan.order.spread is not None
    targets, known = Targets(), dict[tuple[str | None, ...], set[str]]()
    for index, selection in enumerate(plan.selections):
        seen = known.setdefault((selection.profile, selection.project_id, selection.region), set())
        client = await clients.get(index) if selection.is_listed or is_looked_up else None
        if selection.is_listed:
            async for item in _matching(resource, client, selection):
                targets.add(item.id, _place(item, index, selection), seen)
        else:
            ids, unlisted = _stated_ids(index, selection), Place(index, selection.region)
            places = {} if client is None else await _places(resource, client, index, selection, set(ids))
            targets.add_all(ids, places, unlisted, seen)
    return targets.arranged(plan.order)


def targets_of(items: Iterable[Item], order: Order) -> Targets:
    """Return phones that were listed already, each once, in the order in which they are reached.

    Raises:
        InvalidRequest: An id that is to come first is not among them.
    """
    targets, seen = Targets(), set[str]()
    for item in items:
        id, _ = id_and_region(item)
        targets.add(str(id), _place(item), seen)
    return targets.arranged(order)


def _stated_ids(index: int, selection: Selection) -> Sequence[str]:
    """Return the ids that a selection states, in their order."""
    if selection.recorded is not None:
        problem = "is only in the plan of a rollout that was started; use ids"
        raise InvalidRequest("", f"targets[{index}].recorded", problem, Rule.CONFLICT)
    if selection.ids is not None:
        return selection.ids
    return load_ids(str(selection.ids_file), f"targets[{index}].ids_file")


async def _places(
    resource: Resource, client: Client, index: int, selection: Selection, ids: set[str]
) -> dict[str, Place]:
    """Look up the places of ids; one that is not in the list has none."""
    items = resource.list(client)
    return {str(item.id): _place(item, index, selection) async for item in items if item.id in ids}


def _place(item: object, index: int = 0, selection: Selection | None = None) -> Place:
    region = getattr(item, "region", None) or (None if selection is None else selection.region)
    return Place(index, region, getattr(item, "server", None), _state(item))


def _state(item: object) -> str | None:
    """Return the state of a listed phone or server by its name, or its number if it is not known."""
    state: object = getattr(item, "running" if hasattr(item, "running") else "state", None)
    return state.name.lower() if isinstance(state, Enum) else None if state is None else str(state)


def _matching(resource: Resource, client: Any, selection: Selection) -> AsyncIterable[Any]:  # noqa: ANN401
    """List the items that match the expression and have the tags of a selection."""
    where = None if selection.where is None else parse(selection.where)
    items = resource.list(client, where)
    if selection.tag is not None:
        items = _with_tags(items, client.tags.find(selection.tag))
    return items if where is None else where.filter(items)


async def _with_tags(items: AsyncIterable[Any], tagged: AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Yield the items with the tags; the list itself does not contain tags."""
    ids = {item.id async for item in tagged}
    async for item in items:
        if item.id in ids:
            yield item
