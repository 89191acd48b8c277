"""Routing: matches requests to operations, and operations to the methods that handle them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Iterable, Iterator, Mapping, Sequence
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


@frozen
class _Template:
    """The routes of a method and a path with values in it."""

    positions: Mapping[str, int]
    """The segments that are values, by name."""

    routes: list[Route] = field(factory=list[Route])


@define(eq=False)
class _Node:
    """One segment of a path in the tree of all paths."""

    literal: dict[str, _Node] = field(factory=dict[str, "_Node"])
    """What can follow literally."""

    value: _Node | None = None
    """What follows if the next segment is a value."""

    templates: dict[str, _Template] = field(factory=dict[str, _Template])
    """By method, the paths that end here."""

    def child(self, segment: str) -> _Node:
        """Return what follows a segment of a template, which is added if it is missing."""
        if segment.startswith("{"):
            self.value = self.value or _Node()
            return self.value
        if segment not in self.literal:
            self.literal[segment] = _Node()
        return self.literal[segment]

    def find(self, method: str, segments: Sequence[str], at: int = 0) -> _Template | None:
        """Return the template that a path matches from some segment on; a literal is preferred to a value."""
        if at == len(segments):
            return self.templates.get(method)
        following = (self.literal.get(segments[at]), self.value if segments[at] else None)
        matches = (node.find(method, segments, at + 1) for node in following if node is not None)
        return next((template for template in matches if template is not None), None)


@define(eq=False)
class Routes:
    """All operations of an edition, by method and path."""

    _plain: dict[tuple[str, str], list[Route]] = field(factory=dict[tuple[str, str], list[Route]])
    """Those without values in the path."""

    _root: _Node = field(factory=_Node)
    _names: set[str] = field(factory=set[str])

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
        method = route.operation.method
        self._names.add(route.operation.name)
        if "{" not in path:
            self._plain.setdefault((method, path), []).append(route)
            return
        node, segments = self._root, path.split("/")
        for segment in segments:
            node = node.child(segment)
        if method not in node.templates:
            positions = {segment[1:-1]: at for at, segment in enumerate(segments) if segment.startswith("{")}
            node.templates[method] = _Template(positions)
        node.templates[method].routes.append(route)

    @property
    def names(self) -> frozenset[str]:
        """The names of all operations that are served."""
        return frozenset(self._names)

    def match(self, method: str, path: str) -> Match:
        """Return the routes of a method and path, with the values in the path.

        Raises:
            Refusal: There is none (404, APIGW.0101).
        """
        path = path.rstrip("/")
        if routes := self._plain.get((method, path)):
            return Match(routes, _NO_VALUES)
        segments = path.split("/")
        template = self._root.find(method, segments)
        if template is None:
            raise refusal("APIGW.0101")
        values = {name: unquote(segments[at]) for name, at in template.positions.items()}
        return Match(template.routes, values)


_PROJECT: Final = "{project_id}"
_NO_VALUES: Final[Mapping[str, str]] = MappingProxyType({})


def _find_handlers(
    owners: Iterable[object], edition: Edition, *, newer: bool
) -> Iterator[tuple[object, Handler[Any, Any, Any]]]:
    """Yield the handlers of an edition, each with the object whose method it is."""
    for owner in owners:
        for handler in _handlers_of(cast("Hashable", type(owner))):
            if handler.only in (None, edition) or (newer and handler.newer):
                yield owner, handler


# mypy takes the __hash__ of a class for that of its instances.
@cache
def _handlers_of(owner: Hashable) -> Sequence[Handler[Any, Any, Any]]:
    return [attribute for attribute in vars(owner).values() if _is_handler(attribute)]


def _is_handler(value: object) -> TypeGuard[Handler[Any, Any, Any]]:
    return isinstance(value, Handler)


async def _forbid(_: object) -> NoReturn:
    raise cph_refusal(NO_PERMISSION)


def _bind(owner: object, handler: Handler[Any, Any, Any]) -> Route:
    def answer(request: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401 - the operation's own classes
        return handler.method(owner, request)

    return Route(handler.operation, answer, handler.counted)
