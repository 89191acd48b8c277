"""Parsing of requests into the classes of their operations, with the service's errors for invalid ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from functools import cache
from typing import Any, Final, TypeGuard, cast, get_args, get_origin, get_type_hints

import attrs
from attrs import define

from koophone_async.emulator.cph import error_codes as cph_codes
from koophone_async.emulator.koophone import error_codes as koophone_codes
from koophone_async.emulator.server.errors import Refusal, cph_refusal, invalid_body, koophone_refusal
from koophone_async.emulator.server.fast_parsing import NOT_PARSED, fast_parser
from koophone_async.emulator.server.routing import NOT_JSON, constant_fields
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import AnyOperation
from koophone_async.services.cph import jobs, scheduled_events, servers
from koophone_async.services.cph.commands import AdbCommand
from koophone_async.services.cph.undocumented import RawRequest
from koophone_async.services.koophone import apps, instances, orders, streaming
from koophone_async.text_input import MAX_DEPTH, check_depth
from koophone_async.wire import Edition, Json, decode, request_from_wire, spelling

# Operations whose tables of headers lack `x-request-id`, or call it optional (KooPhone 4.1.7, 4.2, 4.3.1,
# 4.3.2, 4.4.1).
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

# Required fields that the client always fills in, so that its models have defaults for them (KooPhone 4.1.10,
# 4.2.1, 4.4.1).
_REQUIRED: Final[Mapping[str, Sequence[str]]] = {
    instances.LIST.name: ("page_no", "page_size"),
    orders.SKUS.name: ("type",),
    apps.INSTALL.name: ("biz_type", "content_type"),
}


_REQUEST_ID: Final = re.compile("[A-Za-z0-9._:-]{1,128}")
"""A valid `x-request-id`. No document states the format that code 0003 is about: this is a guess."""

# What a service assumes where the client always sends a value. The vendor's page of 2025-10-28 states it; the
# documents lack the operation.
_DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {scheduled_events.LIST.name: {"limit": "10"}}

_SPECIAL: Final = _REQUIRED.keys() | koophone_codes.CHECKED
"""Operations with more rules than their request classes have."""


# Not frozen: that would double the time to create one.
@define
class HttpRequest:
    """The parts of an HTTP request that its operation is parsed from."""

    path: Mapping[str, str]
    """The values in the path, by name."""

    query: Sequence[tuple[str, str]]
    body: bytes
    request_id: str | None
    """The header `x-request-id`."""


def parse_request(operation: AnyOperation, http: HttpRequest, edition: Edition, *, strict: bool) -> Any:  # noqa: ANN401 - the operation's own class
    """Parse a request into the request class of its operation.

    Args:
        operation: Whose class is built.
        http: The request as received.
        edition: The edition of KooPhone, which decides what the numbers of some enums mean.
        strict: Whether all rules of the documents are checked; otherwise a request only has to be readable.

    Raises:
        Refusal: A header is missing, or a field is missing or invalid.
    """
    if strict and operation.service == "koophone":
        _check_request_id(operation, http)
    if operation.request is RawRequest:
        return RawRequest.of(dict(http.query), _parse_body(operation, http.body))
    request = _parse_fast(operation, http) if strict else None
    if request is None:
        request = _parse(operation, http, edition, strict=strict)
    if strict:
        _check_batch(operation, request)
    return request


def _parse_fast(operation: AnyOperation, http: HttpRequest) -> object:
    parse = None if http.query or operation.name in _SPECIAL else fast_parser(operation)
    try:
        return parse and parse(http.body)
    except NOT_PARSED:
        return None


def _parse(operation: AnyOperation, http: HttpRequest, edition: Edition, *, strict: bool) -> Any:  # noqa: ANN401 - the operation's own class
    values = _wire_values(operation, http)
    if strict:
        _check_required(operation, values)
        _check_codes(operation, values)
    try:
        with nullcontext() if strict else attrs.validators.disabled():
            return request_from_wire(operation.request, values, edition)
    except InvalidRequest as error:
        raise _refusal(operation, error) from error


def _check_request_id(operation: AnyOperation, http: HttpRequest) -> None:
    in_query = (value for name, value in http.query if name == "x-request-id")
    request_id = http.request_id or next(in_query, "")
    if not request_id and operation.name not in _WITHOUT_REQUEST_ID:
        raise koophone_refusal("0002")
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        raise koophone_refusal("0003", "it is not 1 to 128 letters, digits, '-', '_', '.' or ':'")


def _check_required(operation: AnyOperation, values: Json) -> None:
    for name in _REQUIRED.get(operation.name, ()):
        if not values.get(name):
            raise koophone_refusal("1000", f"{name} is missing")


def _check_codes(operation: AnyOperation, values: Json) -> None:
    """Raise the refusals that have codes of their own, which go before those for any invalid field."""
    for name in _invalid_ids(values):
        raise _refusal(operation, InvalidRequest("", name, "is not text", Rule.WRONG_TYPE))
    if code := cph_codes.precise_code(operation, values):
        raise cph_refusal(code)
    if code := koophone_codes.precise_code(operation, values):
        raise koophone_refusal(code)


def _invalid_ids(value: object) -> Iterator[str]:
    """Yield the names on the wire of ids and lists of ids that contain a number or a boolean."""
    if _is_list(value):
        for item in value:
            if not isinstance(item, str):
                yield from _invalid_ids(item)
    if not isinstance(value, dict):
        return
    for name, inner in cast("Json", value).items():
        types = {*map(type, inner if _is_list(inner) else [inner])}
        if name.endswith(("_id", "_ids")) and not _NUMBERS.isdisjoint(types):
            yield name
        if types != _TEXT_ONLY:
            yield from _invalid_ids(inner)


_NUMBERS: Final = frozenset({int, float, bool})
_TEXT_ONLY: Final[AbstractSet[type]] = {str}
"""The types in a list of ids, which is long and nearly always of text."""


def _check_batch(operation: AnyOperation, request: object) -> None:
    batch = operation.batch
    if batch is not None and len(getattr(request, batch.field)) > batch.max:
        problem = f"has more than {batch.max} items"
        raise _refusal(operation, InvalidRequest("", batch.field, problem, Rule.TOO_MANY, batch.max))


def _refusal(operation: AnyOperation, error: InvalidRequest) -> Refusal:
    """Return the service's error for an invalid field."""
    if _is_cph(operation):
        figures = () if error.limit is None else (error.limit,)
        code = cph_codes.error_code(operation, error.field, error.rule)
        return cph_refusal(code, *figures, reason=str(error))
    return invalid_body(str(error)) if operation.service == "iam" else koophone_refusal("1000", str(error))


