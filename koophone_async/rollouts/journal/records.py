"""What a journal records: rollouts, their targets and chunks, results, requests and log entries."""

from __future__ import annotations

import getpass
import socket
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from attrs import field, frozen

from koophone_async.rollouts.journal.machine import Process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from koophone_async.batches import Outcome


class RolloutState(StrEnum):
    """State of a rollout."""

    RUNNING = "running"
    PAUSED = "paused"
    """By a person."""

    WAITING = "waiting"
    """For what `waiting_for` names."""

    INTERRUPTED = "interrupted"
    """By a signal, or its process ended; `resume` continues it."""

    STOPPED = "stopped"
    """By its stop rule or its deadline."""

    CANCELLED = "cancelled"
    FINISHED = "finished"


ENDED_STATES: Final = frozenset({RolloutState.STOPPED, RolloutState.CANCELLED, RolloutState.FINISHED})
"""States in which nothing more is sent."""


class WaitingFor(StrEnum):
    """What a rollout waits for."""

    APPROVAL = "approval"
    PAUSE = "pause"
    """The time between two waves."""

    WINDOW = "window"
    QUOTA = "quota"
    WORKER = "worker"


class AdmissionState(StrEnum):
    """Whether workers may send calls of a rollout."""

    OPEN = "open"
    HELD = "held"
    """Not now."""

    STOPPED = "stopped"
    """Not any more."""

    LEFT = "left"
    """Not any more, and jobs that run are not awaited."""


class Kind(StrEnum):
    """What a rollout was started by."""

    PLAN = "plan"
    COMMAND = "command"


class ChunkState(StrEnum):
    """How far a chunk has come, as far as it is on disk."""

    PLANNED = "planned"
    """Certainly not sent."""

    SENDING = "sending"
    """It may have been sent: after a crash its phones are unknown."""

    SENT = "sent"
    """The service took it; its jobs are awaited by the handle."""

    SETTLED = "settled"
    """Every phone has a final result, or other chunks have taken its phones."""


class RequestKind(StrEnum):
    """What another process asks of the one that drives a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    CANCEL = "cancel"
    AWAIT = "await"
    """Written by an earlier driver that learned the handle of `chunk` late: its jobs can be awaited."""


@frozen
class Actor:
    """Who does something."""

    user: str
    host: str

    @classmethod
    def current(cls) -> Actor:
        """Return the user of this process."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError, ImportError):  # a container's uid without a name
            user = "unknown"
        return cls(user, socket.gethostname())


@frozen
class Holder:
    """The process that drives a rollout."""

    user: str
    host: str
    process: Process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid


class Target(NamedTuple):
    """One phone of a rollout. A tuple, since it is made for each of a million phones."""

    position: int
    """Its place in the order of the rollout, from 0."""

    id: str
    region: str | None = None
    server: str | None = None
    selection: int = 0
    """Index of the plan's selection that it comes from."""


@frozen
class NewRollout:
    """What is recorded of a rollout before it starts."""

    name: str
    service: str
    kind: Kind = Kind.PLAN
    plan: str = field(default="{}", repr=False)
    """JSON, with its secrets."""

    account: str | None = None
    edition: str | None = None
    projects: tuple[str, ...] = ()
    waves: tuple[int, ...] = ()
    """Cumulative number of targets at the end of each wave."""

    forecast: str | None = None
    """JSON."""

    keep_output: bool = True
    """Whether outputs are stored; otherwise only their size and hash are."""


@frozen
class RolloutRecord:
    """A rollout, as it was when it was read."""

    id: str
    name: str
    kind: Kind
    service: str
    state: RolloutState
    waiting_for: WaitingFor | None
    reason: str | None
    targets: int
    counts: Mapping[str, int]
    """Number of targets by outcome state, as the driver counts them."""

    attempt: int
    wave: int
    waves: tuple[int, ...]
    epoch: int
    """Number of drivers that it has had."""

    driver: Holder | None
    """The living process that drives it."""

    created_at: datetime
    created_by: Actor
    began_at: datetime | None
    ended_at: datetime | None
    account: str | None
    edition: str | None
    projects: tuple[str, ...]
    keep_output: bool
    plan: str = field(repr=False)
    forecast: str | None = field(repr=False)
    handover: str | None = None
    """JSON: how workers go on with it; None if it runs in the process that drives it."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be sent, unless somebody orders it."""
        return self.state in ENDED_STATES


@frozen
class AttemptRecord:
    """One pass over phones of a rollout: the first, a retry or an undo."""

    attempt: int
    kind: str
    targets: int
    waves: tuple[int, ...]
    created_at: datetime
    options: Mapping[str, str] = field(factory=dict[str, str])
    """Fields in which its plan differs from that of its kind."""


@frozen
class ChunkRecord:
    """One call of a rollout, with its phones by position."""

    chunk: int
    attempt: int
    step: int
    wave: int
    selection: int
    state: ChunkState
    positions: tuple[int, ...]
    epoch: int
    """Of the driver that changed it last."""

    parent: int | None = None
    """The chunk that was not executed and whose phones this one has."""

    handle: str | None = None
    jobs: Mapping[str, int] | None = None
    """Positions by job id; None as long as the chunk is not sent, and once it is settled."""

    has_jobs: bool = False
    called_at: datetime | None = None
    """When the service took it; before that, when it was about to be sent."""

    settled: frozenset[int] = frozenset()
    """Positions that have a final result already."""

    shard: int = 0
    """The shard that it belongs to; 0 for none."""


class Result(NamedTuple):
    """Outcome of one phone in one step. A tuple, since it is made for each of a million phones."""

    position: int
    attempt: int
    step: int
    outcome: Outcome
    output_size: int | None = None
    """When read: bytes of an output that is stored apart, or that was not kept."""

    output_hash: str | None = None


@frozen
class Request:
    """What another process asks of the driver."""

    number: int
    kind: RequestKind
    by: Actor
    at: datetime
    wave: int | None = None
    """For APPROVE: the wave whose gate is opened; None means the gate at which the rollout stands."""

    chunk: ChunkRecord | None = None
    """For AWAIT: the chunk, which is SENT again."""


@frozen
class LogEntry:
    """One entry of a rollout's log, which is never changed."""

    number: int
    at: datetime
    by: Actor
    what: str
    details: Mapping[str, object]
