"""Which handler serves which operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeAlias, TypeGuard, TypeVar, cast
from urllib.parse import unquote

import attrs
import msgspec
from attrs import define, field, frozen

from koophone_async.checks import OneOf
from koophone_async.emulator.cph.error_table import NO_PERMISSION
from koophone_async.emulator.server.errors import cph, refusal
from koophone_async.operation import Answer, AnyOperation, Operation, Request
from koophone_async.wire import decode, spelling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from koophone_async.wire import Edition, Json

Desk = TypeVar("Desk")
Method: TypeAlias = Callable[[Desk, Request], Coroutine[Any, Any, Answer]]


@frozen
class Served(Generic[Desk, Request, Answer]):
    """A method of a desk, and the operation that it serves."""

    operation: Operation[Request, Answer]
    method: Method[Desk, Request, Answer]
    only: Edition | None
    """The only edition that has the operation."""

    counted: bool
    """Whether the ids of the request are what was executed; else the method says what was."""


def serves(
    operation: Operation[Request, Answer], *, only: Edition | None = None, counted: bool = True
) -> Callable[[Method[Desk, Request, Answer]], Served[Desk, Request, Answer]]:
    """Mark the method of a desk that serves an operation; request and answer must be the operation's own."""

    def mark(method: Method[Desk, Request, Answer]) -> Served[Desk, Request, Answer]:
        return Served(operation, method, only, counted)

    return mark


@frozen
class Route:
    """An operation and what answers it."""

    operation: AnyOperation
    answer: Callable[[Any], Coroutine[Any, Any, Any]]
    counted: bool

    def fits(self, body: Json) -> bool:
        """Whether a body is one of this operation and not of another with the same method and path."""
        words = only_words(self.operation)
        if words:
            return all(body.get(name) == word for name, word in words.items())
        return _needed(self.operation) <= body.keys()


@cache
def only_words(operation: AnyOperation) -> Mapping[str, object]:
    """The fields of a body that can only have one value, such as the `command` of ADB work."""
    only = [(spelling(field), field.validator) for field in _in_body(operation)]
    return {s.name: next(iter(v.values)) for s, v in only if isinstance(v, OneOf) and len(v.values) == 1}


@cache
def _needed(operation: AnyOperation) -> frozenset[str]:
    """The fields that a body must have."""
    return frozenset(spelling(field).name for field in _in_body(operation) if field.default is attrs.NOTHING)


def _in_body(operation: AnyOperation) -> list[attrs.Attribute[Any]]:
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(operation.request)
    return [field for field in fields if f"{{{spelling(field).name}}}" not in operation.path]


@frozen
class Found:
    """What a path leads to: mostly one operation, else several that the body tells apart."""

    routes: list[Route]
    path: Mapping[str, str]
    """The values in the path."""

    def route(self, body: bytes) -> Route:
        """Tell which one is meant; where no body says so the first, which then refuses it."""
        if len(self.routes) == 1:
            return self.routes[0]
        try:
            decoded = decode(body)
        except msgspec.DecodeError:
            return self.routes[0]
        values = cast("Json", decoded) if isinstance(decoded, dict) else {}
        return next((route for route in self.routes if route.fits(values)), self.routes[0])


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


@define(eq=False)
class Routes:
    """All operations that an edition has, by method and path."""

    _plain: dict[tuple[str, str], list[Route]] = field(factory=dict[tuple[str, str], list[Route]])
    _patterns: dict[tuple[str, str], tuple[re.Pattern[str], list[Route]]] = field(
        factory=dict[tuple[str, str], tuple[re.Pattern[str], list[Route]]]
    )

    @classmethod
    def of(
        cls, desks: Iterable[object], edition: Edition, projects: Mapping[str, Iterable[object]] = {}
    ) -> Routes:
        """Gather what the methods of some desks serve.

        Args:
            desks: Those without a project.
            edition: What it does not have is left out.
            projects: The desks of each project, whose id is part of their paths.
        """
        routes = cls()
        for served, desk in _served(desks, edition):
            routes.add(served.operation.path, _bound(desk, served))
        for project, own in projects.items():
            for served, desk in _served(own, edition):
                routes.add(served.operation.path.replace(_PROJECT, project), _bound(desk, served))
        for own in islice(projects.values(), 1):
            for served, _ in _served(own, edition):
                routes.add(served.operation.path, Route(served.operation, _forbidden, counted=False))
        return routes

    def add(self, path: str, route: Route) -> None:
        """Serve one more operation."""
        key = (route.operation.method, path)
        if "{" in path:
            self._patterns.setdefault(key, (_pattern(path), []))[1].append(route)
        else:
            self._plain.setdefault(key, []).append(route)

    @property
    def names(self) -> frozenset[str]:
        """Name all operations that are served."""
        patterned = (routes for _, routes in self._patterns.values())
        return frozenset(
            route.operation.name for routes in (*self._plain.values(), *patterned) for route in routes
        )

    def match(self, method: str, path: str) -> Found:
        """Find what serves a path, and the values in the path.

        Raises:
            Refusal: Nothing does (404, APIGW.0101).
        """
        path = path.rstrip("/")
        if routes := self._plain.get((method, path)):
            return Found(routes, _NOTHING)
        for (wanted, _), (pattern, routes) in self._patterns.items():
            if wanted == method and (found := pattern.fullmatch(path)):
                return Found(routes, {name: unquote(value) for name, value in found.groupdict().items()})
        raise refusal("APIGW.0101")


_PROJECT: Final = "{project_id}"


def _served(desks: Iterable[object], edition: Edition) -> Iterator[tuple[Served[Any, Any, Any], object]]:
    for desk in desks:
        for served in vars(type(desk)).values():
            if _is_served(served) and served.only in (None, edition):
                yield served, desk


async def _forbidden(_: object) -> NoReturn:
    """Refuse whatever is asked of a project that is not the caller's."""
    raise cph(NO_PERMISSION)


_NOTHING: Final[Mapping[str, str]] = {}


def _is_served(value: object) -> TypeGuard[Served[Any, Any, Any]]:
    return isinstance(value, Served)


def _bound(desk: object, served: Served[Any, Any, Any]) -> Route:
    def answer(request: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401 - the operation's own classes
        return served.method(desk, request)

    return Route(served.operation, answer, served.counted)
