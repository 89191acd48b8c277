"""The send path of a call: wait for the quota, sign, send, read, and return the answer or raise.

`retry` decides what is retried, `authentication` signs, `protocol.codes` says what an error code means.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from attrs import define

from koophone_async.connection_pool import AnswerTooLongError, ConnectionPool
from koophone_async.errors import (
    AuthenticationFailed,
    InvalidRequest,
    KooPhoneError,
    NotSent,
    Refused,
    Throttled,
    UnreadableAnswer,
)
from koophone_async.protocol.reading import read

if TYPE_CHECKING:
    from koophone_async.authentication import Authenticator
    from koophone_async.call import Call
    from koophone_async.limits import Limits, Permit
    from koophone_async.operation import Answer
    from koophone_async.protocol.response import RawResponse
    from koophone_async.retry import Budget

log: Final = logging.getLogger("koophone_async")


@define(eq=False, repr=False)
class CallSender:
    """Sends the calls of a session, with retries."""

    _limits: Limits
    _max_quota_wait: float | None
    _total_timeout: float | None
    _budget: Budget
    _authenticator: Authenticator
    _connections: ConnectionPool

    async def send(self, call: Call[Answer]) -> Answer:
        """Send until there is an answer, an error that is not retried, or the total timeout is reached."""
        if self._total_timeout is None:
            return await self._send_with_retries(call)
        limit = asyncio.timeout(self._total_timeout)
        try:
            async with limit:
                return await self._send_with_retries(call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise call.timed_out(f"not finished within {self._total_timeout} s") from error

    async def _send_with_retries(self, call: Call[Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        began, attempt, in_doubt = loop.time(), 0, None
        while True:
            attempt += 1
            try:
                answer = await self._attempt(call)
            except KooPhoneError as error:
                delay = self._retry_delay(call, error, attempt, loop.time() - began - call.queued)
                if delay is None:
                    was_not_sent = isinstance(error, InvalidRequest | NotSent) or call.is_signing_in
                    if in_doubt is not None and was_not_sent:
                        raise in_doubt from error  # an earlier attempt may have been executed
                    raise
                in_doubt = in_doubt or (error if call.tracker.sent else None)
                self._log_retry(call, error, attempt, delay)
            else:
                self._budget.succeeded()
                return answer
            await call.announce_retry()
            await asyncio.sleep(delay)

    def _retry_delay(
        self, call: Call[Any], error: KooPhoneError, attempt: int, elapsed: float
    ) -> float | None:
        if call.is_signing_in:
            return None  # the request for the token has had its own retries
        if isinstance(error, AuthenticationFailed):
            return 0.0 if self._authenticator.recovers(call, error) and not call.operation.order else None
        if isinstance(error, Refused) and error.blames_ids and call.tracker.bisects:
            return None
        return self._budget.retry_delay(call.operation, error, attempt, elapsed)

    def _log_retry(self, call: Call[Any], error: KooPhoneError, attempt: int, delay: float) -> None:
        operation = call.operation
        # The quota may have no permit until later.
        shown = max(delay, self._limits.estimate(operation.name, operation.quotas, 1))
        log.debug("retrying %s in %.2f s (attempt %d): %s", operation.name, shown, attempt + 1, error)

    async def _attempt(self, call: Call[Answer]) -> Answer:
        operation = call.operation
        # Before the wait for the quota: the request for a token may share the quota, and would wait for calls
        # that wait for the token.
        await self._authenticator.authenticate(call)
        now = asyncio.get_running_loop().time
        queued_at = now()
        with await self._limits.acquire(
            operation.name, operation.quotas, max_wait=self._max_quota_wait
        ) as permit:
            call.queued += now() - queued_at
            call.begin(permit)
            try:
                await self._authenticator.refresh(call)
                await call.announce()
                return await self._send_once(call, permit)
            except BaseException:
                permit.release()  # no effect if the request was sent
                raise

    async def _send_once(self, call: Call[Answer], permit: Permit) -> Answer:
        headers = self._authenticator.headers(call)
        try:
            received = await self._exchange(call, headers)
            answer = self._read(call, received)
        except Throttled as error:
            permit.mark_throttled(error.message, error.retry_after)
            call.mark_not_executed()
            raise
        except Refused as error:
            permit.mark_answered()
            if error.not_executed:
                call.mark_not_executed()
            raise
        permit.mark_answered()
        return answer

    async def _exchange(self, call: Call[Any], headers: dict[str, str]) -> RawResponse:
        operation, body = call.operation, call.encoded.body
        try:
            return await self._connections.exchange(operation.method, call.url, headers, body, call.tracker)
        except AnswerTooLongError as error:
            raise UnreadableAnswer(operation.name, error.status, str(error), b"", call.request_id) from None
        except InvalidRequest:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Not `from error`: its text may quote an answer, and tracebacks would print it.
            raise call.failure(error) from None

    def _read(self, call: Call[Answer], response: RawResponse) -> Answer:
        try:
            answer = read(call.operation, response, call.edition, call.request_id)
            call.check_ids(answer, response.status)
        except AuthenticationFailed as error:
            is_verified = self._connections.verifies(call.url)
            self._authenticator.compare_clocks(call, error, response.date, is_verified=is_verified)
            raise
        except UnreadableAnswer:
            response.close_connection()  # what comes next over it may not be understood either
            raise
        return answer
