"""Signed links: when they expire."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_LIFETIME: Final = re.compile(r"x-(?P<vendor>[a-z0-9]+)-expires")
"""Parameter with the seconds that a link is valid; `x-VENDOR-date` has its beginning."""

_MAX_EPOCH: Final = 253_402_300_799
"""The last second of the year 9999."""


def link_expiry(url: str) -> datetime | None:
    """Return when a signed link expires; None if it does not state it.

    Links are signed with `Expires`, in seconds since 1970, as OBS does by default, or with a beginning and a
    lifetime, such as `X-Amz-Date` and `X-Amz-Expires`, or `X-Obs-Date` and `X-Obs-Expires`.
    """
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    except ValueError:
        return None
    for name, value in query.items():
        if match := _LIFETIME.fullmatch(name):
            began, seconds = _date(query.get(f"x-{match['vendor']}-date", "")), _number(value)
            return began + timedelta(seconds=seconds) if began and seconds is not None else None
    expires = _number(query.get("expires", ""))
    return None if expires is None else datetime.fromtimestamp(expires, UTC)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,12}", text) and int(text) <= _MAX_EPOCH else None


def _date(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
