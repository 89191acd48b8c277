"""What is polled: the handles of jobs, in groups by the operation that started the jobs."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from koophone_async.polling.duration_model import DurationModel, HandleEvidence, Interval, Lognormal
from koophone_async.polling.poller import LostJob, OpenJob

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Mapping

    from koophone_async.polling.pending_jobs import PendingJobs
    from koophone_async.polling.policy import PollPolicy
    from koophone_async.polling.poll_queue import PollQueue

_MAX_MISSES: Final = 3
"""Answers in a row that do not list a job, after which it is lost."""

_MAX_UNREADABLE: Final = 5
"""Polls in a row that cannot be read, after which what they cover is given up."""

_UNREADABLE_BEFORE_ALONE: Final = 3
"""Of these, how many may share a request with other handles, of which one may spoil the answer for all."""

_LEARNING_BONUS: Final = 7.0
"""Weight of a job that a poll informs about without listing it: what is learned now saves polls later."""

_SCOUTS: Final = 2
"""The oldest handles, which are polled first. Two, because the jobs of one may be of a slower kind."""

_FOLLOWER_COST: Final = 4.0
"""Factor of the cost of polling the other handles as long as no job has ended."""

_REPLAN_TOLERANCE: Final = 1 / 8
"""By which share of its deviation a distribution may change before polls are planned again."""

_MAX_OUTLIER_INTERVAL: Final = 300.0
"""The longest interval between polls of jobs that take longer than any before, in seconds."""


@define(eq=False)
class JobGroup:
    """All handles of jobs that one operation started, with the model of their durations."""

    model: DurationModel = field(factory=DurationModel)
    handles: dict[JobHandle, None] = field(factory=dict["JobHandle", None])
    """Ordered by when waiting for them began."""

    open_jobs: int = 0
    """Open jobs of all the handles."""

    any_ended: bool = False
    """Whether a job has ended since the group last had no handle."""

    planned_with: Lognormal | None = field(factory=Lognormal)
    """The distribution that the polls of all handles were last planned with; None: plan them again."""

    replan_at: float = 0.0
    """The earliest time to plan all of them again."""

    @property
    def oldest(self) -> JobHandle | None:
        """The handle that has been waited for longest: the first to show how long the jobs take."""
        return next(iter(self.handles), None)

    def add_end(self) -> None:
        """Note that a job has ended, which may be what other handles wait for."""
        if not self.any_ended:
            self.any_ended, self.planned_with, self.replan_at = True, None, 0.0

    def cost_factor(self, handle: JobHandle) -> float:
        """Return by how much polling a handle costs more because other handles will show its moment.

        Jobs that were started together often end together. If a poll of the scouts shows no end, it saves as
        many polls of the others; if it does, the others are planned anew at once.
        """
        is_follower = not self.any_ended and handle not in islice(self.handles, _SCOUTS)
        return _FOLLOWER_COST if is_follower else 1.0

    def is_outdated(self) -> bool:
        """Return whether so much has changed that all polls should be planned again."""
        then, now = self.planned_with, self.model.distribution
        return then is None or not now.is_close_to(then, _REPLAN_TOLERANCE)


@define(eq=False)
class JobHandle:
    """A handle that is polled, for any number of waits."""

    queue: PollQueue
    id: str
    """The task or request id that its jobs are looked up by."""

    group: JobGroup
    started: float
    """When its jobs were started, by the loop's clock."""

    last_polled: float
    """When it was last polled, or started."""

    open_jobs: dict[str, float] = field(factory=dict[str, float], init=False)
    """The age at which each open job was last seen open."""

    listed_jobs: int = field(default=0, init=False)
    """How many jobs an answer lists: all that were ever waited for, as ended ones are listed too."""

    waits: dict[PendingJobs[Any], None] = field(factory=dict["PendingJobs[Any]", None], init=False)
    due: float = field(default=0.0, init=False)
    """When polling it is worth its share of a request."""

    latest: float = field(default=0.0, init=False)
    """When it must be polled whatever it is worth."""

    entry: int = field(default=0, init=False)
    """The number of its valid entry in the queue, 0 for none; entries with other numbers are stale."""

    in_flight: asyncio.Task[Any] | None = field(default=None, init=False)
    """The poll of it that is in flight."""

    alone: bool = field(default=False, init=False)
    """Whether it is polled in a request of its own, because a shared request was refused."""

    notes: dict[str, str] = field(factory=dict[str, str], init=False)
    """What the last poll found out about some open jobs."""

    _planned_weight: float = field(default=0.0, init=False)
    _evidence: HandleEvidence = field(factory=HandleEvidence, init=False)
    _misses: dict[str, int] = field(factory=dict[str, int], init=False)
    """How many answers in a row did not list a job."""

    _missed_at: float = field(default=0.0, init=False)
    _unreadable: int = field(default=0, init=False)
    """How many polls in a row could not be read."""

    def join(self, wait: PendingJobs[Any]) -> None:
        """Add a wait, and poll for its jobs too."""
        before = len(self.open_jobs)
        self.open_jobs.update({job: 0.0 for job in wait.pending if job not in self.open_jobs})
        self.listed_jobs += len(self.open_jobs) - before
        self.group.open_jobs += len(self.open_jobs) - before
        self.group.handles.setdefault(self)
        self.waits[wait] = None

    def leave(self, wait: PendingJobs[Any]) -> None:
        """Remove a wait, and the jobs that no other wait needs."""
        self.waits.pop(wait, None)
        needed = {job for other in self.waits for job in other.pending}
        self._close([job for job in self.open_jobs if job not in needed])
        if not self.waits:
            self.group.handles.pop(self, None)
            self.group.any_ended = self.group.any_ended and bool(self.group.handles)
            self.group.model.retire(self._evidence)
            self._evidence = HandleEvidence()

    def unseen_wait(self, now: float) -> tuple[float, float]:
        """Return the unseen wait of all its jobs in seconds, and by how much it grows per second."""
        last_seen, age = self.last_polled - self.started, now - self.started
        wait, chance = self.group.model.distribution.unseen_wait(last_seen, age)
        return wait * self._weight, chance * self._weight

    def plan(self, policy: PollPolicy, cost: float) -> None:
        """Plan the next poll for when the unseen wait reaches `cost` seconds."""
        distribution, age = self.group.model.distribution, self.last_polled - self.started
        self._planned_weight = self._weight
        # The maximum interval grows by an eighth of a second for each second that the jobs are overdue.
        interval = min(_MAX_OUTLIER_INTERVAL, policy.max_interval + max(0.0, age - distribution.tail) / 8)
        self.latest = self._missed_at + policy.miss_interval if self._misses else self.last_polled + interval
        # All jobs of a handle are taken to have the same age, so that one of them stands for all.
        share = cost * self.group.cost_factor(self) / self._weight
        self.due = self.started + distribution.poll_age(age, share, self.latest - self.started)

    @property
    def is_outlier(self) -> bool:
        """Whether its jobs have taken longer than the model expects of any."""
        return self.last_polled - self.started > self.group.model.distribution.tail

    @property
    def has_gained_weight(self) -> bool:
        """Whether a poll now informs about a fifth more jobs than when it was planned."""
        return self._weight > 1.2 * self._planned_weight

    def process(self, jobs: Mapping[str, Any], sent: float, now: float, policy: PollPolicy) -> None:
        """Process one poll result: update the model, notify waits of finished and lost jobs."""
        open_jobs = self.open_jobs
        listed = {id: job for id, job in jobs.items() if id in open_jobs}
        still_open = {id: job for id, job in listed.items() if job is None or isinstance(job, OpenJob)}
        ended = {id: job for id, job in listed.items() if id not in still_open} if still_open else listed
        self._update_model(Counter(map(open_jobs.__getitem__, ended)), len(still_open), sent, now)
        if ended:
            self.group.add_end()
        open_jobs.update(dict.fromkeys(still_open, sent - self.started))
        self.last_polled = sent
        missing = [job for job in open_jobs if job not in listed] if len(listed) < len(open_jobs) else []
        lost = self._lost_jobs(missing, now, policy)
        self._unreadable = 0
        self.notes.clear()
        self.notes.update((id, job.note) for id, job in still_open.items() if job is not None)
        if lost:
            ended |= dict.fromkeys(lost, LostJob("the service does not know its job any more"))
        self._end(ended)

    def process_unreadable(self, reason: str) -> None:
        """Process an answer that cannot be read, and give up the jobs of too many such answers in a row."""
        self._unreadable += 1
        self.alone = self.alone or self._unreadable >= _UNREADABLE_BEFORE_ALONE
        if self._unreadable >= _MAX_UNREADABLE:
            self._end(dict.fromkeys(self.open_jobs, LostJob(reason)))

    @property
    def _weight(self) -> float:
        """How many jobs a poll informs about: its own, and for the oldest handle a share of all others."""
        jobs = max(1, len(self.open_jobs))
        if self is not self.group.oldest:
            return jobs
        others = max(0, self.group.open_jobs - jobs)
        return jobs + _LEARNING_BONUS * self.group.model.shared_uncertainty * others

    def _update_model(self, ended: Counter[float], open_jobs: int, sent: float, now: float) -> None:
        # A job that is reported ended ended before the answer; one reported open was open when the poll was
        # sent.
        intervals = [Interval(jobs, last_seen, now - self.started) for last_seen, jobs in ended.items()]
        still_open = Interval(open_jobs, sent - self.started)
        self.group.model.update(intervals, still_open, self._evidence)

    def _lost_jobs(self, missing: list[str], now: float, policy: PollPolicy) -> list[str]:
        """Count jobs that were not listed, at most once per `miss_interval`, and return those now lost."""
        if self._misses and now < self._missed_at + 0.99 * policy.miss_interval:
            self._misses = {job: self._misses[job] for job in missing if job in self._misses}
            return []
        in_grace = now < self.started + policy.grace_period
        self._misses = {job: 0 if in_grace else self._misses.get(job, 0) + 1 for job in missing}
        self._missed_at = now
        return [job for job, misses in self._misses.items() if misses >= _MAX_MISSES]

    def _end(self, jobs: Mapping[str, object]) -> None:
        self._close(jobs)
        for wait in tuple(self.waits):
            wait.notify(jobs)

    def _close(self, job_ids: Collection[str]) -> None:
        """Stop polling for open jobs."""
        self.group.open_jobs -= len(job_ids)
        for job_id in job_ids:
            del self.open_jobs[job_id]
        if self._misses:
            self._misses = {job: misses for job, misses in self._misses.items() if job in self.open_jobs}
