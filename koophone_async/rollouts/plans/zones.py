"""Time zones, and the moments of local times, some of which do not exist or come twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from koophone_async.errors import InvalidRequest, Rule


def zone_of(name: str, field: str) -> ZoneInfo:
    """Return a time zone by name.

    Args:
        name: Such as `Asia/Shanghai`.
        field: What is wrong if there is no such zone.

    Raises:
        InvalidRequest: No zone has this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(name, available_timezones(), 1)
        hint = f"; did you mean {near[0]}?" if near else "; expected a name such as Asia/Shanghai"
        raise InvalidRequest("", field, f"{name!r} is no known time zone{hint}", Rule.NOT_A_CHOICE) from None


def moment_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time, in UTC: the first of two, and for one that is skipped the next.

    Args:
        local: A time without a zone.
        zone: The zone whose clocks show it.
    """
    at = local.replace(tzinfo=zone)
    moment = at.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local:
        return moment
    # Clocks are put forward between the moments that the offsets after and before the change stand for.
    before, after = at.replace(fold=1).astimezone(UTC), moment
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
