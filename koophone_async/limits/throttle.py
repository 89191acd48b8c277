"""Parse the quota that a 429 states."""

from __future__ import annotations

import re
from typing import Final

from koophone_async.operation import Quota

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_FIGURES: Final = (
    r"\blimit\s*[:=]\s*(?P<permits>[0-9]{1,9})\s*[,;]"
    r"\s*time\s*[:=]\s*(?P<count>[0-9]{1,6})?\s*(?P<unit>second|minute|hour|day)s?\b"
)


def parse_quota(text: str) -> Quota | None:
    """Parse the quota in the message of a 429, such as `...over ratelimit,limit:6,time:1 minute`.

    Returns:
        The quota, or None if the message states none, or one of zero calls or zero time.

    API: API Gateway, error APIG.0308; the message is known from the vendor's answers, no document states it.
    """
    match = re.search(_FIGURES, text, re.IGNORECASE)
    if match is None:
        return None
    permits, seconds = int(match["permits"]), int(match["count"] or 1) * _SECONDS[match["unit"].lower()]
    return Quota(permits, seconds) if permits and seconds else None
