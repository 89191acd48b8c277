"""Sign a request with an access key as the vendor's published signer does, and verify such a signature.

A request is brought into one *canonical* form; its hash, the time and the algorithm make the *string to
sign*; the key seals that string, and the seal travels in `Authorization`.

- The path is unescaped, escaped again with only letters, digits and `-_.~` left plain, and ends in a slash,
  which is not sent.
- The query is sorted as plain pairs and escaped after that.
- Every header is signed unless its name holds an underscore; values lose the space around them.
- A body whose `Content-Type` is neither JSON nor BSON is not hashed: `UNSIGNED-PAYLOAD` stands for it.

Four algorithms are offered. `SDK-SM2-SM3`, the vendor's fifth, is not, because `cryptography` has no SM2:
nothing here signs or verifies with it. Its canonical request and its string to sign do come out right, as
both functions take any algorithm's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

from attrs import define, field, frozen
from attrs.validators import min_len

from koophone_async.protocol.crypto import Algorithm, Seal, hashing, seal

__all__ = [
    "Algorithm",
    "Authorization",
    "Query",
    "Request",
    "Signer",
    "canonical_request",
    "parse_authorization",
    "string_to_sign",
    "target",
    "timestamp",
    "verify",
]

Query: TypeAlias = Sequence[tuple[str, str]]

_DATE: Final = "X-Sdk-Date"
_SECURITY_TOKEN: Final = "X-Security-Token"  # noqa: S105
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"

_plain_path: Final = re.compile(r"[A-Za-z0-9/_.~-]*").fullmatch
_stray_percent: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_authorization: Final = re.compile(
    r"(?P<algorithm>[A-Z0-9-]+) "
    r"(?:Access=(?P<access>[^\s,]+)|Credential=(?P<owner>[^\s,/]+)/(?P<scope>[^\s,]+))"
    r", SignedHeaders=(?P<signed>[^\s,]+), Signature=(?P<signature>(?:[0-9a-f]{2})+)"
).fullmatch
_offered: Final = frozenset(Algorithm)


# Not frozen: that alone would add a tenth to the time of a signature.
@define
class Request:
    """What of a request a signature covers."""

    method: str
    """In any case."""

    path: str
    """Starts with a slash. Escapes in it are kept; whatever else may not stand in a path is escaped."""

    query: Query
    """Plain pairs in any order."""

    headers: Mapping[str, str]
    body: bytes | None
    """The bytes as sent."""


def target(path: str, query: Query) -> str:
    """Write path and query as the request line carries them, ready for `yarl.URL(..., encoded=True)`."""
    plain = _plain_path(path) is not None
    sent = path if plain else quote(_stray_percent.sub("%25", path), safe="/%!$&'()*+,;=:@")
    return f"{sent}?{_canonical_query(query)}" if query else sent


def timestamp(at: datetime) -> str:
    """Write an aware time as `X-Sdk-Date` has it: `20250102T030405Z`."""
    if at.tzinfo is None:
        raise ValueError("the time of a signature must be aware")
    utc = at.astimezone(UTC)
    # Half the time that strftime takes.
    return f"{utc.year:04}{utc.month:02}{utc.day:02}T{utc.hour:02}{utc.minute:02}{utc.second:02}Z"


def canonical_request(algorithm: str, request: Request) -> str:
    """Bring a request into the one form that both sides hash.

    Args:
        algorithm: Says with which hash.
        request: With all headers that are sent, `Host` and `X-Sdk-Date` too.
    """
    return _canonical_request(algorithm, request, request.headers, _names(tuple(request.headers)))


def string_to_sign(algorithm: str, date: str, canonical: str, scope: str = "") -> str:
    """Bind a canonical request to its time, and to its scope (`day/region/service`) where it has one."""
    # Headers that came as bytes which are no UTF-8 are hashed as those bytes.
    digest = hashing(algorithm).digest(canonical.encode(errors="surrogateescape"))
    return "\n".join((algorithm, date, scope, digest) if scope else (algorithm, date, digest))


@frozen
class Signer:
    """Signs requests with one access key."""

    access_key: str = field(repr=False, validator=min_len(1))
    secret_key: str = field(repr=False, validator=min_len(1))
    security_token: str | None = field(default=None, repr=False)
    algorithm: Algorithm = field(default=Algorithm.HMAC_SHA256, kw_only=True)
    region: str = field(default="", kw_only=True)
    service: str = field(default="", kw_only=True)
    """Region and service are what a `DERIVED` key is derived for; no other algorithm needs them."""

    _seals: dict[str, Seal] = field(factory=dict[str, Seal], init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Refuse a derived key that does not say for what it is derived."""
        if self.algorithm is Algorithm.DERIVED and not (self.region and self.service):
            raise ValueError("a derived key needs a region and a service")

    def sign(self, request: Request, host: str, at: datetime) -> dict[str, str]:
        """Answer the headers to add to a request, in place of any of the same name.

        Args:
            request: As it will be sent, but for what is answered here.
            host: What `Host` will say, unless the request has that header: with the port where it is not
                the scheme's own.
            at: The time of sending, aware.
        """
        date = timestamp(at)
        added = self._added(date, request.headers)
        headers = {"Host": host, **request.headers, **added}
        names = _names(tuple(headers))
        canonical = _canonical_request(self.algorithm, request, headers, names)
        scope = f"{date[:8]}/{self.region}/{self.service}" if self.algorithm is Algorithm.DERIVED else ""
        signature = self._seal(scope).make(string_to_sign(self.algorithm, date, canonical, scope).encode())
        who = f" Credential={self.access_key}/{scope}" if scope else f" Access={self.access_key}"
        # Added to, not formatted: format looks an enum's text up, which takes as long as the whole line.
        added["Authorization"] = (
            self.algorithm + f"{who}, SignedHeaders={names.joined}, Signature={signature}"
        )
        return added

    def _added(self, date: str, headers: Mapping[str, str]) -> dict[str, str]:
        added = {_DATE: date}
        if self.security_token:
            added[_SECURITY_TOKEN] = self.security_token
        # The vendor looks for this spelling alone; under another the body is hashed, which is as good.
        kind = headers.get("Content-Type")
        if kind and not kind.startswith(("application/json", "application/bson")):
            added[hashing(self.algorithm).header] = _UNSIGNED
        return added

    def _seal(self, scope: str) -> Seal:
        if scope not in self._seals:
            self._seals.clear()
            self._seals[scope] = seal(self.algorithm, self.access_key, self.secret_key, scope)
        return self._seals[scope]


