"""Authentication: verifies the signature or the token of each request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NoReturn

from attrs import define, field

from koophone_async.credentials import AccessKey
from koophone_async.emulator.server.accounts import Accounts
from koophone_async.emulator.server.errors import Refusal, koophone_refusal, refusal
from koophone_async.operation import AnyOperation
from koophone_async.protocol.crypto import signing_key
from koophone_async.protocol.signing import (
    Authorization,
    PrepareKey,
    Request,
    parse_authorization,
    verify,
)

SKEW: Final = timedelta(minutes=15)
"""The largest difference between the clocks of client and service."""


@define(eq=False)
class Authenticator:
    """Verifies that requests come from the account."""

    _accounts: Accounts
    _prepare: PrepareKey = field(factory=lambda: lru_cache(maxsize=64)(signing_key), init=False, repr=False)
    """Deriving a key takes longer than verifying with it, and a client keeps its key."""

    def authenticate(self, operation: AnyOperation, request: Request) -> None:
        """Verify the token of a request, or else its signature.

        Raises:
            Refusal: There is neither, or it is invalid or has expired (401).
        """
        if operation.anonymous:
            return
        try:
            self._authenticate(operation, request)
        except Refusal as error:
            if operation.service != "iam":
                raise
            message = "The request you have made requires authentication."
            raise Refusal(error.status, "", message, error.message) from error

    def _authenticate(self, operation: AnyOperation, request: Request) -> None:
        headers = request.headers
        if token := headers.get("X-Auth-Token"):
            if self._accounts.is_valid(token):
                return
            if operation.service == "koophone":
                raise koophone_refusal("6001")
            _fail("decrypt token fail")
        elif authorization := headers.get("Authorization"):
            self._verify_signature(parse_authorization(authorization), request)
        else:
            _fail("x-auth-token not found")

    def _verify_signature(self, claim: Authorization | None, request: Request) -> None:
        if claim is None:
            _fail("verify aksk signature fail", "the Authorization header cannot be read")
        key = self._accounts.key(claim.access)
        if key is None:
            _fail("Get secretKey failed,ak:******,err:ak not exist")
        now = self._accounts.now()
        if abs(_date(request.headers) - now) > SKEW:
            _fail("calc ak sk signature fail:signature expired", "X-Sdk-Date is more than 15 minutes off")
        self._verify_security_token(key, request.headers, now)
        if not verify(claim, key.secret_key, request, self._prepare):
            _fail("verify aksk signature fail")

    def _verify_security_token(self, key: AccessKey, headers: Mapping[str, str], now: datetime) -> None:
        if key.security_token is None:
            return
        if headers.get("X-Security-Token") != key.security_token:
            _fail(
                "verify aksk signature fail", "the header X-Security-Token is not that of the temporary key"
            )
        if key.expires_at is not None and now >= key.expires_at:
            _fail("decrypt token fail", "the temporary key has expired")


def _date(headers: Mapping[str, str]) -> datetime:
    try:
        return _parse_date(headers.get("X-Sdk-Date", ""))
    except ValueError:
        _fail("verify aksk signature fail", "X-Sdk-Date is missing or not a date")


@lru_cache(maxsize=64)
def _parse_date(text: str) -> datetime:
    """Parse the date of a signature; all requests of a second have the same."""
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _fail(detail: str, reason: str = "") -> NoReturn:
    raise refusal("APIGW.0301", reason, detail=detail)
