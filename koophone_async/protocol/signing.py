"""Sign requests with an access key as the vendor's published signer does, and verify such signatures.

A request is brought into a *canonical* form; its hash, the time and the algorithm make the *string to
sign*; the key signs that string, and the signature travels in the `Authorization` header.

- The path is unescaped and escaped again, leaving only letters, digits and `-_.~` plain; a slash is appended
  to the canonical form only, not to the path that is sent.
- The query is sorted before it is escaped.
- Every header is signed unless its name contains an underscore; values are stripped of surrounding space.
- A body whose `Content-Type` is neither JSON nor BSON is not hashed; `UNSIGNED-PAYLOAD` stands in its place.

Four algorithms are supported. The vendor's fifth, `SDK-SM2-SM3`, is not, because `cryptography` has no SM2.
`canonical_request` and `string_to_sign` are right for it too, as both accept any algorithm's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

from attrs import define, field, frozen
from attrs.validators import min_len

from koophone_async.characters import escape
from koophone_async.protocol.crypto import Algorithm, SigningKey, hash_function, signing_key

__all__ = [
    "Algorithm",
    "Authorization",
    "PrepareKey",
    "Query",
    "Request",
    "Signer",
    "canonical_query",
    "canonical_request",
    "parse_authorization",
    "string_to_sign",
    "target",
    "timestamp",
    "verify",
]

Query: TypeAlias = Sequence[tuple[str, str]]
PrepareKey: TypeAlias = Callable[[Algorithm, str, str, str], SigningKey]
"""A function such as `signing_key`."""

_DATE: Final = "X-Sdk-Date"
_SECURITY_TOKEN: Final = "X-Security-Token"  # noqa: S105
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"

_plain_path: Final = re.compile(r"[A-Za-z0-9/_.~-]*").fullmatch
_stray_percent: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_authorization: Final = re.compile(
    r"(?P<algorithm>[A-Z0-9-]+) "
    r"(?:Access=(?P<access>[^\s,]+)|Credential=(?P<owner>[^\s,/]+)/(?P<scope>[^\s,]+))"
    r", SignedHeaders=(?P<signed>[^\s,]+)"
).fullmatch
_signature: Final = re.compile(r"(?:[0-9a-f]{2})+").fullmatch
_supported: Final = frozenset(Algorithm)

_TWO_DIGITS: Final = tuple(f"{number:02}" for number in range(60))


# Not frozen: that alone would add a tenth to the time of a signature.
@define
class Request:
    """The parts of a request that a signature covers."""

    method: str
    """In upper or lower case."""

    path: str
    """Starts with a slash. Escapes in it are kept; characters that a path may not contain are escaped."""

    query: Query | str
    """Unescaped pairs, in any order; or a text that `canonical_query` made of them."""

    headers: Mapping[str, str]
    body: bytes | None
    """The bytes as sent."""


def target(path: str, query: Query | str) -> str:
    """Format path and query for the request line, ready for `yarl.URL(..., encoded=True)`."""
    plain = _plain_path(path) is not None
    sent = path if plain else quote(_stray_percent.sub("%25", path), safe="/%!$&'()*+,;=:@")
    return f"{sent}?{canonical_query(query)}" if query else sent


def timestamp(at: datetime) -> str:
    """Format an aware time for the `X-Sdk-Date` header, such as `20250102T030405Z`."""
    if at.tzinfo is None:
        raise ValueError("the time of a signature must be aware")
    utc = at.astimezone(UTC)
    # Formatting five small numbers takes longer than a hash; a table takes a third of it.
    clock = f"{_TWO_DIGITS[utc.hour]}{_TWO_DIGITS[utc.minute]}{_TWO_DIGITS[utc.second]}"
    return f"{utc.year:04}{_TWO_DIGITS[utc.month]}{_TWO_DIGITS[utc.day]}T{clock}Z"


def canonical_request(algorithm: str, request: Request) -> str:
    """Return the canonical form of a request, which client and service hash.

    Args:
        algorithm: Decides which hash function is used for the body.
        request: With all headers that are sent, including `Host` and `X-Sdk-Date`.
    """
    return _canonical_request(algorithm, request, request.headers, _names(tuple(request.headers)))


def string_to_sign(algorithm: str, date: str, canonical: str, scope: str = "") -> str:
    """Return the string to sign: algorithm, time, scope (`day/region/service`, if any) and request hash."""
    # Header bytes that are not valid UTF-8 are hashed as they came.
    digest = hash_function(algorithm).digest(canonical.encode(errors="surrogateescape"))
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
    """Region and service are needed by `DERIVED` only."""

    _keys: dict[str, SigningKey] = field(factory=dict[str, SigningKey], init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Raise ValueError for a derived key without region or service."""
        if self.algorithm is Algorithm.DERIVED and not (self.region and self.service):
            raise ValueError("a derived key needs a region and a service")

    def sign(self, request: Request, host: str, at: datetime) -> dict[str, str]:
        """Return the headers to add to a request; they replace headers of the same name.

        Args:
            request: As it will be sent, without the headers that are returned here.
            host: The `Host` header, unless the request has one: with the port unless it is the default port
                of the scheme.
            at: The time of sending, aware.
        """
        date = timestamp(at)
        added = self._added(date, request.headers)
        headers = {"Host": host, **request.headers, **added}
        names = _names(tuple(headers))
        canonical = _canonical_request(self.algorithm, request, headers, names)
        scope = f"{date[:8]}/{self.region}/{self.service}" if self.algorithm is Algorithm.DERIVED else ""
        signature = self._key(scope).sign(string_to_sign(self.algorithm, date, canonical, scope).encode())
        key = f" Credential={self.access_key}/{scope}" if scope else f" Access={self.access_key}"
        # Concatenated because formatting an enum takes as long as everything else in this line.
        added["Authorization"] = (
            self.algorithm + f"{key}, SignedHeaders={names.joined}, Signature={signature}"
        )
        return added

    def _added(self, date: str, headers: Mapping[str, str]) -> dict[str, str]:
        added = {_DATE: date}
        if self.security_token:
            added[_SECURITY_TOKEN] = self.security_token
        # The vendor checks this spelling only; with any other the body is hashed, which verifies as well.
        kind = headers.get("Content-Type")
        if kind and not kind.startswith(("application/json", "application/bson")):
            added[hash_function(self.algorithm).header] = _UNSIGNED
        return added

    def _key(self, scope: str) -> SigningKey:
        if scope not in self._keys:
            self._keys.clear()
            self._keys[scope] = signing_key(self.algorithm, self.access_key, self.secret_key, scope)
        return self._keys[scope]


