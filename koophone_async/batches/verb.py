"""What a run needs to know of a verb: how a chunk is sent, and what its answer says of each id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol

from attrs import frozen

from koophone_async.operation import Answer, Operation, Request, Sender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from koophone_async.batches.chunks import Item
    from koophone_async.batches.outcomes import Outcome
    from koophone_async.call import SendTracker
    from koophone_async.polling import Poller


class Ended(Protocol):
    """A job, or a state waited for, at its end."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        ...

    @property
    def error_code(self) -> str | None:
        """The service's code where it did not."""
        ...

    @property
    def error_message(self) -> str | None:
        """The service's words."""
        ...

    @property
    def output(self) -> str | None:
        """What it printed."""
        ...


@frozen
class Wait:
    """Jobs that a call started, and how to look at them."""

    poller: Poller[Any]
    handle: str
    jobs: Mapping[str, str]
    """Job id to id."""

    resume_tokens: bool = True
    """Whether another process can await them by the handle."""

    value: Callable[[Any], object] | None = None
    """What a job that ended tells beside its output."""


@frozen
class Reading:
    """What an answer says of the ids of its call: an end for some, a wait for others."""

    ends: Iterable[Outcome] = ()
    wait: Wait | None = None


@frozen
class Verb(Generic[Request, Answer]):
    """What a run does to every id."""

    operation: Operation[Request, Answer]
    request: Callable[[Sequence[str]], Request]
    read: Callable[[Answer, Sequence[str]], Reading]
    ask: Callable[[Sender, Request, SendTracker], Awaitable[Answer]] | None = None
    """For answers that take more than one call, such as lists by the page."""

    sample: Sequence[str] = ("any",)
    """Ids to try the arguments with before anything is drawn."""

    partition: Callable[[Item], str | None] | None = None
    """Whose work is done one after the other, such as a server's; None where that is not known."""

    is_single: bool = False
    """Whether one call takes one id, where its list holds something else."""

    @property
    def most(self) -> int:
        """How many ids one call takes."""
        return self.operation.batch.max if self.operation.batch and not self.is_single else 1

    @property
    def by_region(self) -> bool:
        """Whether all ids of one call must be of one region."""
        return self.operation.batch is not None and self.operation.batch.one_region


@frozen
class RunOptions:
    """How a run spends connections and memory."""

    concurrency: int = 32
    """Calls under way at once."""

    in_flight: int = 100_000
    """Ids at once that are drawn and not yet reported; no more are held, however long the input is."""

    deadline: float | None = None
    """Seconds after which what is not sent stays so, and what still runs is left running."""

    assume_unique: bool = False
    """Whether the caller vouches that no id comes twice; then none is remembered."""

    per_partition: int = 30
    """Ids at once of one partition, where its work is done one after the other. They go in three calls, so that
    the next ones are there before it has nothing to do."""
