"""Decoding answers into models, and encoding requests."""

from __future__ import annotations

import json
from datetime import datetime
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import msgspec

from benchmarks import vendor
from benchmarks.measure import FLOOR, OURS, VENDOR, Result, measure_calls, report
from benchmarks.server import instance, instance_list, phone, phone_list
from koophone_async import Edition, wire
from koophone_async.protocol.decoders import fallback
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.cph import phones
from koophone_async.services.koophone import commands, instances

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.server import Json
    from koophone_async.operation import AnyOperation

IDS: Final = [f"i{n:07}" for n in range(100)]


def _floor(row: Json, *wrappers: str) -> Callable[[bytes], object]:
    """Return a decoder of msgspec into attrs classes with the field names of the API."""
    kind: Any = _create_class({name: _floor_type(name, value) for name, value in row.items()})
    for name in wrappers:
        item: Any = kind if name == "data" else GenericAlias(list, (kind,))
        kind = _create_class({name: item})
    return msgspec.json.Decoder(kind).decode


def _floor_type(name: str, value: object) -> type:
    if isinstance(value, dict):
        return _create_class(dict.fromkeys(cast("dict[str, str]", value), str))
    return datetime if name.endswith("_time") else type(value)


def _create_class(types: dict[str, type]) -> type:
    fields = {name: attrs.field(type=type_) for name, type_ in types.items()}
    return attrs.make_class("Floor", fields, frozen=True, slots=True)


def _decoders(operation: AnyOperation, body: bytes) -> dict[str, Callable[[], object]]:
    response = RawResponse(200, {}, body)
    return {
        OURS: lambda: read(operation, response, Edition.CHINA, None),
        "fallback": lambda: fallback.decode(operation, response, Edition.CHINA, None),
        "json.loads": lambda: json.loads(body),
    }


def _decoding_results() -> list[Result]:
    koophone, cph = instance_list(100), phone_list(100)
    page, rows = _floor(phone(1), "phones"), _floor(instance(1), "result", "data")
    peers = {FLOOR: lambda: page(cph), VENDOR: vendor.reading(cph, "ListCloudPhonesResponse")}
    floor = {FLOOR: lambda: rows(koophone)}
    limits: Any = {"max_ratio": 2.0, "max_value": 0.25, "guarded": True}
    of_cph = measure_calls(peers | _decoders(phones.LIST, cph), loops=40, scale=1e3)
    of_koophone = measure_calls(floor | _decoders(instances.LIST, koophone), loops=40, scale=1e3)
    return [
        Result("wire", "decode a list of 100 phones (CPH)", "ms CPU", of_cph, **limits),
        Result("wire", "decode a list of 100 instances (KooPhone)", "ms CPU", of_koophone, **limits),
    ]


def _encoding_result() -> Result:
    body = {"instance_ids": IDS, "command": "getprop"}
    sdk = vendor.v1.RunShellCommandRequestBody(command="shell", content="getprop", phone_ids=IDS)
    ways = {
        FLOOR: lambda: wire.encode(body),
        VENDOR: lambda: json.dumps(vendor.sanitized(sdk)),
        OURS: lambda: wire.encode_request(commands.RUN, commands.RunCommand(IDS, "getprop")),
    }
    return Result(
        "wire", "encode a command for 100 ids", "µs CPU", measure_calls(ways, loops=500), guarded=True
    )


def results() -> Sequence[Result]:
    """Measure both directions; the floor of decoding handles no envelope and no malformed answers."""
    return [*_decoding_results(), _encoding_result()]


if __name__ == "__main__":
    report(results())
