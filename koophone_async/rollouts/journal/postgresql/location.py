"""URLs of journals in PostgreSQL: which part libpq reads, which part is ours, and what of it is shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from koophone_async.errors import InvalidRequest, Rule

if TYPE_CHECKING:
    from urllib.parse import SplitResult

SCHEMES: Final = frozenset({"postgresql", "postgres"})
DEFAULT_SCHEMA: Final = "koophone"

_HOSTS: Final = re.compile(
    r"(?:[\w.%-]+|\[[0-9a-f:.%]+\])?(?::\d*)?(?:,(?:[\w.%-]+|\[[0-9a-f:.%]+\])?(?::\d*)?)*", re.IGNORECASE
)
_OPTION: Final = re.compile(r"[a-z_]+=.*", re.DOTALL)
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SECRETS: Final = frozenset({"password", "sslpassword"})
"""Options of libpq that have a secret in them."""


@frozen
class PostgresLocation:
    """A journal in a PostgreSQL database."""

    label: str
    """What is shown of the URL: user, hosts and database."""

    url: str = field(repr=False)
    """What libpq connects to."""

    schema: str = DEFAULT_SCHEMA
    password_file: Path | None = None
    """A file that has the password, and nothing else, in it; read at each connection."""

    has_secret: bool = False
    """Whether a password is in the URL itself."""

    @property
    def is_shared(self) -> bool:
        """Whether other machines may use the journal."""
        return True

    @classmethod
    def of_url(cls, text: str) -> PostgresLocation:
        """Parse a URL of libpq, which may have the options `schema` and `password_file` too.

        Raises:
            InvalidRequest: It is none. Nothing of it is shown: it may have a password at an unexpected place.
        """
        url = urlsplit(text)
        options = [option for option in url.query.split("&") if option]
        if not _is_valid(url, options):
            problem = (
                "must have the form postgresql://USER@HOST/DATABASE?OPTION=VALUE;"
                " special characters in a part are written as %XX"
            )
            raise InvalidRequest("", "journal", problem, Rule.BAD_FORMAT)
        values = {name: unquote(value) for name, _, value in (option.partition("=") for option in options)}
        user, at, hosts = url.netloc.rpartition("@")
        schema, password_file = values.get("schema", DEFAULT_SCHEMA), values.get("password_file")
        if not _SCHEMA.fullmatch(schema):
            raise InvalidRequest("", "journal", f"schema: {schema!r} is no plain name", Rule.BAD_FORMAT)
        return cls(
            f"postgresql://{user.partition(':')[0]}{at}{hosts}{url.path}",
            f"postgresql://{url.netloc}{url.path}?{'&'.join(filter(_is_of_libpq, options))}",
            schema,
            None if password_file is None else Path(password_file).expanduser(),
            ":" in user or not _SECRETS.isdisjoint(values),
        )


def _is_valid(url: SplitResult, options: list[str]) -> bool:
    """Return whether each part is where it belongs, so that no part of a password is taken for another."""
    return (
        _HOSTS.fullmatch(url.netloc.rpartition("@")[2]) is not None
        and "@" not in url.path
        and "/" not in url.path[1:]
        and not url.fragment
        and all(map(_OPTION.fullmatch, options))
    )


def _is_of_libpq(option: str) -> bool:
    return not option.startswith(("schema=", "password_file="))
