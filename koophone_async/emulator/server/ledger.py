"""What really happened: what was executed on which phone, and what became of each request."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, define, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REMEMBERED: Final = 1000
"""How many requests the list keeps."""


@define
class Visit:
    """One request and what became of it. Neither bodies nor headers are kept: they hold secrets."""

    at: str
    method: str
    path: str
    """Without its query."""

    operation: str = ""
    """Empty where the path is none of the service's."""

    ids: int = 0
    """How many ids the request names."""

    verdict: str = "answered"
    """`answered`, `refused`, or what a fault made of it: `reset`, `stalled`, `truncated`, `garbled`."""

    status: int = 0
    """0 where no status was sent."""

    code: str = ""
    reason: str = ""
    executed: bool = False
    ms: float = 0.0


@define(eq=False)
class Ledger:
    """The truth that outcomes are compared with."""

    requests: int = 0
    """Every request to a documented path or any other, but for the emulator's own."""

    visits: deque[Visit] = field(factory=lambda: deque(maxlen=_REMEMBERED))
    """The last 1,000 requests, oldest first; one that is not answered yet is among them."""

    _executions: dict[str, Counter[str]] = field(factory=dict[str, Counter[str]])

    def executed(self, operation: str, ids: Iterable[str]) -> None:
        """Note that an operation was really carried out, for each id that is named."""
        if counted := Counter(ids):
            self._executions.setdefault(operation, Counter()).update(counted)

    def executions(self, operation: str) -> dict[str, int]:
        """How often an operation was really carried out, by id."""
        return dict(self._executions.get(operation, {}))

    def arrived(self, visit: Visit) -> None:
        """Note a request."""
        self.requests += 1
        self.visits.append(visit)

    def to_json(self) -> dict[str, Any]:
        """Executions by operation and id, and the number of requests."""
        executions = {name: dict(ids) for name, ids in self._executions.items()}
        return {"executions": executions, "requests": self.requests}

    def visits_to_json(self) -> list[dict[str, Any]]:
        """The last requests, oldest first."""
        return [asdict(visit) for visit in self.visits]

    def restore(self, said: Mapping[str, Any]) -> None:
        """Go on from what `to_json` said."""
        self.requests = said["requests"]
        self._executions = {name: Counter(ids) for name, ids in said["executions"].items()}
