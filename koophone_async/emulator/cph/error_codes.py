"""CPH's error codes for invalid requests, by the field and the rule that it breaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from csv import DictReader
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, cast, get_args

import attrs

from koophone_async.emulator.cph.error_table import TOO_MANY_SERVERS
from koophone_async.errors import Rule
from koophone_async.operation import AnyOperation
from koophone_async.services.cph import (
    buying,
    commands,
    connections,
    encoding_servers,
    jobs,
    server_changes,
    servers,
    shared_files,
    storage,
    tags,
    traffic,
)
from koophone_async.services.gaming import applications, deployments, versions
from koophone_async.wire import Json, spelling

_OTHER: Final = "CPS.0078"
"""Invalid property: the code of every field that has none of its own."""

MAX_SEARCHED: Final = 10
"""How many keys a search by tags can have, and how many values a key (CPH 5.8.2)."""

MAX_PORT_NAME: Final = 16
"""Bytes."""

PORT_NUMBERS: Final = range(10_000, 50_001)

_TOO_MANY_PHONES: Final = "CPS.0190"
"""For lists whose limit no document states."""


def _read_field_codes() -> Mapping[str, str]:
    """Return the codes of fields by their names on the wire, which the documents fix."""
    text = files("koophone_async.emulator.cph").joinpath("field_codes.csv").read_text("utf-8")
    return {row["field"]: row["code"] for row in DictReader(text.splitlines())}


_FIELDS: Final = _read_field_codes()

# Codes of one operation only, where a field means something else than in the others.
_FIELDS_OF: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (shared_files.LIST.name, "path"): "CPS.0199",
        (applications.LIST.name, "name"): _OTHER,
        (applications.CREATE.name, "name"): _OTHER,
        (versions.CREATE.name, "name"): _OTHER,
    }
)

_BY_RULE: Final[Mapping[tuple[str, Rule], str]] = MappingProxyType(
    {
        ("phone_ids", Rule.ALL_MISSING): "CPS.0081",
        ("count", Rule.CONFLICT): "CPS.0251",
        ("target_phone_id", Rule.CONFLICT): "CPS.0231",
    }
)
"""Codes that only one rule of a field has."""

_TOO_MANY: Final[Mapping[str, str]] = MappingProxyType(
    {
        deployments.DEPLOY.name: TOO_MANY_SERVERS,
        deployments.PUSH.name: TOO_MANY_SERVERS,
        deployments.REMOVE.name: TOO_MANY_SERVERS,
        deployments.UNDEPLOY.name: TOO_MANY_SERVERS,
        commands.RUN_SYNC.name: "CPS.0209",
        connections.CONNECTIONS.name: "CPS.0359",
        encoding_servers.RESTART.name: "CPS.0122",
        jobs.LIST.name: "CPS.0161",
        servers.DELETE.name: "CPS.0325",
        servers.RESTART.name: TOO_MANY_SERVERS,
        storage.EXPAND.name: "CPS.0356",
        storage.EXPORT.name: "CPS.0170",
        tags.ADD.name: "CPS.0307",
        traffic.ROUTE.name: "CPS.0209",
    }
)


def _too_many_code(operation: AnyOperation) -> str:
    """Return the code for a list that is longer than the documents allow."""
    if code := _TOO_MANY.get(operation.name):
        return code
    batch = operation.batch
    name = "" if batch is None else _wire_name(operation.request, batch.field)
    return TOO_MANY_SERVERS if name == "server_ids" else _TOO_MANY_PHONES


def error_code(operation: AnyOperation, field: str, rule: Rule) -> str:
    """Return the error code for a field that breaks a rule.

    Args:
        operation: The operation that is called.
        field: The attribute of its request class, or of a class inside it.
        rule: The rule that is broken.
    """
    if rule is Rule.TOO_MANY:
        return _too_many_code(operation)
    name = _wire_name(operation.request, field)
    codes = (_BY_RULE.get((name, rule)), _FIELDS_OF.get((operation.name, name)), _FIELDS.get(name))
    return next((code for code in codes if code), _OTHER)


def _wire_name(model: type, field: str) -> str:
    """Return the name on the wire of a field of a model, or of the nearest model inside it."""
    models = deque([attrs.resolve_types(model)])
    while models:
        attributes: Mapping[str, attrs.Attribute[Any]] = attrs.fields_dict(models.popleft())
        if field in attributes:
            return spelling(attributes[field]).name
        models.extend(inner for a in attributes.values() for inner in _models(a.type))
    return field


def _models(hint: object) -> Iterator[type]:
    """Yield the attrs classes in a type annotation."""
    if isinstance(hint, type) and attrs.has(hint):
        yield attrs.resolve_types(hint)
    for argument in get_args(hint):
        yield from _models(argument)


def precise_code(operation: AnyOperation, values: Json) -> str | None:
    """Return the code for fields that share a name on the wire with others; None if they are valid."""
    find = _PRECISE.get(operation.name)
    return find(values) if find else None


def _reserved_key_code(values: Json) -> str | None:
    """Return the code for tags whose keys start with the prefix that only the system may use."""
    keys = [str(row.get("key")) for row in _rows(values, "tags")]
    return "CPS.0306" if any(key.startswith("_sys_") for key in keys) else None


def _search_code(values: Json) -> str | None:
    """Return the code for a search by tags with too many keys or values, or an unknown field to match."""
    tags, matches = _rows(values, "tags"), _rows(values, "matches")
    if len(tags) > MAX_SEARCHED:
        return "CPS.0309"
    if any(isinstance(row.get("values"), list) and len(row["values"]) > MAX_SEARCHED for row in tags):
        return "CPS.0310"
    if any(row.get("key", "resource_name") != "resource_name" for row in matches):
        return "CPS.0313"
    return "CPS.0314" if any(not isinstance(row.get("value"), str) for row in matches) else None


def _port_code(values: Json) -> str | None:
    """Return the code for ports of phones with invalid or equal names or numbers."""
    ports = _rows(values, "ports")
    names, numbers = ([row.get(key) for row in ports] for key in ("name", "listen_port"))
    if any(not isinstance(name, str) or not 0 < len(name.encode()) <= MAX_PORT_NAME for name in names):
        return "CPS.0038"
    if any(name in ("adb", "vnc") for name in names):
        return "CPS.0038"
    if len(set(names)) < len(names):
        return "CPS.0039"
    if any(type(number) is not int or number not in PORT_NUMBERS for number in numbers):
        return "CPS.0040"
    return "CPS.0041" if len(set(numbers)) < len(numbers) else None


def _rows(values: Json, name: str) -> list[Json]:
    """Return the objects in a list of a body."""
    rows: list[Any] = cast("Any", values.get(name)) if isinstance(values.get(name), list) else []
    return [cast("Json", row) for row in rows if isinstance(row, dict)]


_PRECISE: Final[Mapping[str, Callable[[Json], str | None]]] = MappingProxyType(
    {
        tags.ADD.name: _reserved_key_code,
        tags.FIND.name: _search_code,
        tags.COUNT.name: _search_code,
        buying.BUY.name: _port_code,
        buying.BUY_V1.name: _port_code,
        server_changes.CHANGE.name: _port_code,
    }
)
