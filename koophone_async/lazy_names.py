"""Public names of a package that are imported on first use, so that a program waits only for what it uses."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(
    package: str, module_of: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names are imported on first use.

    Assign them under `if not TYPE_CHECKING`: a type checker that sees `__getattr__` accepts any name.

    Args:
        package: The package's name.
        module_of: The module in the package that defines each name.
    """
    names = vars(sys.modules[package])

    def getattr_(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        value = names[name] = getattr(import_module(f"{package}.{module_of[name]}"), name)
        return value

    def dir_() -> list[str]:
        return sorted({*names, *module_of})

    return getattr_, dir_
