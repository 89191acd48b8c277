"""CPH's jobs, and the queue that each server works them off from.

Every job of a server and of its phones waits for its turn, first come first served. ADB work (push,
install, uninstall, shell) holds the queue until it is over, so that a server does one piece after the
other and whatever else its phones have to do waits behind it (CPH 5.7 of 2025-02-08). All other jobs only
pass through: they begin at their turn and run side by side.

A job takes what is drawn for it, an ADB job also what its command sleeps. What a job does to its phone
happens at its turn or at its end, once, whenever somebody looks next.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field

from koophone_async.emulator.agenda import Agenda, Due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TURN = "turn"
END = "end"


@define
class Work:
    """One job."""

    id: str
    request: str
    operation: str
    server: str
    seconds: float
    """How long it takes from its turn on."""

    phone: str | None = None
    encoder: str | None = None
    details: dict[str, Any] = field(factory=dict[str, Any])
    """What is to be done, as JSON."""

    holds: bool = False
    """Whether the next one of its server waits until it is over."""

    began: float | None = None
    """By the loop's clock; None until its turn."""

    ends: float | None = None
    """None until its turn, and for one that never ends."""

    code: str = ""
    message: str = ""
    output: str | None = None
    is_stuck: bool = False
    is_lost: bool = False

    @property
    def target(self) -> str:
        """What it is done to."""
        return self.phone or self.encoder or self.server

    def ended(self, now: float) -> bool:
        """Whether it is over."""
        return self.ends is not None and self.ends <= now

    def stands(self, now: float) -> str:
        """Say in a word how far it is."""
        if self.is_lost:
            return "lost"
        if self.began is None:
            return "waiting"
        if not self.ended(now):
            return "running"
        return "failed" if self.code else "succeeded"

    def failed(self, code: str, message: str) -> None:
        """Let it end badly."""
        self.code, self.message = code, message


@define(eq=False)
class Works:
    """All jobs, and the servers' queues."""

    agenda: Agenda = field(repr=False)
    by_id: dict[str, Work] = field(factory=dict[str, Work])
    by_request: dict[str, list[Work]] = field(factory=dict[str, list[Work]])
    _queues: dict[str, deque[Work]] = field(factory=dict[str, deque[Work]])
    """What waits for its turn, by server."""

    _free: dict[str, float] = field(factory=dict[str, float])
    """When the server's last turn is over."""

    def file(self, work: Work, now: float) -> None:
        """Put a job at the end of its server's queue."""
        self._keep(work)
        queue = self._queues.setdefault(work.server, deque())
        queue.append(work)
        if len(queue) == 1:
            self._call(work.server, max(now, self._free.get(work.server, now)))

    def _keep(self, work: Work) -> None:
        self.by_id[work.id] = work
        self.by_request.setdefault(work.request, []).append(work)

    def _call(self, server: str, at: float) -> None:
        self.agenda.add(Due(at, TURN, "", details={"server": server}))

    def turn(self, server: str, at: float, begin: Callable[[Work], float]) -> None:
        """Begin the first job of a queue, and call for the next.

        Args:
            server: Whose turn it is.
            at: Since when.
            begin: Does what the job does first, and answers how many seconds longer that makes it.
        """
        queue = self._queues[server]
        work = queue.popleft()
        work.began = at
        over = at + work.seconds + begin(work)
        if not work.is_stuck:
            work.ends = over
            self.agenda.add(Due(over, END, "", work.id))
        self._free[server] = over if work.holds else at
        if queue:
            self._call(server, self._free[server])

    def shown(self, requests: Iterable[str]) -> list[Work]:
        """The jobs of some calls, in their order, without those that are lost."""
        found = (work for request in dict.fromkeys(requests) for work in self.by_request.get(request, ()))
        return [work for work in found if not work.is_lost]

    def open(self, operation: str, now: float) -> list[Work]:
        """The jobs of an operation that are not over."""
        return [work for work in self.by_id.values() if work.operation == operation and not work.ended(now)]

    def to_json(self, now: float) -> list[dict[str, Any]]:
        """All jobs in their order, with times as seconds from now."""
        return [
            asdict(work) | {name: None if at is None else at - now for name, at in _times(work).items()}
            for work in self.by_id.values()
        ]

    def restore(self, said: Iterable[Mapping[str, Any]], now: float) -> None:
        """Go on from what `to_json` said; the turns and ends are in the agenda."""
        for one in said:
            work = Work(**one)
            work.began, work.ends = (None if at is None else at + now for at in _times(work).values())
            self._keep(work)
            if work.began is None:
                self._queues.setdefault(work.server, deque()).append(work)
            else:
                over = work.ends if work.holds and work.ends is not None else work.began
                self._free[work.server] = max(over, self._free.get(work.server, over))


def _times(work: Work) -> dict[str, float | None]:
    return {"began": work.began, "ends": work.ends}
