"""Answers as the documents write them: sealed in the service's envelope, or bent by a fault."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

from koophone_async.emulator.server.faults import Alteration, Distort, Duplicate
from koophone_async.protocol.dialect import DIALECTS
from koophone_async.services.cph import image_members, phones, tags
from koophone_async.services.cph.undocumented import RawAnswer
from koophone_async.services.koophone import apps, instances, streaming, users
from koophone_async.wire import encode, in_headers, to_wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.emulator.world import World
    from koophone_async.operation import AnyOperation
    from koophone_async.wire import Json

_NAMES: Final = {"instance_id", "job_id", "phone_id", "server_id", "encode_server_id"}
_STATES: Final = {"status", "running_status"}
_TASK_IN_SOME: Final = (instances.RESET, instances.BACKUP, users.UNASSIGN)
"""What answers a task in one edition only."""

_WITHOUT_REQUEST_ID: Final = (tags.LIST, tags.SHOW, tags.FIND, tags.COUNT, image_members.LIST)
"""The answers of CPH that name no request (CPH 5.8.1 to 5.8.3, 5.9.4 of 2025-02-08)."""

_EXPIRED: Final = {"device_ip": "phone_ip", "intranet_ip": "server_ip", "access_ip": "public_ip"}
"""Former names in the ports of a phone, and those of today: both are sent (CPH 5.3.2, 2025-02-08)."""


def sealed(
    operation: AnyOperation,
    answer: object,
    world: World,
    request_id: str,
    alterations: Sequence[tuple[Alteration, str | None]] = (),
) -> tuple[dict[str, str], bytes]:
    """Write an answer: the headers that are part of it, and the body.

    Args:
        operation: Of which it is.
        answer: An instance of the operation's answer class.
        world: Says in which edition.
        request_id: For the envelopes that repeat it.
        alterations: What is to be wrong with it, each with the phone that it is about, if any.
    """
    payload: Json = answer.value if isinstance(answer, RawAnswer) else _written(operation, answer)
    if operation.success == HTTPStatus.NO_CONTENT:
        return {}, b""
    headers = {name: str(payload.pop(name)) for name in in_headers(operation.answer)}
    payload = _as_documented(operation, payload, world)
    for alteration, phone in alterations:
        _alter(payload, alteration, phone)
    if operation in _WITHOUT_REQUEST_ID:
        return headers, encode(payload)
    return headers, encode(DIALECTS[operation.service].wrap(payload, request_id))


def _written(operation: AnyOperation, answer: object) -> Json:
    """Write an answer; KooPhone says null for what it has nothing to say of (4.1.3, 4.1.7)."""
    payload: Json = to_wire(answer, nulls=operation.service == "koophone")
    if operation is streaming.AUTHORIZE and payload["streamingId"] is None:
        del payload["streamingId"]  # which the 2025-08-27 edition does not know
    return payload


def _as_documented(operation: AnyOperation, payload: Json, world: World) -> Json:
    """Spell what the models do not tell: a nested task, no task at all, names that have expired."""
    if operation in _TASK_IN_SOME and not world.gives_tasks:
        return {}
    if operation is apps.INSTALL and not world.newer:
        return {"data": payload}
    if operation is phones.SHOW:
        ports = [port | _expired(port) for port in payload["access_infos"]]
        return payload | {"access_infos": ports}
    return payload


def _expired(port: Json) -> Json:
    return {former: port[name] for former, name in _EXPIRED.items() if name in port}


def _alter(payload: Json, alteration: Alteration, phone: str | None) -> None:
    """Bend the rows of an answer, wherever they are in it."""
    if isinstance(alteration, Distort):
        _distort(payload, alteration.value)
        return
    for rows in _lists_of_rows(payload):
        at = next((i for i, row in enumerate(rows) if phone is None or phone in _named(row)), None)
        if at is None:
            continue
        if isinstance(alteration, Duplicate):
            rows.insert(at, rows[at])
        else:
            del rows[at]


def _named(row: Json) -> set[Any]:
    return {row[name] for name in _NAMES & row.keys()}


def _lists_of_rows(value: Any) -> list[list[Json]]:  # noqa: ANN401 - whatever JSON holds
    """Find the lists whose rows have a name."""
    if _is_list(value):
        return [value] if any(isinstance(row, dict) and _NAMES & row.keys() for row in value) else []
    inside = cast("Json", value).values() if isinstance(value, dict) else ()
    return [rows for one in inside for rows in _lists_of_rows(one)]


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _distort(value: Any, number: int) -> None:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, dict):
        fields = cast("Json", value)
        fields |= dict.fromkeys(_STATES & fields.keys(), number)
        for inside in fields.values():
            _distort(inside, number)
    elif _is_list(value):
        for row in value:
            _distort(row, number)
