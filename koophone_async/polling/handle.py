"""What is looked at: handles, and the kinds of operation they belong to."""

from __future__ import annotations

from collections import Counter
from math import exp, inf
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen
from attrs.validators import ge, gt

from koophone_async.polling.duration_model import Account, Belief, Lasted, Lognormal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from koophone_async.polling.poll_queue import PollQueue
    from koophone_async.polling.wait import PendingJobs

_MISSES: Final = 3
_INSIGHT: Final = 7.0
"""How much more a job counts of which a look informs without seeing it, because that makes looks needless."""

_LONGEST: Final = 300.0
"""Seconds between two looks at the most overdue of jobs."""


@frozen
class PollPolicy:
    """How eagerly jobs are looked at."""

    waiting: float = field(default=10.0, validator=gt(0))
    """What one request is worth, in seconds by which one phone is known to be done later."""

    patience: float = field(default=15.0, validator=gt(0))
    """Seconds after which a handle is looked at whatever is expected of it."""

    grace: float = field(default=15.0, validator=ge(0))
    """Seconds from the start in which the service need not list a job yet."""

    spacing: float = field(default=2.0, validator=gt(0))
    """Seconds between answers that both count as not listing a job; the third makes it lost."""

    at_once: int = field(default=16, validator=gt(0))
    """Looks in flight."""


_WINDOW: Final = 3.0
"""Seconds within which a look is forgotten."""

_BUSY: Final = 30.0
"""Looks in that time, or handles to look at, from which a look has its full price."""

_CHEAPEST: Final = 0.02
"""The least price: a fifth of a second of waiting for what is worth ten."""


@define(eq=False)
class Load:
    """How much a scheduler has to do, which decides how dear a look is.

    A request is worth the whole `PollPolicy.waiting` where requests are scarce. Where there is little to do it is
    worth much less, by the square, so that the end of a single job is seen within a second and not ten.
    """

    handles: int = 0
    _looks: float = 0.0
    _at: float = 0.0
    _paid: float = 0.0
    """The highest price of looks that are planned."""

    def looked(self, now: float) -> None:
        """Count a request."""
        self._looks, self._at = self._recent(now) + 1, now

    def price(self, now: float) -> float:
        """Tell what share of its full worth a request must have."""
        price = max(_CHEAPEST, min(1.0, (self._recent(now) + self.handles) / _BUSY) ** 2)
        self._paid = max(self._paid, price)
        return price

    def has_fallen(self, now: float) -> bool:
        """Tell whether looks that were planned at a higher price should be planned anew."""
        paid, self._paid = self._paid, 0.0
        if self.price(now) < paid / 2:
            return True
        self._paid = paid
        return False

    def falls_by(self, now: float) -> float:
        """Tell when to ask again: the price falls with time, and with each handle that is done."""
        return now + _WINDOW / 4 if self.handles < _BUSY and self._paid > _CHEAPEST else inf

    def _recent(self, now: float) -> float:
        return self._looks * exp((self._at - now) / _WINDOW)


@define(eq=False)
class Kind:
    """The handles of one kind of operation, and what is believed of their jobs."""

    belief: Belief = field(factory=Belief)
    targets: dict[Handle, None] = field(factory=dict["Handle", None])
    jobs: int = 0
    """Open jobs of all the handles."""

    planned: Lognormal = field(factory=Lognormal)
    """What was believed when all their looks were last planned."""

    plan_at: float = 0.0
    """When they may be planned again."""

    @property
    def scout(self) -> Handle | None:
        """The handle that has run longest: what it shows is learned for all the others."""
        return next(iter(self.targets), None)

    def surprised(self) -> bool:
        """Tell whether so much was learned that looks should be planned anew."""
        then, now = self.planned, self.belief.shape
        much = min(then.sigma, now.sigma) / 8
        return abs(now.mu - then.mu) > much or abs(now.sigma - then.sigma) > much


