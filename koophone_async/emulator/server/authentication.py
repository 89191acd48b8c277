"""Who is let in: signatures are computed again and compared, tokens looked up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from attrs import define

from koophone_async.emulator.server.errors import Refusal, koophone, refusal
from koophone_async.protocol.signing import Authorization, Request, parse_authorization, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.credentials import AccessKey
    from koophone_async.emulator.server.accounts import Accounts
    from koophone_async.operation import AnyOperation

SKEW: Final = timedelta(minutes=15)
"""How far the clocks of caller and service may be apart."""


@define(eq=False)
class Entrance:
    """Lets a request in, or refuses it."""

    _accounts: Accounts

    def check(self, operation: AnyOperation, request: Request) -> None:
        """Let in whoever shows a token or a signature that is right.

        Raises:
            Refusal: Neither is there, or what is there is wrong or too old (401).
        """
        if operation.anonymous:
            return
        try:
            self._check(operation, request)
        except Refusal as no:
            if operation.service != "iam":
                raise
            message = "The request you have made requires authentication."
            raise Refusal(no.status, "", message, no.message) from no

    def _check(self, operation: AnyOperation, request: Request) -> None:
        headers = request.headers
        if token := headers.get("X-Auth-Token"):
            if self._accounts.accepts(token):
                return
            if operation.service == "koophone":
                raise koophone("6001")
            _no("decrypt token fail")
        elif authorization := headers.get("Authorization"):
            self._check_signature(parse_authorization(authorization), request)
        else:
            _no("x-auth-token not found")

    def _check_signature(self, claim: Authorization | None, request: Request) -> None:
        if claim is None:
            _no("verify aksk signature fail", "the Authorization header cannot be read")
        key = self._accounts.key(claim.access)
        if key is None:
            _no("Get secretKey failed,ak:******,err:ak not exist")
        now = self._accounts.now()
        if abs(_date(request.headers) - now) > SKEW:
            _no("calc ak sk signature fail:signature expired", "X-Sdk-Date is more than 15 minutes off")
        self._check_temporary(key, request.headers, now)
        if not verify(claim, key.secret_key, request):
            _no("verify aksk signature fail")

    def _check_temporary(self, key: AccessKey, headers: Mapping[str, str], now: datetime) -> None:
        if key.security_token is None:
            return
        if headers.get("X-Security-Token") != key.security_token:
            _no("verify aksk signature fail", "this key goes with a security token")
        if key.expires_at is not None and now >= key.expires_at:
            _no("decrypt token fail", "the temporary key has ended")


def _date(headers: Mapping[str, str]) -> datetime:
    try:
        return datetime.strptime(headers.get("X-Sdk-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        _no("verify aksk signature fail", "X-Sdk-Date is missing or no date")


def _no(detail: str, reason: str = "") -> NoReturn:
    raise refusal("APIGW.0301", reason, detail=detail)
