"""Definitions of fleet operations: how a chunk is sent, and what its answer means for each id."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from attrs import field, frozen

from koophone_async.checks import Between
from koophone_async.operation import Answer, Operation, Request, Sender
from koophone_async.polling.deadlines import Deadline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from koophone_async.batches.call_log import StartedCall
    from koophone_async.batches.chunks import Item
    from koophone_async.batches.outcomes import Outcome
    from koophone_async.batches.regions import RegionMap
    from koophone_async.call import SendTracker
    from koophone_async.polling import Poller


class EndedJob(Protocol):
    """A job that has ended, or a phone that has reached the state that was waited for."""

    @property
    def succeeded(self) -> bool:
        """Whether it succeeded."""
        ...

    @property
    def error_code(self) -> str | None:
        """The service's error code, if it failed."""
        ...

    @property
    def error_message(self) -> str | None:
        """The service's error message, if it failed."""
        ...

    @property
    def output(self) -> str | None:
        """The output of its command."""
        ...


@frozen
class Wait:
    """Jobs that a call started, and how to poll them."""

    poller: Poller[Any]
    handle: str
    jobs: Mapping[str, str]
    """The id that each job is for, by job id."""

    has_jobs: bool = True
    """Whether there are jobs, which another process can wait for too; otherwise the ids themselves serve as
    jobs, because their state is awaited."""

    value: Callable[[Any], object] | None = None
    """Returns the `value` of the outcome of a job that has ended."""


@frozen
class CallResult:
    """What an answer means for the ids of its call: an outcome for some, a wait for others."""

    outcomes: Iterable[Outcome] = ()
    wait: Wait | None = None


@frozen
class Verb(Generic[Request, Answer]):
    """An operation as a fleet runs it."""

    operation: Operation[Request, Answer]
    request: Callable[[Sequence[str]], Request]
    """Builds the request for a chunk of ids."""

    read: Callable[[Answer, Sequence[str]], CallResult]
    """Reads the answer to the request for a chunk of ids."""

    send: Callable[[Sender, Request, SendTracker], Awaitable[Answer]] | None = None
    """Sends a request where that takes more than one call, such as a list with pages."""

    sample: Sequence[str] = ("any",)
    """Ids that stand for those of the run when its arguments are validated, before any id is read."""

    partition: Callable[[Item], str | None] | None = None
    """Returns the partition of an item, such as its server, or None if unknown; see `Partitions`."""

    regions: RegionMap | None = None
    """Regions of ids that the input does not know, where all ids of a call must be of one."""

    resume: Callable[[StartedCall], Wait] | None = None
    """Returns a wait for a call that an earlier process has started; None if calls have nothing to wait
    for."""

    is_synchronous: bool = False
    """Whether its answers have the outcomes, even if calls of it can be resumed."""

    handles_per_poll: int = 1
    """Calls whose jobs one poll can list."""

    is_single: bool = False
    """Whether a call is for one id, although the operation has a batch, which is of something else."""

    @property
    def starts_jobs(self) -> bool:
        """Whether its calls start jobs or changes of state, which are awaited."""
        return self.resume is not None and not self.is_synchronous

    @property
    def max_ids(self) -> int:
        """Maximum number of ids in one call."""
        return self.operation.batch.max if self.operation.batch and not self.is_single else 1

    @property
    def by_region(self) -> bool:
        """Whether all ids of one call must be of one region."""
        return self.operation.batch is not None and self.operation.batch.one_region


_AT_LEAST_ONE: Final = Between(1, inf)


@frozen
class RunOptions:
    """Limits of a run."""

    concurrency: int = field(default=32, validator=_AT_LEAST_ONE)
    """Maximum of concurrent calls."""

    in_flight: int = field(default=100_000, validator=_AT_LEAST_ONE)
    """Maximum of ids that have been read and not yet reported, however long the input is."""

    deadline: float | Deadline | None = Deadline.DEFAULT
    """Seconds after which nothing more is sent, and jobs that still run are left running. By default, the
    jobs of each call are awaited for a time that depends on the operation."""

    assume_unique: bool = False
    """Whether the caller guarantees that no id is listed twice; then ids need not be remembered."""

    max_per_partition: int = 30
    """Maximum of ids in flight for one partition. They are sent in three calls, so that the next ids arrive
    before the partition has finished."""

    linger: float | None = None
    """Seconds after which an incomplete call is sent although the input may have more ids; None: never."""

    @property
    def seconds(self) -> float | None:
        """The deadline of the run as a whole; None if it has none."""
        return None if isinstance(self.deadline, Deadline) else self.deadline

    def max_wait(self, operation: str) -> float | None:
        """Return the seconds for which the jobs of each call are awaited; None if that is not limited."""
        return self.deadline.seconds(operation) if isinstance(self.deadline, Deadline) else None
