"""Every operation of every service, collected from the constants that state them."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Final, cast

from koophone_async.operation import AnyOperation, Operation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MODULES: Final = (
    "iam",
    "koophone.apps",
    "koophone.commands",
    "koophone.instances",
    "koophone.jobs",
    "koophone.orders",
    "koophone.streaming",
    "koophone.users",
    "koophone.video",
)


def _stated(module: ModuleType) -> Iterator[AnyOperation]:
    return (cast("AnyOperation", value) for value in vars(module).values() if isinstance(value, Operation))


def _collect() -> dict[str, AnyOperation]:
    modules = [import_module(f"koophone_async.services.{name}") for name in _MODULES]
    stated = {operation.name: operation for module in modules for operation in _stated(module)}
    return dict(sorted(stated.items()))


OPERATIONS: Final[Mapping[str, AnyOperation]] = MappingProxyType(_collect())
"""Every operation by its name, in the order of the names."""
