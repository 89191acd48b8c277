"""The service's quotas: an exact sliding window, counted when a request arrives."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.emulator.server.errors import throttled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from koophone_async.operation import AnyOperation, Quota

_TIMES: Final = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def _spoken(seconds: float) -> str:
    """Say a time as the gateway does: `1 minute`."""
    size, name = next(((size, name) for size, name in _TIMES if seconds % size == 0), (1, "second"))
    return f"{seconds / size:g} {name}"


@define(eq=False)
class Window:
    """The calls of the last seconds."""

    quota: Quota
    _calls: deque[float] = field(factory=deque[float])

    def is_full(self, now: float) -> bool:
        """Whether one more call would be one too many."""
        while self._calls and self._calls[0] <= now - self.quota.seconds:
            self._calls.popleft()
        return len(self._calls) >= self.quota.permits

    def count(self, now: float) -> None:
        """Count a call."""
        self._calls.append(now)


@define(eq=False)
class Quotas:
    """What the service allows: by operation, by service, and over all (`*`).

    A call that is refused counts for no window.
    """

    _by_name: Mapping[str, Iterable[Quota]]
    figures: bool = True
    """Whether a refusal tells the quota."""

    _windows: dict[str, list[Window]] = field(factory=dict[str, list[Window]], init=False)

    def take(self, operation: AnyOperation, now: float) -> None:
        """Count a call that arrives now.

        Raises:
            Refusal: It is one too many (429, APIGW.0308).
        """
        windows = [window for name in self._names(operation) for window in self._of(name, operation)]
        for window in windows:
            if window.is_full(now):
                quota = window.quota
                raise throttled(quota.permits, _spoken(quota.seconds), figures=self.figures)
        for window in windows:
            window.count(now)

    def _names(self, operation: AnyOperation) -> tuple[str, str, str]:
        return operation.name, operation.service, "*"

    def _of(self, name: str, operation: AnyOperation) -> list[Window]:
        if name not in self._windows:
            stated = operation.quotas if name == operation.name else ()
            self._windows[name] = [Window(quota) for quota in self._by_name.get(name, stated)]
        return self._windows[name]
