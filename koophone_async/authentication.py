"""Authentication of calls: sign with a key or send a token, and recover if the service refuses them.

A refused token is renewed. A signature that was refused because of a wrong clock is repeated with the
corrected time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.characters import HEADER
from koophone_async.clock import TOLERANCE, Clock
from koophone_async.credential_cache import CredentialCache
from koophone_async.credentials import AccessKey, Credentials, Password
from koophone_async.errors import (
    AuthenticationFailed,
    InvalidRequest,
    NoAnswer,
    NotConnected,
    Rule,
    UnreadableAnswer,
)
from koophone_async.protocol.signing import Request as Unsigned

if TYPE_CHECKING:
    from datetime import datetime

    from koophone_async.call import Call
    from koophone_async.operation import Sender
    from koophone_async.services.iam import Token

MAX_SIGNED_BODY: Final = 12 * 2**20
"""The maximum size in bytes of a body signed with an access key; larger ones need a token."""


@define(eq=False, repr=False)
class Authenticator:
    """Authenticates the calls of a session."""

    _credentials: CredentialCache[Credentials]
    _clock: Clock
    _session: Sender
    """Sends the requests for tokens."""

    _tokens: CredentialCache[Token] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tokens = CredentialCache(self._fetch_token, self._clock.now)

    def enter_loop(self) -> None:
        """Forget renewals that the end of their event loop has stopped."""
        self._credentials.enter_loop()
        self._tokens.enter_loop()

    async def authenticate(self, call: Call[Any]) -> None:
        """Find the key or token of the next attempt.

        Raises:
            NotConnected: No token could be fetched, so that the call itself was not sent.
        """
        call.credentials = None if call.operation.anonymous else await self._credentials_for(call)

    async def refresh(self, call: Call[Any]) -> None:
        """Replace a token that was renewed, or a key that may have expired, during the wait for the quota.

        A token is not fetched here, since its request might need the quota of which this call has a permit.
        """
        if isinstance(call.credentials, AccessKey):
            if call.credentials.expires_at is not None:
                call.credentials = await self._credentials_for(call)
        elif call.credentials is not None:
            call.credentials = self._tokens.cached or call.credentials

    def headers(self, call: Call[Any]) -> dict[str, str]:
        """Return the headers of an attempt, with its signature or token."""
        encoded, credentials = call.encoded, call.credentials
        headers = {"x-request-id": call.request_id}
        if encoded.body is not None:
            headers["Content-Type"] = "application/json"
        if credentials is None:
            return headers
        if not isinstance(credentials, AccessKey):
            return headers | {"X-Auth-Token": credentials.value}
        if call.operation.service == "iam" and credentials.domain_id:
            headers["X-Domain-Id"] = credentials.domain_id
        elif project := call.project or credentials.project_id:
            headers["X-Project-Id"] = project
        return headers | self._signature(call, credentials, headers)

    def recovers(self, call: Call[Any], error: AuthenticationFailed) -> bool:
        """Return whether another attempt has another time, key or token than the refused one."""
        has_other = call.signs_again or (error.renewable and self._renew(call))
        call.signs_again = False
        return has_other

    def compare_clocks(
        self, call: Call[Any], error: AuthenticationFailed, date: datetime | None, *, is_verified: bool
    ) -> None:
        """Correct the clock if it may be why a signature was refused; the error has how wrong it is.

        Args:
            call: The call that was refused.
            error: The refusal.
            date: When the service refused it, by its own clock.
            is_verified: Whether the answer certainly came from the service.
        """
        if not isinstance(call.credentials, AccessKey) or date is None:
            return
        ahead = self._clock.ahead_of(date)
        if abs(ahead + call.clock_correction) <= TOLERANCE:
            return  # this signature had the right time
        error.clock_ahead = ahead.total_seconds()
        if not call.is_clock_corrected and is_verified:
            call.is_clock_corrected = call.signs_again = self._clock.correct(ahead)

    async def _credentials_for(self, call: Call[Any]) -> AccessKey | Token:
        try:
            credentials = await self._credentials.current()
            if not isinstance(credentials, Password):
                return credentials
            call.is_signing_in = True
            token = await self._tokens.current()
        except (NoAnswer, UnreadableAnswer) as error:
            raise NotConnected(call.operation.name, f"no token: {error}") from error
        call.is_signing_in = False
        return token

    def _signature(self, call: Call[Any], key: AccessKey, headers: dict[str, str]) -> dict[str, str]:
        encoded = call.encoded
        if encoded.body is not None and (size := len(encoded.body)) > MAX_SIGNED_BODY:
            problem = f"has {size:,} bytes; a signed one may have at most {MAX_SIGNED_BODY:,}: use a Password"
            raise InvalidRequest(call.operation.name, "body", problem, Rule.TOO_LONG, MAX_SIGNED_BODY)
        at, call.clock_correction = self._clock.now(), self._clock.correction
        # The query is in the canonical form in the URL already.
        query = call.url.raw_query_string
        unsigned = Unsigned(call.operation.method, encoded.path, query, headers, encoded.body)
        return key.signer.sign(unsigned, call.url.host_port_subcomponent or "", at)

    def _renew(self, call: Call[Any]) -> bool:
        """Invalidate the refused credentials, once a call; return whether others can be fetched."""
        if call.is_renewed:
            return False
        call.is_renewed = True
        match call.credentials:
            case None:
                return False
            case AccessKey() as key:
                # A permanent key stays refused, and the vendor locks a key after five refusals.
                return key.security_token is not None and self._credentials.invalidate(key)
            case token:
                return self._tokens.invalidate(token)

    async def _fetch_token(self) -> Token:
        from koophone_async.services.iam import CREATE_TOKEN, CreateToken  # noqa: PLC0415 - a key needs no IAM

        credentials = await self._credentials.current()
        if not isinstance(credentials, Password):
            raise InvalidRequest(
                CREATE_TOKEN.name,
                "credentials",
                "are an access key; a token is issued for a user and password only",
            )
        request = CreateToken.of(
            credentials.user, credentials.password, credentials.domain, credentials.project
        )
        token = await self._session.send(CREATE_TOKEN, request)
        if not HEADER.accepts(token.value):
            reason = "the token contains characters that no header may contain"
            raise UnreadableAnswer(CREATE_TOKEN.name, CREATE_TOKEN.success, reason, b"")
        return token
