"""Columns of lists: all that their rows have, and those that people need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
from attrs import frozen

from koophone_async.cli.output.rows import item_model, model_fields
from koophone_async.operation import AnyOperation
from koophone_async.wire import spelling

_PAGING: Final = frozenset({"page", "size", "total", "next", "seen_at"})
"""Fields of a page beside its items."""

IN_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "cph.bandwidths.list": ("id", "name", "size", "charged_by"),
    "cph.encoding_servers.list": ("id", "name", "state", "ip"),
    "cph.image_members.list": ("project", "image"),
    "cph.images.list": ("id", "name", "state", "type", "version"),
    "cph.jobs.list": ("id", "state", "phone", "error_code", "error_message"),
    "cph.phone_images.list": ("id", "name", "os_name", "visibility"),
    "cph.phones.list": ("id", "name", "state", "image_version", "type"),
    "cph.phones.models": ("name", "cpu", "memory", "disk", "resolution", "capacity"),
    "cph.scheduled_events.list": ("id", "server_name", "type", "state"),
    "cph.servers.list": ("id", "name", "state", "model"),
    "cph.servers.models": ("name", "type", "cores", "memory", "free_size", "max_disks"),
    "cph.tags.find": ("id", "name", "tags"),
    "gaming.applications.list": ("id", "name", "package"),
    "gaming.applications.phones": ("phone", "name", "version"),
    "gaming.applications.servers": ("server", "name", "version"),
    "gaming.deployments.on_phone": ("package", "name", "version_name", "version"),
    "gaming.deployments.on_server": ("package", "name", "version_name", "version"),
    "iam.projects.accessible": ("id", "name", "is_enabled", "description"),
    "iam.projects.list": ("id", "name", "is_enabled", "description"),
    "koophone.apps.list": ("id", "package", "version"),
    "koophone.instances.list": ("id", "name", "running", "region", "user"),
}
"""Columns of tables by operation, which fit a terminal of 80 columns; other lists have all of theirs."""


@frozen
class Columns:
    """Columns of the rows of a list."""

    known: tuple[str, ...] = ()
    """All, in order; empty if the answer is no list."""

    in_tables: tuple[str, ...] = ()
    """The columns of tables, unless others are chosen."""

    @classmethod
    def of(cls, operation: AnyOperation) -> Columns:
        """Return the columns of the list that an operation answers with."""
        names = tuple(_list_columns(operation.answer))
        return cls(names, IN_TABLES.get(operation.name, names) if names else ())

    @classmethod
    def of_values(cls, operation: AnyOperation, model: type) -> Columns:
        """Return the columns of the values that a fleet reads, each with the id that it belongs to."""
        names = ("id", *([field.name for field in model_fields(model)] or ["state"]))
        return cls(names, IN_TABLES.get(operation.name, names))

    def pivoted(self) -> Columns:
        """Return the columns of values with the number of ids that have them, and these ids."""
        counted = ("count", "ids")
        return Columns((*self.known[1:], *counted), (*self.in_tables[1:], *counted))

    @property
    def is_list(self) -> bool:
        """Whether the answer is a list."""
        return bool(self.known)


def _list_columns(answer: object) -> Iterator[str]:
    """Return the columns of the items of a list, which `rows` unwraps; nothing if the answer is no list."""
    fields = model_fields(answer)
    items = [item for field in fields if (item := item_model(field.type)) is not None]
    others = [field for field in fields if item_model(field.type) is None]
    if len(items) != 1:
        return
    if {field.name for field in others} <= _PAGING:
        yield from _item_columns(items[0])
    elif len(others) == 1:
        yield from _with_sibling(others[0], items[0])


def _item_columns(item: type) -> Iterator[str]:
    fields = model_fields(item)
    nested = [inner for field in fields if (inner := item_model(field.type)) is not None]
    if len(nested) == 1 and len(fields) <= 2:
        siblings = [field for field in fields if item_model(field.type) is None]
        yield from _with_sibling(siblings[0], nested[0]) if siblings else _item_columns(nested[0])
    else:
        yield from (field.name for field in fields)


def _with_sibling(sibling: attrs.Attribute[Any], item: type) -> Iterator[str]:
    names = [*_item_columns(item)]
    yield spelling(sibling).name if sibling.name in names else sibling.name
    yield from names
