"""Credentials: an access key, or an IAM user with a password."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from attrs import asdict, field, frozen

from koophone_async.characters import ACCESS_KEY, ADDRESS, HEADER, NAME, PASSWORD, REGION, SECRET_KEY
from koophone_async.checks import aware
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.protocol.signing import Algorithm, Signer

if TYPE_CHECKING:
    from datetime import datetime


def _abbreviated(access_key: str) -> str:
    return f"'{access_key[:4]}…'"


@frozen(slots=False)  # in slots, attrs' cached properties break `help` of Python 3.13
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

    def __getstate__(self) -> dict[str, object]:
        """Return the fields; the signer, which cannot be copied, is created again."""
        return asdict(self, recurse=False)

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
