"""Credentials, and the providers that look for them.

Credentials are an `AccessKey` or a `Password`. A provider looks for them in one place, and any async function
can be one; a `Chain` tries several providers. `credential_cache.CredentialCache` caches the result.
"""

from __future__ import annotations

import asyncio
import configparser
import io
import os
from datetime import UTC, datetime
from functools import cached_property
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

import aiohttp
import msgspec
from attrs import define, field, frozen

from koophone_async.characters import ACCESS_KEY, ADDRESS, HEADER, NAME, PASSWORD, REGION, SECRET_KEY
from koophone_async.checks import aware
from koophone_async.errors import (
    InvalidRequest,
    KooPhoneError,
    NotConnected,
    Rule,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.protocol.signing import Algorithm, Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES: Final = (
    "HUAWEICLOUD_SDK_AK",
    "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN",
    "HUAWEICLOUD_SDK_PROJECT_ID",
    "HUAWEICLOUD_SDK_DOMAIN_ID",
    "HUAWEICLOUD_SDK_IAM_ENDPOINT",
)
_FIELDS: Final[tuple[str, ...]] = (
    "access_key",
    "secret_key",
    "security_token",
    "project_id",
    "domain_id",
    "iam_endpoint",
)
"""The fields of `AccessKey`, in the same order."""

_OPTIONS: Final = ("ak", "sk", "security_token", "project_id", "domain_id", "iam_endpoint")


def _variables(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    # `os.environ` is nowhere a default value: `help` and tools for documentation would print it, and with it
    # the secrets in it.
    return os.environ if environ is None else environ


def _abbreviated(access_key: str) -> str:
    return f"'{access_key[:4]}…'"


@frozen
class AccessKey:
    """A permanent access key, or a temporary one with its security token."""

    access_key: str = field(repr=_abbreviated, validator=ACCESS_KEY)
    secret_key: str = field(repr=False, validator=SECRET_KEY)
    security_token: str | None = field(default=None, repr=False, validator=HEADER)
    """Present if the key is temporary."""

    project_id: str | None = field(default=None, kw_only=True, validator=HEADER)
    domain_id: str | None = field(default=None, kw_only=True, validator=HEADER)
    iam_endpoint: str | None = field(default=None, kw_only=True, validator=ADDRESS)
    """Where the account's projects are looked up, unless the endpoint of IAM is set."""

    expires_at: datetime | None = field(default=None, kw_only=True, validator=aware)
    """When a temporary key expires; None if unknown."""

    algorithm: Algorithm = field(default=Algorithm.HMAC_SHA256, kw_only=True)
    region: str = field(default="", kw_only=True)
    service: str = field(default="", kw_only=True)
    """Region and service are needed by `DERIVED` only."""

    def __attrs_post_init__(self) -> None:
        """Raise `InvalidRequest` for a derived key without region or service, or with wrong ones."""
        if self.algorithm is Algorithm.DERIVED and not (self.region and self.service):
            raise InvalidRequest("", "algorithm", f"is {self.algorithm}, which needs a region and a service")
        for name, value in {"region": self.region, "service": self.service}.items():
            if value != "":
                REGION.check(name, value)
        if self.algorithm is Algorithm.DERIVED and "/" in self.access_key:
            raise InvalidRequest(
                "", "access_key", "contains a slash, which ends a derived key", Rule.BAD_FORMAT
            )

    @cached_property
    def signer(self) -> Signer:
        """The signer for this key, created once."""
        return Signer(
            self.access_key,
            self.secret_key,
            self.security_token,
            algorithm=self.algorithm,
            region=self.region,
            service=self.service,
        )


@frozen
class Password:
    """An IAM user with a password, exchanged for a token that is valid for 24 hours."""

    user: str = field(validator=NAME)
    password: str = field(repr=False, validator=PASSWORD)
    domain: str = field(validator=NAME)
    """The account's name."""

    project: str = field(validator=NAME)
    """The project's name, which begins with the region: `cn-north-4`."""

    @property
    def expires_at(self) -> None:
        """None: a password does not expire."""
        return


Credentials: TypeAlias = AccessKey | Password


class Provider(Protocol):
    """Looks for credentials in one place. `str(provider)` names the place."""

    async def __call__(self) -> Credentials | None:
        """Return the credentials, or None if there are none.

        Raises:
            InvalidRequest: There are some, but they are invalid or incomplete.
        """
        ...


@frozen
class Environment:
    """The variables that the vendor's SDKs read: `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and so on."""

    environ: Mapping[str, str] | None = field(default=None, repr=False)
    """Default: the environment of the process."""

    def __str__(self) -> str:
        """Return the name of the place."""
        return f"the environment ({', '.join(_VARIABLES[:2])})"

    async def __call__(self) -> AccessKey | None:
        """Return the key in the variables, of which an empty one counts as not set.

        Raises:
            InvalidRequest: One part of the key is set without the other.
        """
        return _access_key(_variables(self.environ), _VARIABLES)


@define(eq=False, slots=False)
class UnreadableDefault(InvalidRequest):
    """The file that is read by default cannot be. Nobody asked for it, so that a chain goes on."""


@frozen
class ProfileFile:
    """The INI file that the vendor's SDKs read.

    The default path is `HUAWEICLOUD_SDK_CREDENTIALS_FILE`, else `~/.huaweicloud/credentials`. The default
    profile is `KOOPHONE_PROFILE`, else `[basic]`, else `[global]`.
    """

    path: Path | str | None = None
    profile: str | None = None
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    """Default: the environment of the process."""

    def __str__(self) -> str:
        """Return the name of the place."""
        sections = f"[{self._profile}]" if self._profile else "[basic] or [global]"
        return f"the file {self._path} ({sections})"

    @property
    def _configured(self) -> Path | str | None:
        return self.path or _variables(self.environ).get("HUAWEICLOUD_SDK_CREDENTIALS_FILE")

    @property
    def _path(self) -> Path:
        environ = _variables(self.environ)
        home = environ.get("HOME") or environ.get("USERPROFILE") or "~"
        return Path(self._configured or Path(home, ".huaweicloud", "credentials"))

    @property
    def _profile(self) -> str | None:
        return self.profile or _variables(self.environ).get("KOOPHONE_PROFILE")

    async def __call__(self) -> AccessKey | None:
        """Return the key of the profile; None if neither path nor profile is set and there is no file or key.

        Raises:
            InvalidRequest: The file or profile that was asked for does not exist, or is invalid or
                incomplete.
        """
        sections = self._sections()
        names = [self._profile] if self._profile else ["basic", "global"]
        keys = (_access_key(sections.get(name, {}), _OPTIONS, f"{self._path} [{name}] ") for name in names)
        key = next((key for key in keys if key), None)
        if key is None and self._profile:
            known = ", ".join(f"[{name}]" for name in sections) or "none"
            problem = f"[{self._profile}] has no key in {self._path}; its sections: {known}"
            raise InvalidRequest("", "profile", problem)
        return key

    def _sections(self) -> dict[str, dict[str, str | None]]:
        text = self._text()
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            parser.read_string(text)
            return {name: dict(parser.items(name)) for name in parser.sections()}
        except configparser.Error as error:
            kind = type(error).__name__
        except AttributeError:
            # The parser fails so at an indented line below one without a value, which it cannot append to.
            kind = "an indented line continues a line without a value"
        # Raised outside of the handler, because the parser's error contains the line, which may be a secret.
        raise InvalidRequest("", str(self._path), f"is not an INI file ({kind})")

    def _text(self) -> str:
        is_default = not (self._configured or self._profile)
        error_type: type[InvalidRequest] = InvalidRequest
        try:
            with self._path.open("rb") as file:
                data = file.read(_MAX_FILE + 1)
            if len(data) <= _MAX_FILE:
                return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig").read()
            problem = f"longer than {_MAX_FILE:,} bytes"
        except OSError as error:
            if isinstance(error, FileNotFoundError) and is_default:
                return ""
            problem = str(error.strerror)
            error_type = UnreadableDefault if is_default else InvalidRequest
        except UnicodeDecodeError:
            problem = "not UTF-8"
        except ValueError:
            problem = "not a valid path"
        # Raised outside of the handler, as above: a decoder's error contains the file.
        raise error_type("", str(self._path), f"cannot be read: {problem}")


def _access_key(
    values: Mapping[str, str | None], names: tuple[str, ...], where: str = ""
) -> AccessKey | None:
    """Return the key in some values, by their names in the order of `_VARIABLES`; None if there is none."""
    access_key, secret_key, token, project, domain, iam = (values.get(name) or None for name in names)
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        present, missing = names[:2] if access_key else names[1::-1]
        raise InvalidRequest("", where + missing, f"is not set, though {present} is")
    try:
        return AccessKey(
            access_key, secret_key, token, project_id=project, domain_id=domain, iam_endpoint=iam
        )
    except InvalidRequest as error:
        error.field = where + names[_FIELDS.index(error.field)]
        raise


@frozen
class _TemporaryKey:
    access: str = field(repr=False)
    secret: str = field(repr=False)
    securitytoken: str = field(repr=False)
    expires_at: datetime


@frozen
class _SecurityKey:
    credential: _TemporaryKey


_MAX_FILE: Final = 2**20
"""The maximum size in bytes of a profile file. A path such as /dev/zero has no end."""

_MAX_METADATA: Final = 2**16
"""The maximum size in bytes of an answer of the metadata service; keys have about 2,000."""


@frozen
class Metadata:
    """The metadata service of cloud servers, which issues temporary keys to servers with an agency."""

    endpoint: str = "http://169.254.169.254"
    timeout: float = 3.0
    """Seconds to wait for the service. On a machine without one there may be no answer at all."""

    def __str__(self) -> str:
        """Return the name of the place."""
        return f"the metadata service {self.endpoint} (on a cloud server with an agency)"

    async def __call__(self) -> AccessKey | None:
        """Return the server's temporary key; None if there is no service or no agency.

        Raises:
            Unavailable: The service exists but cannot answer now.
            UnreadableAnswer: Its answer is not a key.
        """
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        try:
            # A session of its own, without proxy: the service has a link-local address.
            async with aiohttp.ClientSession(timeout=timeout) as http:
                return await self._request(http)
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _request(self, http: aiohttp.ClientSession) -> AccessKey | None:
        url = f"{self.endpoint}/openstack/latest/securitykey"
        async with http.get(url, headers=await self._token_header(http), allow_redirects=False) as answer:
            body = await _read(answer)
        if answer.status >= 500:
            raise Unavailable("credentials.metadata", answer.status, "", "the metadata service cannot answer")
        return _temporary_key(body) if answer.status == 200 else None

    async def _token_header(self, http: aiohttp.ClientSession) -> dict[str, str]:
        # Servers that do not require a token answer without one, and older ones do not know tokens.
        lifetime = {"X-Metadata-Token-Ttl-Seconds": "60"}
        url = f"{self.endpoint}/meta-data/latest/api/token"
        async with http.put(url, headers=lifetime, allow_redirects=False) as answer:
            token = (await _read(answer)).decode("latin-1").strip()
        # Where there is no such service, the network may answer with a web page.
        return {"X-Metadata-Token": token} if answer.status == 200 and HEADER.accepts(token) else {}


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer, or its beginning if it is longer than any key is."""
    try:
        return await answer.content.readexactly(_MAX_METADATA)
    except asyncio.IncompleteReadError as error:
        return error.partial


def _temporary_key(body: bytes) -> AccessKey:
    try:
        key = msgspec.json.decode(body, type=_SecurityKey).credential
    except msgspec.DecodeError as error:
        raise UnreadableAnswer("credentials.metadata", 200, str(error), body) from None
    expires_at = key.expires_at if key.expires_at.tzinfo else key.expires_at.replace(tzinfo=UTC)
    try:
        return AccessKey(key.access, key.secret, key.securitytoken, expires_at=expires_at)
    except InvalidRequest as error:
        raise UnreadableAnswer("credentials.metadata", 200, str(error), body) from None


_NOT_ASYNC: Final = object()


def _name(provider: object) -> str:
    return str(getattr(provider, "__qualname__", provider))


@frozen
class CheckedProvider:
    """A provider, which may be any callable of the user; its failures and wrong answers are clear errors."""

    provider: Provider

    def __str__(self) -> str:
        """Return the name of the place."""
        return _name(self.provider)

    async def __call__(self) -> Credentials | None:
        """Return the credentials, or None if there are none.

        Raises:
            KooPhoneError: As raised by the provider.
            NotConnected: The provider failed to reach the place: its OSError or TimeoutError is the cause.
            InvalidRequest: It failed in another way, is not async, or returned something else.
        """
        try:
            answer = cast("object", self.provider())
            found = cast("object", await answer) if isawaitable(answer) else _NOT_ASYNC
        except KooPhoneError:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise InvalidRequest("", "credentials", f"{self} was cancelled from within") from None
        except OSError as error:  # a TimeoutError is one too
            raise NotConnected("credentials", f"{self} raised {type(error).__name__}") from error
        except Exception as error:
            # Its text is not repeated: it may quote what the provider read.
            raise InvalidRequest("", "credentials", f"{self} raised {type(error).__name__}") from error
        if found is None or isinstance(found, AccessKey | Password):
            return found
        if found is _NOT_ASYNC:
            raise InvalidRequest("", "credentials", f"{self} must be an async function")
        problem = f"{self} returned {type(found).__name__}; it must return an AccessKey, a Password or None"
        raise InvalidRequest("", "credentials", problem, Rule.WRONG_TYPE)


def source_of(credentials: object) -> Credentials | CheckedProvider:
    """Return credentials as they are, and a provider with checks.

    Raises:
        InvalidRequest: It is neither.
    """
    if isinstance(credentials, AccessKey | Password):
        return credentials
    if not callable(credentials) or isinstance(credentials, type):
        shown = credentials.__name__ if isinstance(credentials, type) else type(credentials).__name__
        problem = f"is {shown}; it must be an AccessKey, a Password or an async function that returns one"
        raise InvalidRequest("", "credentials", problem, Rule.WRONG_TYPE)
    return CheckedProvider(cast("Provider", credentials))


@define(eq=False, init=False)
class Chain:
    """Tries providers one after the other; next time it begins with the one that succeeded.

    A provider without credentials lets the next one try. One with invalid or incomplete credentials ends the
    search, and its error says why.
    """

    providers: tuple[Provider, ...]

    def __init__(self, *providers: Provider) -> None:
        self.providers = providers

    def __str__(self) -> str:
        """Return the names of all places."""
        return "; ".join(map(_name, self.providers))

    async def __call__(self) -> Credentials:
        """Return the first credentials found.

        Raises:
            InvalidRequest: There are none, or some are invalid or incomplete.
        """
        unreadable = {}
        for provider in self.providers:
            try:
                credentials = await CheckedProvider(provider)()
            except UnreadableDefault as error:
                unreadable[_name(provider)] = error.problem
                continue
            if credentials is not None:
                others = (other for other in self.providers if other is not provider)
                self.providers = (provider, *others)
                return credentials
        names = map(_name, self.providers)
        places = "; ".join(
            f"{name}, which {unreadable[name]}" if name in unreadable else name for name in names
        )
        advice = f"Set {' and '.join(_VARIABLES[:2])}, or write ak and sk below [basic] in the file"
        raise InvalidRequest("", "credentials", f"not found in {places}. {advice}")


def default_chain(environ: Mapping[str, str] | None = None) -> Chain:
    """Return the default chain: environment, profile file, metadata service."""
    return Chain(Environment(environ), ProfileFile(environ=environ), Metadata())
