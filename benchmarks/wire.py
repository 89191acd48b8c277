"""Reading answers into models, and writing requests."""

from __future__ import annotations

import json
from datetime import datetime
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import msgspec

from benchmarks import vendor
from benchmarks.measure import FLOOR, OURS, VENDOR, Result, by_turns, report
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


def _floor(row: Json, *around: str) -> Callable[[bytes], object]:
    """Let msgspec fill attrs classes that call everything as the wire does; it reads times itself."""
    kind: Any = _made({name: _floor_type(name, value) for name, value in row.items()})
    for name in around:
        inside: Any = kind if name == "data" else GenericAlias(list, (kind,))
        kind = _made({name: inside})
    return msgspec.json.Decoder(kind).decode


def _floor_type(name: str, value: object) -> type:
    if isinstance(value, dict):
        return _made(dict.fromkeys(cast("dict[str, str]", value), str))
    return datetime if name.endswith("_time") else type(value)


def _made(types: dict[str, type]) -> type:
    fields = {name: attrs.field(type=type_) for name, type_ in types.items()}
    return attrs.make_class("Floor", fields, frozen=True, slots=True)


def _reading(operation: AnyOperation, body: bytes) -> dict[str, Callable[[], object]]:
    received = RawResponse(200, {}, body)
    return {
        OURS: lambda: read(operation, received, Edition.CHINA, None),
        "patiently": lambda: fallback.decode(operation, received, Edition.CHINA, None),
        "json.loads": lambda: json.loads(body),
    }


def _read_results() -> list[Result]:
    koophone, cph = instance_list(100), phone_list(100)
    page, rows = _floor(phone(1), "phones"), _floor(instance(1), "result", "data")
    peers = {FLOOR: lambda: page(cph), VENDOR: vendor.reading(cph, "ListCloudPhonesResponse")}
    floor = {FLOOR: lambda: rows(koophone)}
    limits: Any = {"most": 0.25 / 0.074, "absolute": 0.25, "guarded": True}
    of_cph = by_turns(peers | _reading(phones.LIST, cph), loops=40, scale=1e3)
    of_koophone = by_turns(floor | _reading(instances.LIST, koophone), loops=40, scale=1e3)
    return [
        Result("wire", "read a list of 100 phones (CPH)", "ms CPU", of_cph, **limits),
        Result("wire", "read a list of 100 instances (KooPhone)", "ms CPU", of_koophone, **limits),
    ]


def _write_result() -> Result:
    body = {"instance_ids": IDS, "command": "getprop"}
    sdk = vendor.v1.RunShellCommandRequestBody(command="shell", content="getprop", phone_ids=IDS)
    ways = {
        FLOOR: lambda: wire.encode(body),
        VENDOR: lambda: json.dumps(vendor.sanitized(sdk)),
        OURS: lambda: wire.encode_request(commands.RUN, commands.RunCommand(IDS, "getprop")),
    }
    return Result("wire", "write a command for 100 ids", "µs CPU", by_turns(ways, loops=500), guarded=True)


def results() -> Sequence[Result]:
    """Measure both directions; the floor of reading knows neither envelope, nor times, nor odd answers."""
    return [*_read_results(), _write_result()]


if __name__ == "__main__":
    report(results())