@frozen
class Authorization:
    """A parsed `Authorization` header."""

    algorithm: Algorithm
    access: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    scope: str = ""
    """`day/region/service` of a derived key, else empty."""


def parse_authorization(value: str) -> Authorization | None:
    """Parse an `Authorization` header; return None if it is of no supported form or algorithm."""
    terms, _, signature = value.rpartition(", Signature=")
    parsed = _parse_terms(terms)
    if parsed is None or _signature(signature) is None:
        return None
    algorithm, access, signed_headers, scope = parsed
    return Authorization(algorithm, access, signed_headers, signature, scope)


@lru_cache(maxsize=128)
def _parse_terms(terms: str) -> tuple[Algorithm, str, tuple[str, ...], str] | None:
    """Parse what is the same in all requests of a client: everything but the signature."""
    match = _authorization(terms)
    if match is None or match["algorithm"] not in _supported:
        return None
    algorithm = Algorithm(match["algorithm"])
    if (algorithm is Algorithm.DERIVED) != (match["owner"] is not None):
        return None
    signed_headers = tuple(match["signed"].split(";"))
    return algorithm, match["access"] or match["owner"], signed_headers, match["scope"] or ""


def verify(
    claim: Authorization, secret_key: str, request: Request, prepare: PrepareKey = signing_key
) -> bool:
    """Return whether a request was signed with this secret key.

    Only the headers named in the claim are checked, and the date must be one of them. The caller decides how
    old it may be. The body is not checked if the signature declares `UNSIGNED-PAYLOAD`.

    Args:
        claim: The request's parsed `Authorization` header.
        secret_key: The secret of the access key that the claim names.
        request: As received: header names in any case, the path escaped, the query unescaped.
        prepare: Returns the key to verify with; by default it is derived anew for each request.
    """
    received = {name.lower(): value for name, value in request.headers.items()}
    signed = {name: received[name] for name in claim.signed_headers if name in received}
    date = signed.get(_DATE.lower(), "")
    if not date or len(signed) < len(claim.signed_headers) or claim.scope[:8] not in ("", date[:8]):
        return False
    body_hash = hash_function(claim.algorithm)
    declared = signed.get(body_hash.header.lower(), _UNSIGNED)
    if declared != _UNSIGNED and declared != body_hash.digest(request.body or b""):
        return False
    canonical = _canonical_request(claim.algorithm, request, signed, _names(tuple(signed)))
    text = string_to_sign(claim.algorithm, date, canonical, claim.scope)
    key = prepare(claim.algorithm, claim.access, secret_key, claim.scope)
    return key.verify(text.encode(), claim.signature)


@frozen
class _Names:
    """Header names in the order of signing, cached because most requests have the same names."""

    spelled: Mapping[str, str]
    ordered: tuple[tuple[str, str], ...]
    """Each name in lower case and as spelled in the request."""

    joined: str


@lru_cache(maxsize=128)
def _names(spellings: tuple[str, ...]) -> _Names:
    spelled = {name.lower(): name for name in spellings if "_" not in name}
    spelled.pop("authorization", None)
    ordered = tuple(sorted(spelled.items()))
    return _Names(spelled, ordered, ";".join(name for name, _ in ordered))


def _canonical_request(algorithm: str, request: Request, headers: Mapping[str, str], names: _Names) -> str:
    lines = "".join([f"{name}:{headers[spelling].strip()}\n" for name, spelling in names.ordered])
    query = canonical_query(request.query) if request.query else ""
    where = f"{request.method.upper()}\n{_canonical_path(request.path)}\n{query}"
    body_hash = hash_function(algorithm)
    declared = names.spelled.get(body_hash.header.lower()) if request.body else None
    payload = headers[declared].strip() if declared else ""
    if not payload:
        payload = body_hash.digest(request.body) if request.body else _hash_of_nothing(algorithm)
    return f"{where}\n{lines}\n{names.joined}\n{payload}"


@cache
def _hash_of_nothing(algorithm: str) -> str:
    return hash_function(algorithm).digest(b"")


@lru_cache(maxsize=128)
def _canonical_path(path: str) -> str:
    escaped = path if _plain_path(path) else quote(unquote(path), safe="/~")
    return escaped if escaped.endswith("/") else escaped + "/"


def canonical_query(query: Query | str) -> str:
    """Escape and sort the pairs of a query; return a text, which is in this form already, as it is."""
    if isinstance(query, str):
        return query
    return "&".join([f"{escape(name)}={escape(value)}" for name, value in sorted(query)])
