"""The secrets of `koophone events serve`: AES keys and tickets by session."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import field, frozen

from koophone_async.cli.parameters.input_files import json_value, read_secrets
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from koophone_async.events import Access, Grant

KEY: Final = "KOOPHONE_EVENTS_KEY"
"""Environment variable with the AES key of all sessions, in base64."""

ANY_SESSION: Final = "*"
"""Key in the secrets file for all sessions that it does not list."""

_FIELDS: Final = frozenset({"key", "ticket", "until", "auth_ts"})
_SHOWN: Final = 3


@frozen
class Secrets:
    """AES keys by session, from a file or from the environment."""

    file: Path | None
    key: str | None = field(repr=False)

    @classmethod
    def of(cls, file: Path | None, environ: Mapping[str, str]) -> Secrets | None:
        """Return the secrets after checking each of them; None if there are none.

        Raises:
            InvalidRequest: The file cannot be used, or a secret is malformed.
        """
        secrets = cls(file, environ.get(KEY))
        if file is None and secrets.key is None:
            return None
        secrets.grants()
        return secrets

    @property
    def _source(self) -> str:
        return KEY if self.file is None else f"--secrets-file {self.file}"

    def _read(self) -> tuple[Mapping[str, Any], str | None]:
        """Return the secrets of all sessions, and a warning if others can read them.

        Raises:
            InvalidRequest: The file cannot be read, can be changed by others, or is not a JSON object.
        """
        if self.file is None:
            return {ANY_SESSION: self.key}, None
        data, warning = read_secrets(str(self.file), self._source)
        content = json_value(data, self._source)
        if not isinstance(content, dict):
            raise InvalidRequest("", self._source, "is not a JSON object")
        return cast("dict[str, Any]", content), warning

    def grants(self) -> dict[str, Grant | None]:
        """Return the grants of all sessions.

        Raises:
            InvalidRequest: The file cannot be used, or a secret is malformed.
        """
        return {session: self._grant(session, secret) for session, secret in self._read()[0].items()}

    async def lookup(self, access: Access) -> Grant | None:
        """Return the grant of a session; the file is read again, so that it can be changed at any time."""
        secrets, _ = self._read()
        session = access.session if access.session in secrets else ANY_SESSION
        return self._grant(session, secrets.get(session))

    def _grant(self, session: str, secret: object) -> Grant | None:
        try:
            return _grant(secret)
        except _Malformed as error:
            problem = f"{error} for session {session}"
        except (ValueError, TypeError, KeyError):
            problem = f"has no valid AES key in base64 for session {session}"
        # Raised outside of the handler, because the error may contain the key.
        raise InvalidRequest("", self._source, problem)

    def warnings(self) -> Iterator[str]:
        """Yield what makes these secrets weaker than they could be."""
        if self.file is not None and (warning := self._read()[1]):
            yield f"{self._source} {warning}"
        grants = {session: grant for session, grant in self.grants().items() if grant is not None}
        if any_ticket := [session for session, grant in grants.items() if grant.ticket is None]:
            yield (
                f"{self._source} has no ticket for {_list(any_ticket)}: any ticket is accepted, "
                "and replay is stopped only while the encrypted data is remembered"
            )
        endless = [s for s, grant in grants.items() if grant.ticket and not (grant.until or grant.auth_ts)]
        if endless:
            yield (
                f"{self._source} has neither until nor auth_ts for {_list(endless)}: replay is stopped only "
                "while the ticket is remembered"
            )


class _Malformed(ValueError):
    """A secret has a malformed field; the message contains no value of it."""


def _list(sessions: list[str]) -> str:
    more = f" and {len(sessions) - _SHOWN} more" if len(sessions) > _SHOWN else ""
    return f"session{'s' if len(sessions) > 1 else ''} {', '.join(sessions[:_SHOWN])}{more}"


def _grant(secret: object) -> Grant | None:
    from koophone_async.events import Grant  # noqa: PLC0415 - slow to import

    if secret is None:
        return None
    fields = cast("dict[str, object]", secret) if isinstance(secret, dict) else {"key": secret}
    if unknown := sorted(fields.keys() - _FIELDS):
        raise _Malformed(f"has unknown fields ({', '.join(unknown)})")
    key = fields["key"]
    if not isinstance(key, str):
        raise TypeError("the key is not text")
    try:
        return Grant(
            base64.b64decode(key, validate=True),
            cast("str | None", fields.get("ticket")),
            until=_time(fields.get("until")),
            auth_ts=_milliseconds(fields.get("auth_ts")),
        )
    except InvalidRequest as error:
        if error.field == "key":
            raise
        raise _Malformed(f"has a malformed {error.field}") from None


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(cast("str", value))
    except (TypeError, ValueError):
        raise _Malformed("has an until that is no time such as 2026-01-31T12:00:00Z") from None


def _milliseconds(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Malformed("has an auth_ts that is no number of milliseconds")
    return value
