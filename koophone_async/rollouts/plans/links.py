"""Signed links in plans: when they expire."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.context import Context, Reference
from koophone_async.rollouts.plans.steps import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from koophone_async.rollouts.plans.plan import Plan

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


def expiring_links(plan: Plan) -> Iterator[tuple[str, datetime]]:
    """Yield the path of each link in the steps of a plan that states when it expires, and when.

    Links that are references are read now.

    Raises:
        InvalidRequest: A reference cannot be read.
    """
    for index, step in enumerate(plan.steps):
        for path, value in leaves(step.arguments, f"steps[{index}].{step.verb}"):
            with Context(path).located():
                text = value.read() if isinstance(value, Reference) else value
            if isinstance(text, str) and (expires := link_expiry(text)) is not None:
                yield path, expires


def check_links(plan: Plan, until: datetime) -> None:
    """Refuse a plan with a link that expires before a rollout is likely to end.

    Raises:
        InvalidRequest: A link does, or a reference cannot be read.
    """
    for path, expires in expiring_links(plan):
        if expires < until:
            times = f"{expires:{_FORMAT}}, and the rollout may last until {until:{_FORMAT}}"
            raise InvalidRequest("", path, f"is a link that expires at {times}", Rule.OUT_OF_RANGE)


_FORMAT: Final = "%Y-%m-%d %H:%M:%S %Z"
