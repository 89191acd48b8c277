"""Which handler serves which operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeGuard, TypeVar
from urllib.parse import unquote

from attrs import define, field, frozen

from koophone_async.emulator.refusals import refusal
from koophone_async.operation import Answer, AnyOperation, Operation, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from koophone_async.wire import Edition

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


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


@define(eq=False)
class Routes:
    """All operations that an edition has, by method and path."""

    _plain: dict[tuple[str, str], Route] = field(factory=dict[tuple[str, str], Route])
    _patterns: dict[str, list[tuple[re.Pattern[str], Route]]] = field(
        factory=dict[str, list[tuple[re.Pattern[str], Route]]]
    )

    @classmethod
    def of(cls, desks: Iterable[object], edition: Edition) -> Routes:
        """Gather what the methods of some desks serve."""
        routes = cls()
        for desk in desks:
            for served in vars(type(desk)).values():
                if _is_served(served) and served.only in (None, edition):
                    routes.add(_bound(desk, served))
        return routes

    def add(self, route: Route) -> None:
        """Serve one more operation."""
        operation = route.operation
        if "{" in operation.path:
            patterns = self._patterns.setdefault(operation.method, [])
            patterns.append((_pattern(operation.path), route))
        else:
            self._plain[operation.method, operation.path] = route

    def match(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Find what serves a path, and the values in the path.

        Raises:
            Refusal: Nothing does (404, APIGW.0101).
        """
        path = path.rstrip("/")
        if route := self._plain.get((method, path)):
            return route, _NOTHING
        for pattern, route in self._patterns.get(method, ()):
            if found := pattern.fullmatch(path):
                return route, {name: unquote(value) for name, value in found.groupdict().items()}
        raise refusal("APIGW.0101")


_NOTHING: Final[Mapping[str, str]] = {}


def _is_served(value: object) -> TypeGuard[Served[Any, Any, Any]]:
    return isinstance(value, Served)


def _bound(desk: object, served: Served[Any, Any, Any]) -> Route:
    def answer(request: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401 - the operation's own classes
        return served.method(desk, request)

    return Route(served.operation, answer, served.counted)
