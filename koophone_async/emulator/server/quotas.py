"""The service's quotas: exact sliding windows, counted when a request arrives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field

from koophone_async.emulator.server.errors import throttled
from koophone_async.operation import AnyOperation, Quota

_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def _format_period(seconds: float) -> str:
    """Format a period as the gateway does: `1 minute`."""
    size, name = next(((size, name) for size, name in _UNITS if seconds % size == 0), (1, "second"))
    return f"{seconds / size:g} {name}"


@define(eq=False)
class Window:
    """The calls within the period of a quota."""

    quota: Quota
    _calls: deque[float] = field(factory=deque[float])

    def is_full(self, now: float) -> bool:
        """Whether the quota is used up."""
        while self._calls and self._calls[0] <= now - self.quota.seconds:
            self._calls.popleft()
        return len(self._calls) >= self.quota.permits

    def count(self, now: float) -> None:
        """Count a call."""
        self._calls.append(now)


@define(eq=False)
class Quotas:
    """The quotas of operations, of services, and of everything together (`*`).

    A call that is refused counts for no window.
    """

    _by_name: Mapping[str, Iterable[Quota]]
    figures: bool = True
    """Whether a refusal states the quota."""

    _windows: dict[str, list[Window]] = field(factory=dict[str, list[Window]], init=False)

    def count(self, operation: AnyOperation, now: float) -> None:
        """Count a call that arrives now.

        Raises:
            Refusal: It exceeds a quota (429, APIGW.0308).
        """
        names = (operation.name, operation.service, "*")
        windows = [window for name in names for window in self._windows_of(name, operation)]
        for window in windows:
            if window.is_full(now):
                quota = window.quota
                raise throttled(quota.permits, _format_period(quota.seconds), figures=self.figures)
        for window in windows:
            window.count(now)

    def _windows_of(self, name: str, operation: AnyOperation) -> list[Window]:
        if name not in self._windows:
            documented = operation.quotas if name == operation.name else ()
            self._windows[name] = [Window(quota) for quota in self._by_name.get(name, documented)]
        return self._windows[name]
