"""Routing: matches requests to operations, and operations to the methods that handle them."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, Generic, NoReturn, TypeAlias, TypeGuard, TypeVar, cast
from urllib.parse import unquote

import attrs
import msgspec
from attrs import define, field, frozen

from koophone_async.checks import OneOf
from koophone_async.emulator.cph.error_table import NO_PERMISSION
from koophone_async.emulator.server.errors import cph_refusal, refusal
from koophone_async.operation import Answer, AnyOperation, Operation, Request
from koophone_async.wire import Edition, Json, decode, spelling

Handlers = TypeVar("Handlers")
Method: TypeAlias = Callable[[Handlers, Request], Coroutine[Any, Any, Answer]]

NOT_JSON: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding a body raises: ValueError for cut UTF-8, RecursionError for deep nesting."""


@frozen
class Handler(Generic[Handlers, Request, Answer]):
    """A method of a class of handlers, with the operation that it serves."""

    operation: Operation[Request, Answer]
    method: Method[Handlers, Request, Answer]
    only: Edition | None
    """The only edition that has the operation."""

    newer: bool
    """Whether the other edition has it in the vendor's pages that are newer than the documents."""

    counted: bool
    """Whether the server loop records the ids of the request as executed; otherwise the method does."""


def serves(
    operation: Operation[Request, Answer],
    *,
    only: Edition | None = None,
    newer: bool = False,
    counted: bool = True,
) -> Callable[[Method[Handlers, Request, Answer]], Handler[Handlers, Request, Answer]]:
    """Declare that a method handles an operation, with the operation's own request and answer classes.

    Args:
        operation: The operation.
        only: The only edition that has the operation.
        newer: Whether the other edition has it in the vendor's pages that are newer than the documents.
        counted: Whether the server loop records the ids of the request as executed.
    """

    def decorate(method: Method[Handlers, Request, Answer]) -> Handler[Handlers, Request, Answer]:
        return Handler(operation, method, only, newer, counted)

    return decorate


@frozen
class Route:
    """An operation and the bound method that answers it."""

    operation: AnyOperation
    answer: Callable[[Any], Coroutine[Any, Any, Any]]
    counted: bool
    is_foreign: bool = False
    """Whether it belongs to a project of another account, which is refused whatever the request contains."""

    def matches(self, body: Json) -> bool:
        """Whether a body belongs to this operation, not to another one with the same method and path."""
        if constants := constant_fields(self.operation):
            return all(body.get(name) == value for name, value in constants.items())
        return _required_fields(self.operation) <= body.keys()


@cache
def constant_fields(operation: AnyOperation) -> Mapping[str, object]:
    """Return the fields of a body that allow one value only, such as the `command` of an ADB command."""
    choices = [(spelling(field).name, field.validator) for field in _body_fields(operation)]
    return {name: next(iter(v.values)) for name, v in choices if isinstance(v, OneOf) and len(v.values) == 1}


@cache
def _required_fields(operation: AnyOperation) -> frozenset[str]:
    return frozenset(
        spelling(field).name for field in _body_fields(operation) if field.default is attrs.NOTHING
    )


def _body_fields(operation: AnyOperation) -> list[attrs.Attribute[Any]]:
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(operation.request)
    return [field for field in fields if f"{{{spelling(field).name}}}" not in operation.path]


@frozen
class Match:
    """The routes of a method and path: one, or several that differ in their bodies."""

    routes: list[Route]
    path: Mapping[str, str]
    """The values in the path."""

    def route(self, body: bytes) -> Route:
        """Return the route that a body belongs to, or the first one, which then refuses the body."""
        if len(self.routes) == 1:
            return self.routes[0]
        try:
            decoded = decode(body)
        except NOT_JSON:
            return self.routes[0]
        values = cast("Json", decoded) if isinstance(decoded, dict) else {}
        return next((route for route in self.routes if route.matches(values)), self.routes[0])


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


@define(eq=False)
class Routes:
    """All operations of an edition, by method and path."""

    _plain: dict[tuple[str, str], list[Route]] = field(factory=dict[tuple[str, str], list[Route]])
    _patterns: dict[tuple[str, str], tuple[re.Pattern[str], list[Route]]] = field(
        factory=dict[tuple[str, str], tuple[re.Pattern[str], list[Route]]]
    )

    @classmethod
    def of(
        cls,
        handlers: Iterable[object],
        edition: Edition,
        projects: Mapping[str, Iterable[object]] = {},
        *,
        newer: bool = False,
    ) -> Routes:
        """Build the routes to the methods of some handlers.

        Args:
            handlers: Those whose paths have no project.
            edition: The edition; operations of the other one are left out.
            projects: The handlers of each project, by the project's id.
            newer: Whether to add what only the vendor's newer pages have.
        """
        routes = cls()
        for owner, handler in _find_handlers(handlers, edition, newer=newer):
            routes.add(handler.operation.path, _bind(owner, handler))
        for project, own in projects.items():
            for owner, handler in _find_handlers(own, edition, newer=newer):
                routes.add(handler.operation.path.replace(_PROJECT, project), _bind(owner, handler))
        # Any other project in a path belongs to somebody else.
        for own in islice(projects.values(), 1):
            for _, handler in _find_handlers(own, edition, newer=newer):
                route = Route(handler.operation, _forbid, counted=False, is_foreign=True)
                routes.add(handler.operation.path, route)
        return routes

    def add(self, path: str, route: Route) -> None:
        """Add the route of a path."""
        key = (route.operation.method, path)
        if "{" in path:
            self._patterns.setdefault(key, (_pattern(path), []))[1].append(route)
        else:
            self._plain.setdefault(key, []).append(route)

    @property
    def names(self) -> frozenset[str]:
        """The names of all operations that are served."""
        patterned = (routes for _, routes in self._patterns.values())
        return frozenset(
            route.operation.name for routes in (*self._plain.values(), *patterned) for route in routes
        )

    def match(self, method: str, path: str) -> Match:
        """Return the routes of a method and path, with the values in the path.

        Raises:
            Refusal: There is none (404, APIGW.0101).
        """
        path = path.rstrip("/")
        if routes := self._plain.get((method, path)):
            return Match(routes, _NO_VALUES)
        for (route_method, _), (pattern, routes) in self._patterns.items():
            if route_method == method and (match := pattern.fullmatch(path)):
                return Match(routes, {name: unquote(value) for name, value in match.groupdict().items()})
        raise refusal("APIGW.0101")


_PROJECT: Final = "{project_id}"
_NO_VALUES: Final[Mapping[str, str]] = MappingProxyType({})


def _find_handlers(
    owners: Iterable[object], edition: Edition, *, newer: bool
) -> Iterator[tuple[object, Handler[Any, Any, Any]]]:
    """Yield the handlers of an edition, each with the object whose method it is."""
    for owner in owners:
        for attribute in vars(type(owner)).values():
            if not _is_handler(attribute):
                continue
            if attribute.only in (None, edition) or (newer and attribute.newer):
                yield owner, attribute


def _is_handler(value: object) -> TypeGuard[Handler[Any, Any, Any]]:
    return isinstance(value, Handler)


async def _forbid(_: object) -> NoReturn:
    raise cph_refusal(NO_PERMISSION)


def _bind(owner: object, handler: Handler[Any, Any, Any]) -> Route:
    def answer(request: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401 - the operation's own classes
        return handler.method(owner, request)

    return Route(handler.operation, answer, handler.counted)
