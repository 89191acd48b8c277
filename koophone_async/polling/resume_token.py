"""Resume tokens: a wait as a string, which another process can resume."""

from __future__ import annotations

import base64
import binascii
import re
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
_MAX_DECOMPRESSED: Final = 8 * 1024 * 1024
"""The maximum size of the decompressed JSON in bytes; 100 jobs have about 8,000."""

_TOKEN: Final = re.compile(r"kp\d+\.")
"""Start of a resume token of any version. No id of the services has a dot."""

_Content = tuple[str, str, dict[str, str], int | None]


def _copied(jobs: Mapping[str, str]) -> dict[str, str]:
    return dict(jobs)


@frozen
class ResumeToken:
    """Everything needed to wait for jobs again, in this or another process. It contains no secret.

    `str(resume_token)` is safe in URLs and file names; `ResumeToken.parse` reads it back.
    """

    operation: str
    """The operation that started the jobs, such as `koophone.commands.run`."""

    handle: str
    """The task or request id that the jobs are looked up by."""

    jobs: Mapping[str, str] = field(converter=_copied)
    """Phone ids by job id."""

    started_at: datetime | None = None
    """When the jobs were started, by the wall clock of the process that started them; None if unknown."""

    def since(self, now: datetime) -> Self:
        """Return a token that has a start time: its own, else `now`."""
        return evolve(self, started_at=self.started_at or now)

    def age(self, now: datetime) -> float:
        """Return the seconds since the jobs were started, as far as both clocks agree."""
        return max(0.0, (now - self.started_at).total_seconds()) if self.started_at else 0.0

    def __str__(self) -> str:
        """Encode the token in letters, digits, `-`, `_` and one dot."""
        started = self.started_at and (self.started_at - _EPOCH) // timedelta(microseconds=1)
        content = msgspec.json.encode((self.operation, self.handle, self.jobs, started))
        return _VERSION + base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")

    @classmethod
    def is_token(cls, text: str) -> bool:
        """Return whether a text is a resume token of some version, and not an id of the service."""
        return _TOKEN.match(text) is not None

    @classmethod
    def parse(cls, text: str) -> ResumeToken:
        """Parse a resume token.

        Raises:
            InvalidRequest: The text is not a resume token, or one of a newer version.
        """
        if not text.startswith(_VERSION):
            raise InvalidRequest("", "resume_token", f"does not start with {_VERSION!r}")
        try:
            operation, handle, jobs, started = msgspec.json.decode(_decompress(text), type=_Content)
            started_at = None if started is None else _EPOCH + timedelta(microseconds=started)
            return cls(operation, handle, jobs, started_at)
        except (ValueError, OverflowError, zlib.error) as error:
            raise InvalidRequest("", "resume_token", "is damaged or incomplete") from error


def _decompress(text: str) -> bytes:
    encoded = text.removeprefix(_VERSION).encode()
    padded = encoded + b"=" * (-len(encoded) % 4)
    stream = zlib.decompressobj()
    content = stream.decompress(base64.b64decode(padded, altchars=b"-_", validate=True), _MAX_DECOMPRESSED)
    if not stream.eof:
        raise binascii.Error
    return content
