"""Requests as they come, read into the classes of their operations, or refused as the service does."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast, get_args, get_origin, get_type_hints

import attrs
import msgspec
from attrs import frozen

from koophone_async.emulator.cph import error_codes
from koophone_async.emulator.server.errors import cph, invalid, koophone
from koophone_async.emulator.server.routing import only_words
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.services.cph import jobs, tags
from koophone_async.services.cph.commands import AdbCommand
from koophone_async.services.cph.undocumented import RawRequest
from koophone_async.services.koophone import apps, instances, orders, streaming, video
from koophone_async.wire import Edition, decode, request_from_wire, spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from koophone_async.emulator.server.errors import Refusal
    from koophone_async.operation import AnyOperation
    from koophone_async.wire import Json

# Header tables that do not list it, or call it optional (KooPhone 4.1.7, 4.2, 4.3.1, 4.3.2, 4.4.1).
_WITHOUT_REQUEST_ID: Final = frozenset(
    operation.name
    for operation in (
        streaming.AUTHORIZE,
        orders.SKUS,
        orders.BUY,
        orders.UNSUBSCRIBE,
        streaming.PREPARE,
        streaming.PROGRESS,
        apps.INSTALL,
    )
)


# What the client fills in by itself, and other callers must say (KooPhone 4.1.10, 4.2.1, 4.4.1).
_MANDATORY: Final[Mapping[str, Sequence[str]]] = {
    instances.LIST.name: ("page_no", "page_size"),
    orders.SKUS.name: ("type",),
    apps.INSTALL.name: ("biz_type", "content_type"),
}


@frozen
class Asked:
    """What of a request says what is wanted."""

    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    body: bytes
    request_id: str | None


def read(operation: AnyOperation, asked: Asked, edition: Edition, *, strict: bool) -> Any:  # noqa: ANN401 - the operation's own class
    """Build the operation's request.

    Args:
        operation: What is asked for.
        asked: As it came.
        edition: Whose numbers are spoken.
        strict: Whether what the documents refuse is refused; else only what cannot be read is.

    Raises:
        Refusal: A header, a field or the whole is not as the documents have it.
    """
    if strict and operation.service == "koophone":
        _check_request_id(operation, asked)
    if operation.request is RawRequest:
        return RawRequest.of(dict(asked.query), _body(operation, asked.body))
    values = _values(operation, asked)
    if strict:
        _check_present(operation, values)
    if strict and (code := _precise(operation, values)):
        raise cph(code) if _is_cph(operation) else koophone(code)
    try:
        with nullcontext() if strict else attrs.validators.disabled():
            request = request_from_wire(operation.request, values, edition)
    except InvalidRequest as error:
        raise _invalid(operation, error) from error
    if strict:
        _check_batch(operation, request)
    return request


def _check_request_id(operation: AnyOperation, asked: Asked) -> None:
    given = asked.request_id or any(name == "x-request-id" and value for name, value in asked.query)
    if not given and operation.name not in _WITHOUT_REQUEST_ID:
        raise koophone("0002")


def _check_present(operation: AnyOperation, values: Json) -> None:
    for name in _MANDATORY.get(operation.name, ()):
        if not values.get(name):
            raise koophone("1000", f"{name} is missing")


def _check_batch(operation: AnyOperation, request: object) -> None:
    batch = operation.batch
    if batch is not None and len(getattr(request, batch.field)) > batch.max:
        problem = f"holds more than {batch.max} items"
        raise _invalid(operation, InvalidRequest("", batch.field, problem, Rule.TOO_MANY, batch.max))


def _invalid(operation: AnyOperation, error: InvalidRequest) -> Refusal:
    if _is_cph(operation):
        figures = () if error.limit is None else (error.limit,)
        return cph(error_codes.code(operation, error.field, error.rule), *figures, reason=str(error))
    return invalid(str(error)) if operation.service == "iam" else koophone("1000", str(error))


def _is_cph(operation: AnyOperation) -> bool:
    return operation.service in ("cph", "gaming")


# The quick start asks so for jobs (CPH 4, 2025-02-08), and so did the list of 2020-07-30.
_ALSO: Final = {(jobs.LIST.name, "request_id"): "request_ids"}


@cache
def _lists(operation: AnyOperation) -> Mapping[str, str]:
    """Return the fields that hold lists, by their names on the wire."""
    types = get_type_hints(operation.request)
    return {spelling(a).name: a.name for a in attrs.fields(operation.request) if _holds_list(types[a.name])}


def _holds_list(hint: Any) -> bool:  # noqa: ANN401 - any annotation
    return get_origin(hint) is tuple or any(get_origin(part) is tuple for part in get_args(hint))


def _values(operation: AnyOperation, asked: Asked) -> Json:
    lists = _lists(operation)
    values: Json = {}
    for written, value in asked.query:
        name = _ALSO.get((operation.name, written), written)
        if name in lists:
            values.setdefault(name, []).append(value)
        else:
            values[name] = value
    values |= _body(operation, asked.body)
    values |= asked.path
    for name, field in lists.items():
        # A bare string would be read letter by letter.
        if name in values and not _is_list(values[name]):
            raise _invalid(operation, InvalidRequest("", field, "is not a list", Rule.WRONG_TYPE))
    for name, word in only_words(operation).items() if _is_cph(operation) else ():
        if values.get(name) != word:
            raise _invalid(operation, InvalidRequest("", name, f"is not {word!r}", Rule.NOT_A_CHOICE))
    return _one_of_two(operation, values)


def _one_of_two(operation: AnyOperation, values: Json) -> Json:
    """Forget the servers where phones are named too, as CPH does with commands (CPH 5.7.1)."""
    if issubclass(operation.request, AdbCommand) and values.get("phone_ids"):
        return {name: value for name, value in values.items() if name != "server_ids"}
    return values


def _body(operation: AnyOperation, body: bytes) -> Json:
    if not body:
        return {}
    try:
        decoded = decode(body)
    except msgspec.DecodeError as error:
        raise _invalid(operation, InvalidRequest("", "body", "is not JSON", Rule.BAD_FORMAT)) from error
    if not isinstance(decoded, dict):
        raise _invalid(operation, InvalidRequest("", "body", "is not a JSON object", Rule.WRONG_TYPE))
    return cast("Json", decoded)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _precise(operation: AnyOperation, values: Json) -> str | None:
    """Find the code that tells more than 1000, where the documents have one."""
    find = _CODES.get(operation.name)
    return find(values) if find else None


def _of_list(values: Json) -> str | None:
    given = (values.get("query_start_time"), values.get("query_end_time"))
    try:
        moments = [datetime.strptime(str(at), "%Y-%m-%d %H:%M:%S") for at in given if at]  # noqa: DTZ007 - all UTC
    except ValueError:
        return "5002"
    return "5004" if moments != sorted(moments) else None


def _of_video(values: Json) -> str | None:
    given = values.get("instance_settings")
    settings = given if _is_list(given) else []
    rows = [cast("Json", one) for one in settings if isinstance(one, dict)]
    found = {(str(row.get("network_type")), str(row.get("encoding_type"))) for row in rows}
    return "1005" if len(found) < len(video.Network) * len(video.Encoding) else None


def _of_order(values: Json) -> str | None:
    if not values.get("os"):
        return "3003"
    charge = values.get("chargeParam")
    charged = cast("Json", charge) if isinstance(charge, dict) else {}
    period, count = charged.get("periodType"), charged.get("periodNum")
    if not isinstance(count, int):
        return None
    if not charged.get("chargingMode"):
        return "1000"
    if period == 2 and not 1 <= count <= 9:
        return "3006"
    return "3007" if period == 3 and not 1 <= count <= 10 else None


def _of_install(values: Json) -> str | None:
    if str(values.get("fast_install", 0)) not in ("0", "1"):
        return "3008"
    size = str(values.get("object_size", 0))
    if not apps.is_number(size):
        return "62006"
    return "62015" if float(size) > apps.MOST_MEGABYTES else None


_CODES: Final[Mapping[str, Callable[[Json], str | None]]] = {
    instances.LIST.name: _of_list,
    video.SET.name: _of_video,
    orders.BUY.name: _of_order,
    apps.INSTALL.name: _of_install,
    tags.ADD.name: error_codes.reserved,
}
