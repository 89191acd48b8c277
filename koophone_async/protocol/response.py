"""An HTTP response as it came, before anything of it is interpreted."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING, Final

from attrs import define, field
from yarl import URL

from koophone_async.protocol.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime


_MAX_PLACE: Final = 200
"""Characters of an address that are shown."""

_MAX_KIND: Final = 60
"""Characters of a content type that are shown."""


def _place(location: str) -> str:
    """Return the address that a redirect leads to, without user, query and fragment."""
    try:
        url = URL(location)
        place = str(url.with_user(None) if url.absolute else url).partition("?")[0].partition("#")[0]
    except ValueError:
        place = ""
    printable = "".join(character for character in place if character.isprintable())
    return redact(printable[:_MAX_PLACE]) or "nowhere"


# Not frozen: that would triple the time to create one, and the body is read after the head.
@define
class RawResponse:
    """Status, headers and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    close_connection: Callable[[], None] = field(default=lambda: None, eq=False, repr=False)
    """Closes the connection that the response came over, which is otherwise used again."""

    @property
    def succeeded(self) -> bool:
        """Whether the status is 2xx. KooPhone sends errors with 200 too, so the body decides."""
        return self.status < 300

    @property
    def peculiarity(self) -> str:
        """What shows that the response is not from the service: a redirect, or another content than JSON.

        Empty if nothing does. Of the place that a redirect leads to, user and query are left out.
        """
        parts: list[str] = []
        if 300 <= self.status < 400:
            parts.append(f"redirected to {_place(self.headers.get('Location', ''))}")
        kind = redact(self.headers.get("Content-Type", "").partition(";")[0].strip()[:_MAX_KIND])
        if not self.body:
            parts.append("the answer is empty")
        elif kind and not kind.endswith("json") and not self.body.lstrip().startswith(b"{"):
            parts.append(f"the answer is {kind}")
        return ", ".join(parts)

    @property
    def date(self) -> datetime | None:
        """The time of the service, from `Date`."""
        try:
            date = parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError, OverflowError):  # not a date, or out of range
            return None
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @property
    def retry_after(self) -> float | None:
        """The seconds of `Retry-After`; a date counts from the response's own `Date`."""
        value = self.headers.get("Retry-After", "").strip()
        if not value:
            return None
        if value.isdecimal() and isfinite(seconds := float(value)):
            return seconds
        try:
            delay = parsedate_to_datetime(value) - parsedate_to_datetime(self.headers.get("Date", ""))
        except (ValueError, TypeError, OverflowError):  # not a date, without a zone, or out of range
            return None
        return max(0.0, delay.total_seconds())
