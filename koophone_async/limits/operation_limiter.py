"""One operation: the gates of its calls, the calls that wait, the permits of those that passed."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from attrs import define, field

from koophone_async.limits.adaptive_rate import AdaptiveRate, Meter
from koophone_async.limits.sliding_window import Window
from koophone_async.limits.throttle import read_throttle

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from random import Random
    from types import TracebackType

    from koophone_async.operation import Quota


ON_ITS_WAY: Final = 0.2
"""Seconds after which a request that was given up has arrived, if it ever does: the longest one-way delay."""


class Gate(Protocol):
    """What a call passes: a window, a rate, or whatever else can say when it will be free.

    Nothing here waits. A gate whose permits come from elsewhere answers `inf` until they are here and
    then has the waiting calls looked at again.
    """

    @property
    def at_answer(self) -> bool:
        """Whether a call counts from its answer, not from its departure."""
        ...

    def free_at(self, now: float) -> float:
        """Tell when the next permit is free: `now` at the earliest, `inf` where no time can be said."""
        ...

    def grant_at(self, now: float, nth: int) -> float:
        """Tell when the nth permit from now is free at the earliest."""
        ...

    def take(self, now: float) -> None:
        """Open a permit."""

    def start(self, now: float) -> None:
        """Let the call of an open permit count from now."""

    def undo(self) -> None:
        """Close a permit whose call never left."""


class Turn(NamedTuple):
    """A waiting call's place among all that wait, and the time until which it is willing to."""

    ticket: int
    until: float


@define(eq=False)
class OperationLimiter:
    """One operation's quotas and rate, and its calls in the order they came."""

    name: str
    configured: tuple[Window, ...]
    """By the user, for this operation or for several; those that several share are the same objects."""

    own: dict[float, Window]
    """Documented or learned, by their seconds."""

    _meter: Meter
    _rng: Random
    _rate: AdaptiveRate | None = field(default=None, init=False)
    gates: tuple[Gate, ...] = field(default=(), init=False)
    waiting: OrderedDict[Future[Permit], Turn] = field(
        factory=OrderedDict["Future[Permit]", Turn], init=False
    )

    def __attrs_post_init__(self) -> None:
        self._gather()

    def _gather(self) -> None:
        rate = (self._rate,) if self._rate else ()
        self.gates = (*self.own.values(), *self.configured, *rate)

    @property
    def ticket(self) -> int:
        """The place of the first waiting call."""
        return next(iter(self.waiting.values())).ticket

    def free_at(self, now: float) -> float:
        """Tell when all gates let the next call through."""
        free = now
        for gate in self.gates:
            free = max(free, gate.free_at(now))
        return free

    def held_by(self, now: float) -> Gate:
        """Tell which gate keeps the first waiting call longest."""
        return max(self.gates, key=lambda gate: gate.free_at(now))

    def let_through(self, permit: Permit, now: float) -> None:
        """Learn that the service took a call."""
        self._meter.add(now)
        for window in self.own.values():
            if window not in permit.gates:
                window.admit(now)
        if self._rate is not None:
            self._recover(self._rate, permit, now)

    def _recover(self, rate: AdaptiveRate, permit: Permit, now: float) -> None:
        if rate in permit.gates:
            rate.let_through(permit.granted, now)
        if not self.waiting and rate.is_over(now):
            self._rate = None
            self._gather()

    def throttled(self, permit: Permit, quota: Quota | None, retry_after: float | None, now: float) -> None:
        """Learn from a 429: the quota that it names, else a slower rate.

        A quota that is known already says that others use it too, so that rate is all that helps.
        """
        known = self.own.get(quota.seconds) if quota else None
        if quota and (known is None or known.quota != quota):
            self._learn(quota, now)
        elif known is None or known in permit.gates:
            self._slow(permit, retry_after, now)

    def _learn(self, quota: Quota, now: float) -> None:
        window = self.own.setdefault(quota.seconds, Window(quota))
        window.become(quota)
        window.fill(now)
        self._gather()

    def _slow(self, permit: Permit, retry_after: float | None, now: float) -> None:
        if self._rate is None:
            self._rate = AdaptiveRate(self._meter, self._rng)
            self._gather()
        elif self._rate not in permit.gates:
            return
        self._rate.throttled(permit.granted, now, retry_after)


@define(eq=False)
class Permit:
    """One call's place in every quota that it is under, to be used in a `with` block.

    Say `sent` when the request has left, and then what came of it: `answered`, `throttled` or `unsent`.
    Left without any of these, the block counts as a call that may still arrive.
    """

    _limiter: OperationLimiter
    gates: tuple[Gate, ...]
    """What the call had to pass when it was granted. Without any, all calls share one permit."""

    granted: float
    _loop: AbstractEventLoop
    _changed: Callable[[OperationLimiter | None], None]
    """Looks at the waiting calls again; told the limiter if its calls may have to wait longer now."""

    _left: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    def sent(self) -> None:
        """Say that the request's headers have left: quotas of a few seconds count it from now."""
        if self.gates and not (self._left or self._closed):
            self._left = True
            self._start(at_answer=False)

    def answered(self) -> None:
        """Say that the service took the call, whatever it answered: quotas of a minute count it from now."""
        if not self._closed:
            self._limiter.let_through(self, self._loop.time())
            self._close()

    def throttled(self, message: str, retry_after: float | None = None) -> None:
        """Say that the service refused the call for its rate: waiting calls wait for what it says.

        Args:
            message: The service's words. A quota that they name becomes the operation's.
            retry_after: Seconds that the service asks for. Without them or figures, the first pause is 50 ms,
                and each further one twice as long.
        """
        if not self._closed:
            self._limiter.throttled(self, read_throttle(message), retry_after, self._loop.time())
            self._close()
            self._changed(self._limiter)

    def unsent(self) -> None:
        """Say that nothing of the request left: the permit is free again at once."""
        if self._left or self._closed:
            return
        self._closed = bool(self.gates)
        for gate in self.gates:
            gate.undo()
        self._changed(None)

    def _close(self, late: float = 0.0) -> None:
        if self.gates:
            self._closed = True
            if not self._left:
                self._start(late, at_answer=False)
            self._start(late, at_answer=True)

    def _start(self, late: float = 0.0, *, at_answer: bool) -> None:
        now = self._loop.time()
        for gate in self.gates:
            if gate.at_answer is at_answer:
                gate.start(now + late)
        self._changed(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._closed:
            self._close(ON_ITS_WAY)
