"""The ledger: every execution by operation and id, and the outcomes of the last requests."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import asdict, define, field

_MAX_RECORDS: Final = 1000


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
class Ledger:
    """What was really executed, for tests to compare outcomes with."""

    requests: int = 0
    """The number of requests to documented and unknown paths, without the emulator's own interface."""

    recent_requests: deque[RequestRecord] = field(factory=lambda: deque(maxlen=_MAX_RECORDS))
    """The last 1,000 requests, oldest first, including those that are not answered yet."""

    _executions: dict[str, Counter[str]] = field(factory=dict[str, Counter[str]])

    def executed(self, operation: str, ids: Iterable[str]) -> None:
        """Record that an operation was executed for each of some ids."""
        if executed := tuple(ids):
            counts = self._executions.get(operation)
            if counts is None:
                counts = self._executions[operation] = Counter()
            counts.update(executed)

    def executions(self, operation: str) -> dict[str, int]:
        """Return how often an operation was executed, by id."""
        return dict(self._executions.get(operation, {}))

    def received(self, request: RequestRecord) -> None:
        """Record a request that has arrived."""
        self.requests += 1
        self.recent_requests.append(request)

    def to_json(self) -> dict[str, Any]:
        """Return the executions by operation and id, and the number of requests."""
        executions = {name: dict(ids) for name, ids in self._executions.items()}
        return {"executions": executions, "requests": self.requests}

    def requests_to_json(self) -> list[dict[str, Any]]:
        """Return the last requests, oldest first."""
        return [asdict(request) for request in self.recent_requests]

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore executions and counts from the result of `to_json`."""
        self.requests = snapshot["requests"]
        self._executions = {name: Counter(ids) for name, ids in snapshot["executions"].items()}
