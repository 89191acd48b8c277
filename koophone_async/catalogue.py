"""Every operation of every service, collected from the constants that state them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeGuard

from koophone_async.operation import AnyOperation, Operation

if TYPE_CHECKING:
    from types import ModuleType

_MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "cph": (
        "cph.bandwidths",
        "cph.buying",
        "cph.commands",
        "cph.connections",
        "cph.encoding_servers",
        "cph.image_members",
        "cph.images",
        "cph.jobs",
        "cph.keypairs",
        "cph.phone_images",
        "cph.phone_models",
        "cph.phones",
        "cph.properties",
        "cph.scheduled_events",
        "cph.server_changes",
        "cph.server_models",
        "cph.servers",
        "cph.shared_apps",
        "cph.shared_files",
        "cph.shared_filesystems",
        "cph.storage",
        "cph.tags",
        "cph.traffic",
        "cph.undocumented",
    ),
    "gaming": ("gaming.applications", "gaming.deployments", "gaming.versions"),
    "iam": ("iam",),
    "koophone": (
        "koophone.apps",
        "koophone.commands",
        "koophone.instances",
        "koophone.jobs",
        "koophone.orders",
        "koophone.streaming",
        "koophone.users",
        "koophone.video",
    ),
}


def _is_operation(value: object) -> TypeGuard[AnyOperation]:
    return isinstance(value, Operation)


def _stated(module: ModuleType) -> Iterator[AnyOperation]:
    return filter(_is_operation, vars(module).values())


@cache
def _collected(service: str) -> dict[str, AnyOperation]:
    modules = [import_module(f"koophone_async.services.{name}") for name in _MODULES[service]]
    stated = {operation.name: operation for module in modules for operation in _stated(module)}
    return dict(sorted(stated.items()))


class Catalogue(Mapping[str, AnyOperation]):
    """Operations by their names. A service is imported when it is first asked for one."""

    def of(self, service: str) -> tuple[AnyOperation, ...]:
        """Give the operations of one service, in the order of the names."""
        return tuple(_collected(service).values())

    def __getitem__(self, name: str) -> AnyOperation:
        service = name.partition(".")[0]
        if service not in _MODULES:
            raise KeyError(name)
        return _collected(service)[name]

    def __iter__(self) -> Iterator[str]:
        for service in _MODULES:
            yield from _collected(service)

    def __len__(self) -> int:
        return sum(1 for _ in self)


OPERATIONS: Final = Catalogue()
"""Every operation by its name, in the order of the names."""
