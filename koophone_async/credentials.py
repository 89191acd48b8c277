"""What signs a request, and where it is found.

`AccessKey` and `Password` are what can be held; a provider looks for one of them in one place, and any async
function can be one; a `Chain` looks in several places. `credential_cache.CredentialCache` keeps what was found.
"""

from __future__ import annotations

import configparser
import os
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import aiohttp
import msgspec
from attrs import Attribute, define, field, frozen

from koophone_async.checks import aware
from koophone_async.errors import InvalidRequest, Unavailable, UnreadableAnswer
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
_OPTIONS: Final = ("ak", "sk", "security_token", "project_id", "domain_id", "iam_endpoint")


def _beginning(access_key: str) -> str:
    return f"'{access_key[:4]}…'"


def _one_word(instance: object, attribute: Attribute[str], value: str) -> None:  # noqa: ARG001 - as attrs calls it
    if value.split() != [value]:
        raise InvalidRequest("", attribute.name, "is empty or holds white space")


@frozen
class AccessKey:
    """A permanent access key, or a temporary one with its security token."""

    access_key: str = field(repr=_beginning, validator=_one_word)
    secret_key: str = field(repr=False, validator=_one_word)
    security_token: str | None = field(default=None, repr=False)
    """Makes the key a temporary one."""

    project_id: str | None = field(default=None, kw_only=True)
    domain_id: str | None = field(default=None, kw_only=True)
    iam_endpoint: str | None = field(default=None, kw_only=True)
    """Where this key's account signs in, as its profile says."""

    expires_at: datetime | None = field(default=None, kw_only=True, validator=aware)
    """When a temporary key ends; None where nobody said."""

    algorithm: Algorithm = field(default=Algorithm.HMAC_SHA256, kw_only=True)
    region: str = field(default="", kw_only=True)
    service: str = field(default="", kw_only=True)
    """Region and service are what a `DERIVED` key is derived for; no other algorithm needs them."""

    def __attrs_post_init__(self) -> None:
        """Refuse a derived key that does not say for what it is derived."""
        if self.algorithm is Algorithm.DERIVED and not (self.region and self.service):
            raise InvalidRequest("", "algorithm", f"is {self.algorithm}, which needs a region and a service")

    @cached_property
    def signer(self) -> Signer:
        """Signs with this key; made once."""
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
    """An IAM user, who signs in for a token of 24 hours."""

    user: str
    password: str = field(repr=False)
    domain: str
    """The account's name."""

    project: str
    """The project's name, which begins with its region's: `cn-north-4`."""

    @property
    def expires_at(self) -> None:
        """Never, as far as anyone here knows."""
        return


Credentials: TypeAlias = AccessKey | Password


class Provider(Protocol):
    """Looks for credentials in one place. Its `str` names the place for people."""

    async def __call__(self) -> Credentials | None:
        """Look now; None where the place holds nothing.

        Raises:
            InvalidRequest: The place holds something that is wrong as written.
        """
        ...


@frozen
class Environment:
    """The variables that the vendor's SDKs read: `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and so on."""

    environ: Mapping[str, str] = field(factory=lambda: os.environ, repr=False)

    def __str__(self) -> str:
        """Name the place."""
        return f"the environment ({', '.join(_VARIABLES[:2])})"

    async def __call__(self) -> AccessKey | None:
        """Read the variables; an empty one counts as not set.

        Raises:
            InvalidRequest: One half of the key is set without the other.
        """
        return _access_key(self.environ, _VARIABLES)


@frozen
class ProfileFile:
    """The INI file that the vendor's SDKs read.

    Without a path, the file that `HUAWEICLOUD_SDK_CREDENTIALS_FILE` names, else `~/.huaweicloud/credentials`.
    Without a profile, the section that `KOOPHONE_PROFILE` names, else `[basic]`, else `[global]`.
    """

    path: Path | str | None = None
    profile: str | None = None
    environ: Mapping[str, str] = field(factory=lambda: os.environ, repr=False)

    def __str__(self) -> str:
        """Name the place."""
        sections = f"[{self._profile}]" if self._profile else "[basic] or [global]"
        return f"the file {self._path} ({sections})"

    @property
    def _named(self) -> Path | str | None:
        return self.path or self.environ.get("HUAWEICLOUD_SDK_CREDENTIALS_FILE")

    @property
    def _path(self) -> Path:
        home = self.environ.get("HOME") or self.environ.get("USERPROFILE") or "~"
        return Path(self._named or Path(home, ".huaweicloud", "credentials"))

    @property
    def _profile(self) -> str | None:
        return self.profile or self.environ.get("KOOPHONE_PROFILE")

    async def __call__(self) -> AccessKey | None:
        """Read the file; None where there is none, or none of its sections that are looked at has a key.

        Raises:
            InvalidRequest: What was named is not there, one half of the key is missing, or this is no such file.
        """
        sections = self._sections()
        names = [self._profile] if self._profile else ["basic", "global"]
        keys = (_access_key(sections.get(name, {}), _OPTIONS, f"{self._path} [{name}] ") for name in names)
        found = next((key for key in keys if key), None)
        if found is None and self._profile:
            known = ", ".join(f"[{name}]" for name in sections) or "none"
            problem = f"[{self._profile}] has no key in {self._path}; its sections: {known}"
            raise InvalidRequest("", "profile", problem)
        return found

    def _sections(self) -> dict[str, dict[str, str | None]]:
        text = self._text()
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            parser.read_string(text)
        except configparser.Error as error:
            kind = type(error).__name__
        else:
            return {name: dict(parser.items(name)) for name in parser.sections()}
        # Raised out here because the parser's error holds the line, which may be a secret.
        raise InvalidRequest("", str(self._path), f"is not an INI file ({kind})")

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            if isinstance(error, FileNotFoundError) and not (self._named or self._profile):
                return ""
            problem = str(error.strerror) if isinstance(error, OSError) else "it is not UTF-8"
        # Raised out here, as above: a decoder's error holds the file.
        raise InvalidRequest("", str(self._path), f"cannot be read: {problem}")


