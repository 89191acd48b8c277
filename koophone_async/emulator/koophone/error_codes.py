"""KooPhone's error codes for invalid requests, where the documents have one more precise than 1000."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeGuard, cast

from koophone_async.operation import AnyOperation
from koophone_async.services.koophone import apps, instances, orders, video
from koophone_async.wire import Json


def precise_code(operation: AnyOperation, values: Json) -> str | None:
    """Return the number of the code for a request, by its fields on the wire; None if there is only 1000."""
    find = _CODES.get(operation.name)
    return find(values) if find else None


def _query_code(values: Json) -> str | None:
    times = (values.get("query_start_time"), values.get("query_end_time"))
    try:
        parsed = [datetime.strptime(str(time), "%Y-%m-%d %H:%M:%S") for time in times if time]  # noqa: DTZ007 - all UTC
    except ValueError:
        return "5002"
    return "5004" if parsed != sorted(parsed) else None


def _video_code(values: Json) -> str | None:
    settings = values.get("instance_settings")
    rows = [cast("Json", row) for row in settings if isinstance(row, dict)] if _is_list(settings) else []
    combinations = {(str(row.get("network_type")), str(row.get("encoding_type"))) for row in rows}
    return "1005" if len(combinations) < len(video.Network) * len(video.Encoding) else None


def _order_code(values: Json) -> str | None:
    if not values.get("os"):
        return "3003"
    charge = values.get("chargeParam")
    fields = cast("Json", charge) if isinstance(charge, dict) else {}
    period, count = fields.get("periodType"), fields.get("periodNum")
    if not isinstance(count, int):
        return None
    if not fields.get("chargingMode"):
        return "1000"
    if period == 2 and not 1 <= count <= 9:
        return "3006"
    return "3007" if period == 3 and not 1 <= count <= 10 else None


def _install_code(values: Json) -> str | None:
    if str(values.get("fast_install", 0)) not in ("0", "1"):
        return "3008"
    size = str(values.get("object_size", 0))
    if not apps.is_number(size):
        return "62006"
    return "62015" if float(size) > apps.MAX_PACKAGE_MB else None


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


_CODES: Final[Mapping[str, Callable[[Json], str | None]]] = {
    instances.LIST.name: _query_code,
    video.SET.name: _video_code,
    orders.BUY.name: _order_code,
    apps.INSTALL.name: _install_code,
}

CHECKED: Final = _CODES.keys()
"""The names of the operations for which there are more precise codes."""
