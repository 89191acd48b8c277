"""Methods of fleets that run an operation on all their ids, and their operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args, get_origin, get_type_hints

from attrs import frozen

from koophone_async.batches import Run
from koophone_async.catalogue import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from koophone_async.operation import AnyOperation


@frozen(eq=False)
class FleetMethod:
    """A method of a class of fleets."""

    name: str
    method: Callable[..., Run[Any, Any]]
    """The method, unbound."""

    operation: AnyOperation


def fleet_methods(service: str, fleet: type) -> Iterator[FleetMethod]:
    """Yield the methods of a class of fleets that return a run.

    The operation of each is the one with the request and answer of its return annotation.
    """
    for name, method in vars(fleet).items():
        if name[0] != "_" and callable(method):
            returned = get_type_hints(method).get("return")
            if get_origin(returned) is Run:
                request, answer = get_args(returned)
                operation = _operation(service, name, request, answer)
                yield FleetMethod(name, cast("Callable[..., Run[Any, Any]]", method), operation)


def _operation(service: str, method: str, request: type, answer: type) -> AnyOperation:
    """Return the operation of a method; of several, the one named by the method's first word."""
    operations = [
        operation
        for operation in OPERATIONS.of(service)
        if (operation.request, operation.answer) == (request, answer)
    ]
    if len(operations) > 1:
        operations = [each for each in operations if each.name.split(".")[2] == method.partition("_")[0]]
    (operation,) = operations
    return operation