def _is_cph(operation: AnyOperation) -> bool:
    return operation.service in ("cph", "gaming")


# Other names of query parameters: the quick start (CPH 4, 2025-02-08) and the list of 2020-07-30 use it.
_ALIASES: Final = {(jobs.LIST.name, "request_id"): "request_ids"}


@cache
def _list_fields(operation: AnyOperation) -> Mapping[str, str]:
    """Return the fields of a request that are lists, by their names on the wire."""
    types = get_type_hints(operation.request)
    return {spelling(a).name: a.name for a in attrs.fields(operation.request) if _is_list_type(types[a.name])}


def _is_list_type(hint: Any) -> bool:  # noqa: ANN401 - any annotation
    return get_origin(hint) is tuple or any(get_origin(part) is tuple for part in get_args(hint))


def _wire_values(operation: AnyOperation, http: HttpRequest) -> Json:
    """Return the fields of a request by their names on the wire, from its path, query and body."""
    lists = _list_fields(operation)
    values: Json = dict(_DEFAULTS.get(operation.name, {}))
    for parameter, value in http.query:
        name = _ALIASES.get((operation.name, parameter), parameter)
        if name in lists:
            values.setdefault(name, []).append(value)
        else:
            values[name] = value
    values |= _parse_body(operation, http.body)
    values |= http.path
    for name, field in lists.items():
        # A string is a sequence too, and would be read as a list of its letters.
        if name in values and not _is_list(values[name]):
            raise _refusal(operation, InvalidRequest("", field, "is not a list", Rule.WRONG_TYPE))
    for name, constant in constant_fields(operation).items() if _is_cph(operation) else ():
        if values.get(name) != constant:
            raise _refusal(operation, InvalidRequest("", name, f"is not {constant!r}", Rule.NOT_A_CHOICE))
    if operation is servers.LIST and "network_version" in values:  # in capitals too (CPS.0240)
        values["network_version"] = str(values["network_version"]).lower()
    return _without_ignored(operation, values)


def _without_ignored(operation: AnyOperation, values: Json) -> Json:
    """Drop the servers of a command that names phones too, as CPH does (CPH 5.7.1)."""
    if issubclass(operation.request, AdbCommand) and values.get("phone_ids"):
        return {name: value for name, value in values.items() if name != "server_ids"}
    return values


def _parse_body(operation: AnyOperation, body: bytes) -> Json:
    if not body:
        return {}
    try:
        decoded = decode(body)
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH:  # with fewer brackets it cannot be too deep
            check_depth(decoded)
    except NOT_JSON as error:
        raise _refusal(operation, InvalidRequest("", "body", "is not JSON", Rule.BAD_FORMAT)) from error
    if not isinstance(decoded, dict):
        raise _refusal(operation, InvalidRequest("", "body", "is not a JSON object", Rule.WRONG_TYPE))
    return cast("Json", decoded)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