def _access_key(
    values: Mapping[str, str | None], names: tuple[str, ...], where: str = ""
) -> AccessKey | None:
    """Read a key from values of these names: access key, secret key, token, project, domain, IAM endpoint."""
    access_key, secret_key, token, project, domain, iam = (values.get(name) or None for name in names)
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        there, missing = names[:2] if access_key else names[1::-1]
        raise InvalidRequest("", where + missing, f"is not set, though {there} is")
    return AccessKey(access_key, secret_key, token, project_id=project, domain_id=domain, iam_endpoint=iam)


@frozen
class _TemporaryKey:
    access: str = field(repr=False)
    secret: str = field(repr=False)
    securitytoken: str = field(repr=False)
    expires_at: datetime


@frozen
class _SecurityKey:
    credential: _TemporaryKey


@frozen
class Metadata:
    """The metadata service of a cloud server, which gives keys to servers that have an agency."""

    endpoint: str = "http://169.254.169.254"
    seconds: float = 3.0
    """How long to wait for the service; a machine that has none may answer nothing at all."""

    def __str__(self) -> str:
        """Name the place."""
        return f"the metadata service {self.endpoint} (of a cloud server that has an agency)"

    async def __call__(self) -> AccessKey | None:
        """Ask for the server's temporary key; None where there is no service or no agency.

        Raises:
            Unavailable: The service is there but cannot answer now.
            UnreadableAnswer: Its answer is no key.
        """
        timeout = aiohttp.ClientTimeout(total=self.seconds)
        try:
            # A session of its own: the service is on this machine's link, where no proxy reaches.
            async with aiohttp.ClientSession(timeout=timeout) as http:
                return await self._ask(http)
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _ask(self, http: aiohttp.ClientSession) -> AccessKey | None:
        url = f"{self.endpoint}/openstack/latest/securitykey"
        async with http.get(url, headers=await self._session(http), allow_redirects=False) as answer:
            body = await answer.read()
        if answer.status >= 500:
            raise Unavailable("credentials.metadata", answer.status, "", "the metadata service cannot answer")
        return _temporary_key(body) if answer.status == 200 else None

    async def _session(self, http: aiohttp.ClientSession) -> dict[str, str]:
        # Servers that were not told to require it answer without, and older ones do not know it.
        wanted = {"X-Metadata-Token-Ttl-Seconds": "60"}
        url = f"{self.endpoint}/meta-data/latest/api/token"
        async with http.put(url, headers=wanted, allow_redirects=False) as answer:
            token = (await answer.read()).decode(errors="replace").strip()
        # Where there is none, a network may answer with a page of its own.
        return {"X-Metadata-Token": token} if answer.status == 200 and token.isprintable() else {}


def _temporary_key(body: bytes) -> AccessKey:
    try:
        key = msgspec.json.decode(body, type=_SecurityKey).credential
    except msgspec.DecodeError as error:
        raise UnreadableAnswer("credentials.metadata", 200, str(error), body) from None
    ends = key.expires_at if key.expires_at.tzinfo else key.expires_at.replace(tzinfo=UTC)
    return AccessKey(key.access, key.secret, key.securitytoken, expires_at=ends)


@define(eq=False, init=False)
class Chain:
    """Looks in one place after the other, and next time first where it found something."""

    providers: tuple[Provider, ...]

    def __init__(self, *providers: Provider) -> None:
        self.providers = providers

    def __str__(self) -> str:
        """Name all places."""
        return "; ".join(map(str, self.providers))

    async def __call__(self) -> Credentials:
        """Answer the first credentials that are found.

        Raises:
            InvalidRequest: There are none, or a place holds something that is wrong as written.
        """
        for provider in self.providers:
            found = await provider()
            if found is not None:
                others = (other for other in self.providers if other is not provider)
                self.providers = (provider, *others)
                return found
        advice = f"Set {' and '.join(_VARIABLES[:2])}, or write ak and sk below [basic] in the file"
        raise InvalidRequest("", "credentials", f"not found in {self}. {advice}")


def default_chain(environ: Mapping[str, str] = os.environ) -> Chain:
    """Look in the environment, then in the profile file, then ask the metadata service."""
    return Chain(Environment(environ), ProfileFile(environ=environ), Metadata())