@frozen
class Authorization:
    """What an `Authorization` header claims."""

    algorithm: Algorithm
    access: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    scope: str = ""
    """`day/region/service` of a derived key, else empty."""


def parse_authorization(value: str) -> Authorization | None:
    """Read an `Authorization` header; None where it is not one that can be verified here."""
    found = _authorization(value)
    if found is None or found["algorithm"] not in _offered:
        return None
    algorithm = Algorithm(found["algorithm"])
    if (algorithm is Algorithm.DERIVED) != (found["owner"] is not None):
        return None
    access, signed = found["access"] or found["owner"], tuple(found["signed"].split(";"))
    return Authorization(algorithm, access, signed, found["signature"], found["scope"] or "")


def verify(claim: Authorization, secret_key: str, request: Request) -> bool:
    """Tell whether the owner of a secret key signed this very request.

    Only the headers that the claim names are looked at, and the date must be one of them. How old it may be
    is for the caller to judge. A body is not looked at where the signature says `UNSIGNED-PAYLOAD`.

    Args:
        claim: What the request's `Authorization` says.
        secret_key: That of the access key which the claim names.
        request: As it came: headers in any case, the path escaped, the query plain.
    """
    received = {name.lower(): value for name, value in request.headers.items()}
    signed = {name: received[name] for name in claim.signed_headers if name in received}
    date = signed.get(_DATE.lower(), "")
    if not date or len(signed) < len(claim.signed_headers) or claim.scope[:8] not in ("", date[:8]):
        return False
    body_hash = hashing(claim.algorithm)
    if signed.get(body_hash.header.lower(), _UNSIGNED) not in (
        _UNSIGNED,
        body_hash.digest(request.body or b""),
    ):
        return False
    canonical = _canonical_request(claim.algorithm, request, signed, _names(tuple(signed)))
    text = string_to_sign(claim.algorithm, date, canonical, claim.scope)
    return seal(claim.algorithm, claim.access, secret_key, claim.scope).fits(text.encode(), claim.signature)


@frozen
class _Names:
    """Header names, brought into the order of signing once for all requests that have the same."""

    spelled: Mapping[str, str]
    ordered: tuple[tuple[str, str], ...]
    """Each name in lower case, and as the request spells it."""

    joined: str


@lru_cache(maxsize=128)
def _names(spellings: tuple[str, ...]) -> _Names:
    spelled = {name.lower(): name for name in spellings if "_" not in name}
    spelled.pop("authorization", None)
    ordered = tuple(sorted(spelled.items()))
    return _Names(spelled, ordered, ";".join(name for name, _ in ordered))


def _canonical_request(algorithm: str, request: Request, headers: Mapping[str, str], names: _Names) -> str:
    lines = "".join([f"{name}:{headers[spelling].strip()}\n" for name, spelling in names.ordered])
    query = _canonical_query(request.query) if request.query else ""
    where = f"{request.method.upper()}\n{_canonical_path(request.path)}\n{query}"
    body_hash = hashing(algorithm)
    given = names.spelled.get(body_hash.header.lower()) if request.body else None
    payload = (headers[given].strip() if given else "") or body_hash.digest(request.body or b"")
    return f"{where}\n{lines}\n{names.joined}\n{payload}"


def _canonical_path(path: str) -> str:
    escaped = path if _plain_path(path) else quote(unquote(path), safe="/~")
    return escaped if escaped.endswith("/") else escaped + "/"


def _canonical_query(query: Query) -> str:
    return "&".join([f"{_escaped(name)}={_escaped(value)}" for name, value in sorted(query)])


def _escaped(text: str) -> str:
    # A quarter of the time that quote takes for numbers and ids.
    return text if text.isascii() and text.isalnum() else quote(text, safe="~")
