"""The ledger: every execution by operation and id, and the outcomes of the last requests."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import asdict, define, field

_MAX_RECORDS: Final = 1000

MAX_BATCHES: Final = 2_000
"""How many batches of an operation are counted as such; 100,000 phones are 1,000 batches of a hundred."""


@define
class RequestRecord:
    """One request and its outcome. Bodies and headers are not kept, because they contain secrets."""

    at: str
    method: str
    path: str
    """Without the query."""

    operation: str = ""
    """Empty if no operation has the path."""

    ids: int = 0
    """The number of ids in the request."""

    verdict: str = "answered"
    """`answered` or `refused`; or the effect of a fault: `reset`, `stalled`, `truncated` or `garbled`."""

    status: int = 0
    """0 if no status was sent."""

    code: str = ""
    reason: str = ""
    """Why the request was refused, in more detail than the service states."""

    executed: bool = False
    ms: float = 0.0


@define(eq=False)
class _Executions:
    """How often an operation was executed, by id.

    Clients name the same ids together again and again, so batches are counted, in one step instead of a
    hundred. The ids in them are counted when somebody asks, or, once there are too many batches, one batch
    for each new one.
    """

    _counts: Counter[str] = field(factory=Counter[str])
    _batches: OrderedDict[tuple[str, ...], int] = field(factory=OrderedDict[tuple[str, ...], int], init=False)
    """How often each batch came since its ids were last counted."""

    def add(self, ids: tuple[str, ...]) -> None:
        """Count one execution for each of some ids."""
        self._batches[ids] = self._batches.get(ids, 0) + 1
        if len(self._batches) > MAX_BATCHES:
            self._count_oldest()

    def by_id(self) -> dict[str, int]:
        """Return the counts."""
        while self._batches:
            self._count_oldest()
        return dict(self._counts)

    def _count_oldest(self) -> None:
        ids, times = self._batches.popitem(last=False)
        for id in ids:
            self._counts[id] += times


@define(eq=False)
class Ledger:
    """What was really executed, for tests to compare outcomes with."""

    requests: int = 0
    """The number of requests to documented and unknown paths, without the emulator's own interface."""

    recent_requests: deque[RequestRecord] = field(factory=lambda: deque(maxlen=_MAX_RECORDS))
    """The last 1,000 requests, oldest first, including those that are not answered yet."""

    _executions: dict[str, _Executions] = field(factory=dict[str, _Executions])

    def executed(self, operation: str, ids: Iterable[str]) -> None:
        """Record that an operation was executed for each of some ids."""
        if executed := tuple(ids):
            if operation not in self._executions:
                self._executions[operation] = _Executions()
            self._executions[operation].add(executed)

    def executions(self, operation: str) -> dict[str, int]:
        """Return how often an operation was executed, by id."""
        executions = self._executions.get(operation)
        return executions.by_id() if executions else {}

    def received(self, request: RequestRecord) -> None:
        """Record a request that has arrived."""
        self.requests += 1
        self.recent_requests.append(request)

    def to_json(self) -> dict[str, Any]:
        """Return the executions by operation and id, and the number of requests."""
        executions = {name: executions.by_id() for name, executions in self._executions.items()}
        return {"executions": executions, "requests": self.requests}

    def requests_to_json(self) -> list[dict[str, Any]]:
        """Return the last requests, oldest first."""
        return [asdict(request) for request in self.recent_requests]

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore executions and counts from the result of `to_json`."""
        self.requests = snapshot["requests"]
        self._executions = {name: _Executions(Counter(ids)) for name, ids in snapshot["executions"].items()}
