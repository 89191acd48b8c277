"""What the service's own words say about a quota."""

from __future__ import annotations

import re
from typing import Final

from koophone_async.operation import Quota

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_FIGURES: Final = re.compile(
    r"\blimit\s*[:=]\s*(?P<permits>[0-9]{1,9})\s*[,;]\s*time\s*[:=]\s*(?P<count>[0-9]{1,6})?\s*(?P<unit>second|minute|hour|day)s?\b",
    re.IGNORECASE,
)


def read_throttle(text: str) -> Quota | None:
    """Read the quota that a throttled answer names, as in `...over ratelimit,limit:6,time:1 minute`.

    Returns:
        The quota, or None where the text names none (or one of no calls, or no time, at all).

    API: API Gateway, error APIG.0308; the text is known from the vendor's answers, no document states it.
    """
    found = _FIGURES.search(text)
    if found is None:
        return None
    permits, seconds = int(found["permits"]), int(found["count"] or 1) * _SECONDS[found["unit"].lower()]
    return Quota(permits, seconds) if permits and seconds else None
