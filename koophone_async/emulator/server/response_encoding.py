"""Encoding of answers as the documents print them, in the service's envelope, altered by faults."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any, Final, TypeGuard, cast

import msgspec

from koophone_async.emulator.server.faults import Alteration, Distort, Duplicate
from koophone_async.emulator.server.wire_structs import fields_of
from koophone_async.emulator.world import World
from koophone_async.operation import AnyOperation
from koophone_async.protocol.dialect import DIALECTS
from koophone_async.services.cph import image_members, phones, tags
from koophone_async.services.cph.undocumented import RawAnswer
from koophone_async.services.koophone import apps, instances, streaming, users
from koophone_async.wire import Json, decode, encode, in_headers, to_wire

_ID_FIELDS: Final = {"instance_id", "job_id", "phone_id", "server_id", "encode_server_id"}
_STATE_FIELDS: Final = {"status", "running_status"}

_TASK_IN_ONE_EDITION: Final = frozenset(
    operation.name for operation in (instances.RESET, instances.BACKUP, users.UNASSIGN)
)
"""Operations that answer with a task in the international edition only."""

_WITHOUT_REQUEST_ID: Final = frozenset(
    operation.name for operation in (tags.LIST, tags.SHOW, tags.FIND, tags.COUNT, image_members.LIST)
)
"""Operations of CPH whose answers have no request id (CPH 5.8.1 to 5.8.3, 5.9.4 of 2025-02-08)."""

_FORMER_NAMES: Final = {"device_ip": "phone_ip", "intranet_ip": "server_ip", "access_ip": "public_ip"}
"""Former names of fields in the ports of a phone, which are sent too (CPH 5.3.2, 2025-02-08)."""


def encode_answer(
    operation: AnyOperation,
    answer: object,
    world: World,
    request_id: str,
    alterations: Sequence[tuple[Alteration, str | None]] = (),
) -> tuple[dict[str, str], bytes]:
    """Encode an answer; return its own headers and its body.

    Args:
        operation: The operation that is answered.
        answer: An instance of its answer class.
        world: The state of the emulator, of which the edition decides the shape of some answers.
        request_id: For envelopes that repeat it.
        alterations: Changes to the rows, each with the phone that it is limited to, if any.
    """
    payload = _payload(operation, answer)
    if operation.success == HTTPStatus.NO_CONTENT:
        return {}, b""
    headers = {name: str(payload.pop(name)) for name in in_headers(operation.answer)}
    payload = _as_documented(operation, payload, world)
    if alterations:
        payload = decode(encode(payload))  # rows that can be altered
    for alteration, phone in alterations:
        _alter(payload, alteration, phone)
    if operation.name in _WITHOUT_REQUEST_ID:
        return headers, encode(payload)
    dialect = DIALECTS[operation.service]
    if operation is apps.LIST and world.newer:  # the published page has the paging inside, unlike other lists
        return headers, encode(dialect.wrap({}, request_id) | {"data": payload})
    return headers, encode(dialect.wrap(payload, request_id))


def _payload(operation: AnyOperation, answer: object) -> Json:
    """Return the fields of an answer. KooPhone sends null for a field without a value (4.1.3, 4.1.7)."""
    if isinstance(answer, RawAnswer):
        raw: Json = answer.value
        return raw
    if isinstance(answer, msgspec.Struct):
        return fields_of(answer)
    payload: Json = to_wire(answer, nulls=operation.service == "koophone")
    if operation is streaming.AUTHORIZE and payload["streamingId"] is None:
        del payload["streamingId"]  # which the 2025-08-27 edition does not have
    return payload


def _as_documented(operation: AnyOperation, payload: Json, world: World) -> Json:
    """Apply what the models do not express: a nested task, no task at all, former names."""
    if operation.name in _TASK_IN_ONE_EDITION and not world.gives_tasks:
        return {}
    if operation is apps.INSTALL and not world.newer:
        return {"data": payload}
    if operation is phones.SHOW:
        ports = [port | _former_fields(port) for port in payload["access_infos"]]
        return payload | {"access_infos": ports}
    return payload


def _former_fields(port: Json) -> Json:
    return {former: port[name] for former, name in _FORMER_NAMES.items() if name in port}


def _alter(payload: Json, alteration: Alteration, phone: str | None) -> None:
    """Alter the rows of an answer, at any depth."""
    if isinstance(alteration, Distort):
        fields = _STATE_FIELDS if alteration.field is None else {alteration.field}
        _distort(payload, fields, alteration.value, phone)
        return
    for rows in _lists_of_rows(payload):
        at = next((i for i, row in enumerate(rows) if phone is None or phone in _ids(row)), None)
        if at is None:
            continue
        if isinstance(alteration, Duplicate):
            rows.insert(at, rows[at])
        else:
            del rows[at]


def _ids(row: Json) -> set[Any]:
    return {row[name] for name in _ID_FIELDS & row.keys()}


def _lists_of_rows(value: Any) -> list[list[Json]]:  # noqa: ANN401 - any JSON value
    """Return the lists whose rows have ids."""
    if _is_list(value):
        return [value] if any(isinstance(row, dict) and _ID_FIELDS & row.keys() for row in value) else []
    inner = cast("Json", value).values() if isinstance(value, dict) else ()
    return [rows for item in inner for rows in _lists_of_rows(item)]


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _distort(value: Any, names: AbstractSet[str], number: int, phone: str | None) -> None:  # noqa: ANN401 - JSON
    """Replace states, except in the rows of other phones."""
    if isinstance(value, dict):
        fields = cast("Json", value)
        if phone is not None and (ids := _ids(fields)) and phone not in ids:
            return
        fields |= dict.fromkeys(names & fields.keys(), number)
        for inner in fields.values():
            _distort(inner, names, number, phone)
    elif _is_list(value):
        for row in value:
            _distort(row, names, number, phone)
