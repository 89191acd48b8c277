"""A wait as a string, for another process to take up."""

from __future__ import annotations

import base64
import binascii
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import msgspec
from attrs import evolve, field, frozen

from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION: Final = "kp1."
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST: Final = 8 * 1024 * 1024
"""Bytes of JSON that a resume token may unfold to; 100 jobs take about 8,000."""

_Content = tuple[str, str, dict[str, str], int | None]


def _copied(jobs: Mapping[str, str]) -> dict[str, str]:
    return dict(jobs)


@frozen
class ResumeToken:
    """What it takes to await jobs again, here or elsewhere. It holds no secret.

    `str(resume_token)` is safe in a URL and a file name; `ResumeToken.parse` reads it back.
    """

    operation: str
    """The operation that started the jobs, such as `koophone.commands.run`."""

    handle: str
    """The task or request id that they are looked up by."""

    jobs: Mapping[str, str] = field(converter=_copied)
    """Instance id by job id."""

    started_at: datetime | None = None
    """When the jobs were started, by the wall clock of who started them; None as long as nobody said."""

    def since(self, now: datetime) -> Self:
        """Keep a moment as the one when the jobs were started, unless one is kept."""
        return evolve(self, started_at=self.started_at or now)

    def age(self, now: datetime) -> float:
        """Tell how many seconds ago the jobs were started, as far as both clocks agree."""
        return max(0.0, (now - self.started_at).total_seconds()) if self.started_at else 0.0

    def __str__(self) -> str:
        """Fold the resume token into letters, digits, `-`, `_` and one dot."""
        begun = self.started_at and (self.started_at - _EPOCH) // timedelta(microseconds=1)
        content = msgspec.json.encode((self.operation, self.handle, self.jobs, begun))
        return _VERSION + base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> ResumeToken:
        """Read a resume token.

        Raises:
            InvalidRequest: The text is no resume token, or one of a newer version.
        """
        if not text.startswith(_VERSION):
            raise InvalidRequest("", "resume_token", f"it does not start with {_VERSION!r}")
        try:
            operation, handle, jobs, begun = msgspec.json.decode(_unfolded(text), type=_Content)
            started_at = None if begun is None else _EPOCH + timedelta(microseconds=begun)
            return cls(operation, handle, jobs, started_at)
        except (ValueError, OverflowError, zlib.error) as error:
            raise InvalidRequest("", "resume_token", "it is broken or cut short") from error


def _unfolded(text: str) -> bytes:
    folded = text.removeprefix(_VERSION).encode()
    padded = folded + b"=" * (-len(folded) % 4)
    unfold = zlib.decompressobj()
    content = unfold.decompress(base64.b64decode(padded, altchars=b"-_", validate=True), _LARGEST)
    if not unfold.eof:
        raise binascii.Error
    return content