@define(eq=False)
class Handle:
    """One handle that is looked at, for however many waits."""

    queue: PollQueue
    handle: str
    kind: Kind
    started: float
    """When its jobs started, by the loop's clock."""

    looked: float
    """When it was last looked at, or started."""

    open: dict[str, float] = field(factory=dict[str, float], init=False)
    """The age at which each open job was last seen open."""

    size: int = field(default=0, init=False)
    """How many jobs were ever waited for: an answer lists those that have ended too."""

    watches: dict[PendingJobs[Any], None] = field(factory=dict["PendingJobs[Any]", None], init=False)
    due: float = field(default=0.0, init=False)
    """When a look at it is worth its share of a request."""

    late: float = field(default=0.0, init=False)
    """When it must be looked at whatever it is worth."""

    entry: int = field(default=0, init=False)
    """Which entry in the queue is its own, 0 for none; others are stale."""

    look: asyncio.Task[Any] | None = field(default=None, init=False)
    """The look at it that is in flight."""

    alone: bool = field(default=False, init=False)
    """Whether it shares no request, because one that it shared was refused."""

    _planned_for: float = field(default=0.0, init=False)
    _account: Account = field(factory=Account, init=False)
    _missed: dict[str, int] = field(factory=dict[str, int], init=False)
    _missed_at: float = field(default=0.0, init=False)

    def join(self, watch: PendingJobs[Any]) -> None:
        """Look for one more wait."""
        before = len(self.open)
        for job in watch.pending:
            self.open.setdefault(job, 0.0)
        self.size += len(self.open) - before
        self.kind.jobs += len(self.open) - before
        self.kind.targets.setdefault(self)
        self.watches[watch] = None

    def leave(self, watch: PendingJobs[Any]) -> None:
        """Look no more for a wait, nor for the jobs that only it waited for."""
        self.watches.pop(watch, None)
        wanted = {job for other in self.watches for job in other.pending}
        for job in [job for job in self.open if job not in wanted]:
            self._close(job)
        if not self.watches:
            self.kind.targets.pop(self, None)
            self.kind.belief.close(self._account)
            self._account = Account()

    def waiting(self, now: float) -> tuple[float, float]:
        """Tell the seconds of phone-waiting that a look would end, and by how much a second they grow."""
        seconds, chance = self.kind.belief.shape.unseen(self.looked - self.started, now - self.started)
        return seconds * self._counted, chance * self._counted

    def plan(self, policy: PollPolicy, worth: float) -> None:
        """Find when a look will be worth so many seconds of phone-waiting."""
        shape, age = self.kind.belief.shape, self.looked - self.started
        self._planned_for = self._counted
        patience = min(_LONGEST, policy.patience + max(0.0, age - shape.tail) / 8)
        self.late = self._missed_at + policy.spacing if self._missed else self.looked + patience
        self.due = self.started + shape.due(age, worth / self._counted, self.late - self.started)

    @property
    def is_outlier(self) -> bool:
        """Whether its jobs have lasted longer than any that is believed in."""
        return self.looked - self.started > self.kind.belief.shape.tail

    @property
    def outgrown(self) -> bool:
        """Whether a look at it informs of a fifth more jobs than when it was planned."""
        return self._counted > 1.2 * self._planned_for

    def see(self, seen: Mapping[str, Any], sent: float, now: float, policy: PollPolicy) -> None:
        """Take in an answer: learn from it, tell of what ended and what is lost."""
        listed = self.open.keys() & seen.keys()
        ended = {id: job for id, job in seen.items() if job is not None and id in self.open}
        self._learn(Counter(self.open[job] for job in ended), len(listed) - len(ended), sent, now)
        self.open.update(dict.fromkeys(listed, sent - self.started))
        self.looked = sent
        lost = self._lost([job for job in self.open if job not in listed], now, policy)
        for job in (*ended, *lost):
            self._end(job, ended.get(job))

    @property
    def _counted(self) -> float:
        """How many jobs a look informs of: its own, and for the scout a share of all the others."""
        jobs = max(1, len(self.open))
        if self is not self.kind.scout:
            return jobs
        return jobs + _INSIGHT * self.kind.belief.shared * max(0, self.kind.jobs - jobs)

    def _learn(self, ended: Counter[float], running: int, sent: float, now: float) -> None:
        lasted = [Lasted(jobs, low, now - self.started) for low, jobs in ended.items()]
        still = Lasted(running, sent - self.started)
        self.kind.belief.learn(lasted, still, self._account)

    def _lost(self, missing: list[str], now: float, policy: PollPolicy) -> list[str]:
        """Count what was not listed, at most once in `spacing` seconds; answers what is lost by that."""
        if self._missed and now < self._missed_at + 0.99 * policy.spacing:
            self._missed = {job: self._missed[job] for job in missing if job in self._missed}
            return []
        young = now < self.started + policy.grace
        self._missed = {job: 0 if young else self._missed.get(job, 0) + 1 for job in missing}
        self._missed_at = now
        return [job for job, misses in self._missed.items() if misses >= _MISSES]

    def _end(self, job: str, seen: object) -> None:
        self._close(job)
        for watch in tuple(self.watches):
            watch.tell(job, seen)

    def _close(self, job: str) -> None:
        if self.open.pop(job, None) is not None:
            self._missed.pop(job, None)
            self.kind.jobs -= 1
