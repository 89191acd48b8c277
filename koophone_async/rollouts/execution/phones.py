"""The state of every phone of a rollout, in two bytes each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.batches import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PENDING: Final = "pending"
IN_FLIGHT: Final = "in_flight"

_NAMES: Final = (PENDING, IN_FLIGHT, IN_FLIGHT, *(state.value for state in State))
"""Names in `counts`, in the order of their codes: a phone between two steps counts as in flight."""

_PENDING: Final = 0
_IN_FLIGHT: Final = 1
_BETWEEN: Final = 2
_CODES: Final[Mapping[State, int]] = {state: code for code, state in enumerate(State, start=3)}
_WAITING: Final = (_PENDING, _BETWEEN)
_STATES: Final = {code: state for state, code in _CODES.items()}


@define(eq=False)
class PhoneTable:
    """The step that each phone has reached, and its state there, by position."""

    size: int
    _steps: bytearray = field(init=False)
    _codes: bytearray = field(init=False)
    _counts: list[int] = field(init=False)
    _earlier: bytearray = field(init=False)
    """Codes of phones as an earlier attempt has left them, which stay if this one does not send them."""

    def __attrs_post_init__(self) -> None:
        self._steps, self._codes = bytearray(self.size), bytearray(self.size)
        self._earlier = bytearray(self.size)
        self._counts = [self.size, *[0] * (len(_NAMES) - 1)]

    @property
    def counts(self) -> dict[str, int]:
        """The number of phones by state."""
        counts: dict[str, int] = {}
        for name, count in zip(_NAMES, self._counts, strict=True):
            if count:
                counts[name] = counts.get(name, 0) + count
        return counts

    def step(self, position: int) -> int:
        """Return the step that a phone has reached."""
        return self._steps[position]

    def state(self, position: int) -> State | None:
        """Return the outcome's state of a phone; None if it is pending or in flight."""
        return _STATES.get(self._codes[position])

    def is_unknown_at(self, position: int, step: int) -> bool:
        """Return whether a phone's last result is that of a step, and unknown."""
        return self._codes[position] == _CODES[State.UNKNOWN] and self._steps[position] == step

    def is_pending(self, position: int) -> bool:
        """Return whether a phone waits to be read and sent: nothing has been done with it in this process."""
        return self._codes[position] == _PENDING

    def is_waiting(self, position: int) -> bool:
        """Return whether a phone waits for its first step, or for the step after one that it has passed."""
        return self._codes[position] in _WAITING

    def count_pending(self, first: int, end: int) -> int:
        """Return how many phones of a range have not begun."""
        return self._codes.count(_PENDING, first, end)

    def pending(self, first: int, end: int) -> Iterator[int]:
        """Iterate over the positions of a range that have not begun."""
        position = self._codes.find(_PENDING, first, end)
        while position >= 0:
            yield position
            position = self._codes.find(_PENDING, position + 1, end)

    def place(self, position: int, step: int) -> None:
        """Put a phone before a step, where it waits to be sent."""
        self._steps[position] = step
        self._set(position, _PENDING)

    def take_again(self, position: int, step: int) -> None:
        """Put a phone that an earlier attempt has left before a step, where it waits to be sent."""
        self._earlier[position] = self._codes[position]
        self.place(position, step)

    def pass_to(self, position: int, step: int) -> None:
        """Put a phone before the step after one that it has passed, where it waits to be sent."""
        self._earlier[position] = 0
        self.place(position, step)

    def begin(self, positions: Iterable[int], step: int) -> None:
        """Record that phones are in a call."""
        for position in positions:
            self._steps[position] = step
            self._set(position, _IN_FLIGHT)

    def advance(self, position: int, step: int) -> None:
        """Record that a phone waits for a step after the one that it has passed."""
        self._earlier[position] = 0
        self._steps[position] = step
        self._set(position, _BETWEEN)

    def end(self, position: int, step: int, state: State) -> None:
        """Record the outcome of a phone."""
        self._steps[position] = step
        self._set(position, _CODES[state])

    def end_all(self, ends: Iterable[tuple[int, State]], step: int) -> None:
        """Record the outcomes of phones at a step that they have begun."""
        counts, codes = self._counts, self._codes
        for position, state in ends:
            code = _CODES[state]
            counts[codes[position]] -= 1
            counts[code] += 1
            codes[position] = code
            self._steps[position] = step

    def end_pending(self, state: State) -> None:
        """Record the same outcome for every phone that waits, unless an earlier attempt has one."""
        for position in self.pending(0, self.size) if any(self._earlier) else ():
            if earlier := self._earlier[position]:
                self._set(position, earlier)
        code = _CODES[state]
        for waiting in _WAITING:
            self._counts[code] += self._counts[waiting]
            self._counts[waiting] = 0
            self._codes = self._codes.replace(bytes([waiting]), bytes([code]))

    def _set(self, position: int, code: int) -> None:
        self._counts[self._codes[position]] -= 1
        self._counts[code] += 1
        self._codes[position] = code
