"""Every operation that the package states, whoever collects them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

from koophone_async import services
from koophone_async.operation import AnyOperation, Operation


def stated() -> dict[str, AnyOperation]:
    """Give every operation by its name, in the order of the names."""
    names = [found.name for found in walk_packages(services.__path__, "koophone_async.services.")]
    values: list[object] = [value for name in names for value in vars(import_module(name)).values()]
    operations: dict[str, AnyOperation] = {
        value.name: value for value in values if isinstance(value, Operation)
    }
    return dict(sorted(operations.items()))
