"""Where quotas are shared: a Valkey or Redis server, or a PostgreSQL database."""

from __future__ import annotations

import hashlib
import logging
import os
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import Attribute, field, frozen

from koophone_async.credentials import Credentials, Password
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.file_access import UnusableFile, exposure, open_bounded
from koophone_async.limits.shared.limits import SharedLimits
from koophone_async.text_input import decode_text

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from koophone_async.limits.limits import Limits
    from koophone_async.limits.shared.store import PermitStore
    from koophone_async.operation import Quota

log: Final = logging.getLogger("koophone_async")

VARIABLE: Final = "KOOPHONE_LIMITS"
PASSWORD: Final = f"{VARIABLE}_PASSWORD"
PASSWORD_FILE: Final = f"{PASSWORD}_FILE"

_MAX_PASSWORD: Final = 4096


class SharedQuotas(Protocol):
    """Where quotas are shared: what `Session(limits=)` takes."""

    @property
    def account(self) -> str | None:
        """The name by which quotas are shared; None for that of the credentials."""
        ...

    def open_store(self) -> PermitStore:
        """Return a store, which connects when it is first asked."""
        ...


@frozen
class _Url:
    """An attrs validator of URLs."""

    schemes: tuple[str, ...]

    def __call__(self, _: object, attribute: Attribute[str], value: str) -> None:
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in self.schemes:
            problem = f"is no URL of the form {self.schemes[0]}://HOST:PORT"
            raise InvalidRequest("", attribute.name, problem, Rule.BAD_FORMAT)


@frozen
class RedisLimits:
    """Share quotas through a Valkey or Redis server.

    ```python
    Session(limits=RedisLimits("rediss://quotas.example.com:6380/0", username="app", password=secret))
    ```
    It needs the extra `redis`.

    Args:
        url: `redis://HOST:PORT/DB`, or `rediss://` for TLS; with `?ssl_ca_certs=FILE` if the certificate is
            of an authority of your own.
        username: The user of the server's access control list.
        password: Its password. Like the user, it may also be in the URL.
        account: The name by which quotas are shared; default: the access key, or the account of a temporary
            one, or the user.
        prefix: What all keys begin with.
    """

    url: str = field(validator=_Url(("redis", "rediss")), repr=lambda url: repr(_address(url)))
    username: str | None = field(default=None, kw_only=True)
    password: str | None = field(default=None, kw_only=True, repr=False)
    account: str | None = field(default=None, kw_only=True)
    prefix: str = field(default="koophone", kw_only=True)

    @property
    def address(self) -> str:
        """The URL without user, password and parameters."""
        return _address(self.url)

    def open_store(self) -> PermitStore:
        """Return the store; it connects when it is first asked.

        Raises:
            InvalidRequest: The package `redis` is not installed, or it does not accept the URL.
        """
        try:
            from koophone_async.limits.shared.redis_store import RedisStore  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise _missing("redis", error) from None
        return RedisStore(self.url, self.address, self.username, self.password, self.prefix)


@frozen
class PostgresLimits:
    """Share quotas through a PostgreSQL database: slower than Valkey, and without another server.

    An exchange is a transaction of five round trips, one for some permits of an operation. The table
    `koophone_quotas` is created if it is missing. It needs the extra `distributed`.

    Args:
        url: `postgresql://HOST:PORT/DATABASE`, with the parameters of libpq, such as `?sslmode=verify-full`.
        username: The role.
        password: Its password. Like the role, it may also be in the URL; libpq reads PGPASSWORD and
            `~/.pgpass` as well.
        account: The name by which quotas are shared; default: the access key, or the account of a temporary
            one, or the user.
    """

    url: str = field(validator=_Url(("postgresql", "postgres")), repr=lambda url: repr(_address(url)))
    username: str | None = field(default=None, kw_only=True)
    password: str | None = field(default=None, kw_only=True, repr=False)
    account: str | None = field(default=None, kw_only=True)

    @property
    def address(self) -> str:
        """The URL without user, password and parameters."""
        return _address(self.url)

    def open_store(self) -> PermitStore:
        """Return the store; it connects when it is first asked.

        Raises:
            InvalidRequest: The package `psycopg` is not installed.
        """
        try:
            from koophone_async.limits.shared.postgres_store import PostgresStore  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise _missing("distributed", error) from None
        return PostgresStore(self.url, self.address, self.username, self.password)


def create_limits(
    shared: SharedQuotas,
    quotas: Mapping[str, tuple[Quota, ...]],
    *,
    rng: random.Random,
    now: Callable[[], datetime],
    credentials: Callable[[], Awaitable[Credentials]],
) -> Limits:
    """Return limits that share their quotas.

    Args:
        shared: Where to share them.
        quotas: Quotas in addition to the documented ones.
        rng: The source of jitter.
        now: The wall clock, for people.
        credentials: Returns the current credentials, whose account has the quotas.
    """

    async def account() -> str:
        return shared.account or account_of(await credentials())

    shared.open_store()  # raises if an extra is missing
    return SharedLimits(quotas, rng=rng, open=shared.open_store, account=account, now=now)


def parse_limits(environ: Mapping[str, str]) -> RedisLimits | PostgresLimits:
    """Return what KOOPHONE_LIMITS names.

    The URL may have the parameter `account`. The password is that of the URL, of KOOPHONE_LIMITS_PASSWORD, or
    in the file that KOOPHONE_LIMITS_PASSWORD_FILE names.

    Raises:
        InvalidRequest: The URL is none of Redis or PostgreSQL, or the file cannot be read or can be changed
            by others.
    """
    url, account = _take_account(environ[VARIABLE])
    kind = PostgresLimits if url.startswith("postgres") else RedisLimits
    return kind(url, password=_password(environ), account=account)


def _address(url: str) -> str:
    """Return a URL without user, password and parameters."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def account_of(credentials: Credentials) -> str:
    """Return the name by which the quotas of these credentials are shared, without secrets.

    Raises:
        InvalidRequest: A temporary access key names no account, and the next one would have another name.
    """
    if isinstance(credentials, Password):
        return f"user-{credentials.domain}-{credentials.user}"
    if credentials.security_token is None:
        return f"key-{hashlib.sha256(credentials.access_key.encode()).hexdigest()[:16]}"
    if credentials.domain_id or credentials.project_id:
        return f"account-{credentials.domain_id or credentials.project_id}"
    problem = "needs `account`, because the temporary access key does not name the account to share quotas by"
    raise InvalidRequest("", "limits", problem)


def _take_account(url: str) -> tuple[str, str | None]:
    base, _, query = url.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    account = parameters.pop("account", None)
    return f"{base}?{urlencode(parameters)}" if parameters else base, account


def _password(environ: Mapping[str, str]) -> str | None:
    file = environ.get(PASSWORD_FILE)
    if environ.get(PASSWORD) or not file:
        return environ.get(PASSWORD) or None
    try:
        with open_bounded(file, _MAX_PASSWORD) as opened:
            if warning := exposure(os.fstat(opened.fileno())):
                log.warning("%s %s: %s", PASSWORD_FILE, file, warning)
            return decode_text(opened.read()).removesuffix("\n").removesuffix("\r")
    except UnusableFile as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError as error:
        problem = f"cannot be read: {error}"
    raise InvalidRequest("", f"{PASSWORD_FILE} {file}", problem)


def _missing(extra: str, error: ImportError) -> InvalidRequest:
    package = str(error.name).partition(".")[0]
    problem = f"needs {package}, which is not installed: pip install 'koophone-async[{extra}]'"
    return InvalidRequest("", "limits", problem)
