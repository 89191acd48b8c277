"""Which of CPH's codes says what is wrong with a request."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from koophone_async.emulator.cph.error_table import CROWDED
from koophone_async.errors import InvalidRequest
from koophone_async.services.cph import (
    bandwidths,
    buying,
    commands,
    connections,
    encoding_servers,
    jobs,
    phones,
    servers,
    shared_files,
    storage,
    tags,
    traffic,
)
from koophone_async.services.gaming import applications, deployments, versions
from koophone_async.wire import spelling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.operation import AnyOperation
    from koophone_async.wire import Json

_OTHER: Final = "CPS.0078"
_UNSTATED: Final = "CPS.0190"
"""The number of phones exceeds the limit, says the table of errors, without the limit."""

# By the name of a field on the wire or in our words: what cannot be read is known by the one, what breaks
# a rule by the other.
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "offset": "CPS.0002",
        "limit": "CPS.0002",
        "phone": "CPS.0004",
        "phone_id": "CPS.0004",
        "phones": "CPS.0077",
        "phone_ids": "CPS.0080",
        "state": "CPS.0010",
        "status": "CPS.0010",
        "verdict": "CPS.0010",
        "job": "CPS.0048",
        "requests": "CPS.0049",
        "request_ids": "CPS.0049",
        "server": "CPS.0016",
        "server_id": "CPS.0016",
        "servers": "CPS.0094",
        "server_ids": "CPS.0094",
        "encode_server_ids": "CPS.0122",
        "count": "CPS.0024",
        "name": "CPS.0087",
        "server_name": "CPS.0087",
        "phone_name": "CPS.0025",
        "model": "CPS.0089",
        "server_model_name": "CPS.0089",
        "phone_model": "CPS.0028",
        "phone_model_name": "CPS.0028",
        "image": "CPS.0030",
        "image_id": "CPS.0030",
        "ports": "CPS.0037",
        "number": "CPS.0040",
        "keypair": "CPS.0068",
        "keypair_name": "CPS.0068",
        "term": "CPS.0055",
        "extend_param": "CPS.0055",
        "order_param": "CPS.0055",
        "bandwidth": "CPS.0031",
        "band_width": "CPS.0031",
        "sharing": "CPS.0031",
        "size": "CPS.0036",
        "band_width_size": "CPS.0036",
        "new_size": "CPS.0347",
        "vpc": "CPS.0223",
        "tenant_vpc_id": "CPS.0223",
        "cards": "CPS.0226",
        "nics": "CPS.0226",
        "subnet": "CPS.0226",
        "subnet_id": "CPS.0226",
        "public_address": "CPS.0238",
        "public_ip": "CPS.0238",
        "enterprise_project": "CPS.0316",
        "type": "CPS.0116",
        "product_type": "CPS.0144",
        "command": "CPS.0117",
        "content": "CPS.0118",
        "action": "CPS.0047",
        "bucket": "CPS.0134",
        "bucket_name": "CPS.0134",
        "path": "CPS.0135",
        "object_path": "CPS.0135",
        "paths": "CPS.0155",
        "file_paths": "CPS.0155",
        "package": "CPS.0173",
        "package_name": "CPS.0173",
        "preinstall": "CPS.0148",
        "exports": "CPS.0167",
        "storage_infos": "CPS.0167",
        "include": "CPS.0168",
        "include_files": "CPS.0168",
        "exclude": "CPS.0169",
        "restores": "CPS.0171",
        "restore_infos": "CPS.0171",
        "start": "CPS.0174",
        "route": "CPS.0207",
        "traffic_type": "CPS.0207",
        "client": "CPS.0358",
        "client_type": "CPS.0358",
        "kind": "CPS.0300",
        "tags": "CPS.0303",
        "key": "CPS.0304",
        "value": "CPS.0305",
        "values": "CPS.0315",
        "matches": "CPS.0311",
    }
)

_SPECIAL: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (phones.RENAME.name, "name"): "CPS.0025",
        (phones.LIST.name, "type"): "CPS.0116",
        (storage.EXPAND.name, "size"): "CPS.0347",
        (shared_files.LIST.name, "path"): "CPS.0199",
        (bandwidths.UPDATE.name, "bandwidth"): "CPS.0033",
        (buying.BUY.name, "count"): "CPS.0024",
        (applications.LIST.name, "name"): _OTHER,
        (applications.CREATE.name, "name"): _OTHER,
        (versions.CREATE.name, "name"): _OTHER,
    }
)
"""Codes of fields that mean something else elsewhere."""

_TOO_MANY: Final[Mapping[str, str]] = MappingProxyType(
    {
        deployments.DEPLOY.name: CROWDED,
        deployments.PUSH.name: CROWDED,
        deployments.REMOVE.name: CROWDED,
        deployments.UNDEPLOY.name: CROWDED,
        commands.RUN_SYNC.name: "CPS.0209",
        connections.CONNECTIONS.name: "CPS.0359",
        encoding_servers.RESTART.name: "CPS.0122",
        jobs.LIST.name: "CPS.0161",
        servers.DELETE.name: "CPS.0325",
        servers.RESTART.name: CROWDED,
        storage.EXPAND.name: "CPS.0356",
        storage.EXPORT.name: "CPS.0170",
        tags.ADD.name: "CPS.0307",
        traffic.ROUTE.name: "CPS.0209",
    }
)


def too_many(operation: AnyOperation) -> str:
    """Find the code for a list that is longer than the documents allow."""
    if found := _TOO_MANY.get(operation.name):
        return found
    batch = operation.batch
    wire = "" if batch is None else spelling(getattr(attrs.fields(operation.request), batch.field)).name
    return CROWDED if wire == "server_ids" else _UNSTATED


def code(operation: AnyOperation, error: Exception) -> str:
    """Find the code for a field that is missing or wrong; where none is about it, that of properties."""
    name = error.field if isinstance(error, InvalidRequest) else _unread(operation, error)
    if isinstance(error, InvalidRequest) and (found := _by_problem(operation, name, error.problem)):
        return found
    return _SPECIAL.get((operation.name, name)) or _FIELDS.get(name, _OTHER)


def _unread(operation: AnyOperation, error: Exception) -> str:
    """Name the field that could not be read: it is missing, or no member of its enum."""
    if isinstance(error, KeyError):
        return str(error.args[0])
    enum = re.search(r" is not a valid (\w+)$", str(error))
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(operation.request)
    return next((field.name for field in fields if enum and enum[1] in str(field.type)), "")


def _by_problem(operation: AnyOperation, name: str, problem: str) -> str | None:
    """Tell apart what is wrong with one field in several ways."""
    if name == "phones" and "both empty" in problem:
        return "CPS.0081"
    if "items; it must hold" in problem and not problem.startswith("holds 0"):
        return too_many(operation)
    if operation is buying.BUY and name == "count" and "exists" in problem:
        return "CPS.0251"
    return None


def reserved(values: Json) -> str | None:
    """Find the code for tags that begin as only the system's own may."""
    tags_given = values.get("tags")
    rows: list[Any] = cast("Any", tags_given) if isinstance(tags_given, list) else []
    keys = [str(cast("Json", row).get("key")) for row in rows if isinstance(row, dict)]
    return "CPS.0306" if any(key.startswith("_sys_") for key in keys) else None
