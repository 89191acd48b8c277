"""Catalogue of all operations, collected from the constants in the modules of the services.

A service is a module or package in `services/`; a new module with a constant needs no registration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

from koophone_async import services
from koophone_async.operation import AnyOperation, Operation

if TYPE_CHECKING:
    from types import ModuleType


class Catalogue(Mapping[str, AnyOperation]):
    """Operations by name. A service is imported on first access to one of its operations."""

    def of(self, service: str) -> tuple[AnyOperation, ...]:
        """Return the operations of one service, sorted by name."""
        return tuple(_operations(service).values())

    def __getitem__(self, name: str) -> AnyOperation:
        service = name.partition(".")[0]
        if service not in _services():
            raise KeyError(name)
        return _operations(service)[name]

    def __iter__(self) -> Iterator[str]:
        for service in _services():
            yield from _operations(service)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def _services() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in iter_modules(services.__path__)))


@cache
def _operations(service: str) -> dict[str, AnyOperation]:
    constants = (value for module in _modules(service) for value in vars(module).values())
    operations: dict[str, AnyOperation] = {
        value.name: value for value in constants if isinstance(value, Operation)
    }
    return dict(sorted(operations.items()))


def _modules(service: str) -> Iterator[ModuleType]:
    """Yield the module of a service or, for a package, the package and its modules."""
    root = import_module(f"{services.__name__}.{service}")
    yield root
    for module in iter_modules(getattr(root, "__path__", ())):
        yield import_module(f"{root.__name__}.{module.name}")


OPERATIONS: Final = Catalogue()
"""Every operation by name, sorted by name."""
