"""Rate limits whose permits are shared with other processes."""

from __future__ import annotations

import asyncio
import os
import socket
from math import inf
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.errors import QuotaTooSlow
from koophone_async.limits.limits import Limits
from koophone_async.limits.shared.exchange import Exchanger
from koophone_async.limits.shared.scope import OperationScope, Scope, SharedLimiter
from koophone_async.limits.shared.window import Member, SharedWindow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from koophone_async.limits.adaptive_rate import Meter
    from koophone_async.limits.operation_limiter import OperationLimiter, Permit, QuotaWindow
    from koophone_async.limits.shared.store import PermitStore
    from koophone_async.operation import Quota

GRACE: Final = 1.0
"""Seconds that the store has to answer before a call is refused that may not wait as long."""


@define(eq=False, kw_only=True)
class SharedLimits(Limits):
    """Grants permits that are leased from a store, which all processes of an account share."""

    _open: Callable[[], PermitStore] = field(alias="open")
    _account: Callable[[], Awaitable[str]] = field(alias="account")
    """Returns what the keys of the account begin with; called before the first call."""

    _now: Callable[[], datetime] = field(alias="now")
    """The wall clock, for people."""

    _member: Member = field(init=False)
    _exchanger: Exchanger = field(init=False)

    def __attrs_post_init__(self) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
        self._member = Member(name, self._demand, self._report, self._margin)
        self._exchanger = Exchanger(self._open, self._member, self._now, self._answered)
        super().__attrs_post_init__()

    @property
    def outage(self) -> str | None:
        """Why no call is sent: the store cannot be reached."""
        return str(self._exchanger.outage) if self._exchanger.outage else None

    async def acquire(self, name: str, quotas: tuple[Quota, ...], *, max_wait: float | None = None) -> Permit:
        """Wait until every rate limit of an operation has a free permit, and take one of each.

        Raises:
            QuotaTooSlow: It would take longer than `max_wait`, or the store did not answer for so long.
            InvalidRequest: The credentials name no account to share quotas by.
        """
        if not self._exchanger.prefix:
            self._exchanger.prefix = await self._account()
        if max_wait is None:
            return await super().acquire(name, quotas)
        limit = asyncio.timeout(max(max_wait, GRACE))
        try:
            async with limit:
                return await super().acquire(name, quotas, max_wait=max_wait)
        except TimeoutError:
            if not limit.expired():
                raise
            raise QuotaTooSlow(name, self._problem(), GRACE) from None

    def _problem(self) -> str:
        if outage := self._exchanger.outage:
            return f"the {outage} ({outage.reason})"
        return "its shared quota had no permit in time"

    def enter_loop(self) -> None:
        """Continue in the running loop, with the quotas learned so far, after an earlier loop was closed."""
        super().enter_loop()
        self._exchanger.enter_loop()

    async def close(self) -> None:
        """Return the unused permits to the store, and close the connections."""
        await self._exchanger.close()

    def seconds_to_next_call(self) -> float | None:
        """Return in how many seconds the first waiting call can be sent; None if no call waits.

        It is infinite while the store cannot be reached.
        """
        if self._waiting and self.outage:
            return inf
        now = asyncio.get_running_loop().time()
        return min((self._delay(limiter, now, 1)[0] for limiter in self._waiting.values()), default=None)

    def _configured_window(self, scope: str, quota: Quota) -> QuotaWindow:
        name = f"group/{scope}"
        group = self._exchanger.scopes.setdefault(name, Scope(name, self._member))
        return group.window(quota)  # the same for several quotas with one window

    def _new_limiter(
        self, name: str, configured: tuple[QuotaWindow, ...], quotas: Iterable[Quota], meter: Meter
    ) -> OperationLimiter:
        scope = OperationScope(name, self._member)
        self._exchanger.scopes[name] = scope
        own: dict[float, QuotaWindow] = {quota.seconds: scope.window(quota) for quota in quotas}
        configured = tuple(dict.fromkeys(configured))
        return SharedLimiter(name, configured, own, meter, self._rng, scope=scope)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        super()._set_timer(loop, now)
        self._exchanger.wake()

    def _demand(self, window: SharedWindow) -> int:
        """Return how many calls wait for a permit of a window, of all operations that share it."""
        return sum(
            limiter.demand(window)
            for limiter in self._waiting.values()
            if isinstance(limiter, SharedLimiter) and window in limiter.rate_limits
        )

    def _report(self) -> None:
        self._exchanger.wake()

    def _answered(self) -> None:
        """Grant what was leased, and refuse the calls that would wait too long."""
        loop = asyncio.get_running_loop()
        self._grant(loop, loop.time())
        for limiter in list(self._waiting.values()):
            if next(iter(limiter.waiting.values())).deadline < inf:
                self._refuse(limiter, loop.time())
