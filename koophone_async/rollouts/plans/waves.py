"""Waves: how many phones a rollout has reached after each step forward."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from attrs import frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.amounts import AMOUNT_PATTERN, Amount
from koophone_async.rollouts.plans.value_types import FormType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@frozen(order=False)
class Wave(Amount):
    """How many of all targets are reached when a wave ends, all earlier waves included: `5`, or `25%`."""

    def end(self, total: int) -> int:
        """Return the number of targets reached; percentages are rounded up, and each wave has at least 1."""
        return min(total, math.ceil(self.of(total)))


ALL: Final = Wave.parse("100%")

WaveText: TypeAlias = Annotated[Wave, FormType(Wave.parse, str, AMOUNT_PATTERN, is_number=True)]


def parse_waves(waves: Iterable[Wave | str | int]) -> tuple[Wave, ...]:
    """Return waves from texts such as `5%`; if they do not end with all targets, such a wave is appended.

    Raises:
        InvalidRequest: A wave is out of range, or smaller than one before it.
    """
    parsed = list[Wave]()
    for index, wave in enumerate(waves):
        try:
            parsed.append(wave if isinstance(wave, Wave) else Wave.parse(str(wave)))
        except InvalidRequest as error:
            error.field = f"waves[{index}]"
            raise
    _refuse_falling(parsed)
    return (*parsed, *([ALL] if not parsed or parsed[-1] != ALL else []))


def _refuse_falling(waves: Sequence[Wave]) -> None:
    """Refuse a wave that is smaller than an earlier one of the same kind: waves count all phones so far."""
    reached = dict[bool, Wave]()
    for index, wave in enumerate(waves):
        before = reached.setdefault(wave.is_percentage, wave)
        if wave.value < before.value:
            raise InvalidRequest(
                "",
                f"waves[{index}]",
                f"is {wave}, after {before}; waves count all phones reached so far, so they cannot fall",
                Rule.CONFLICT,
            )
        reached[wave.is_percentage] = wave


@frozen
class WavePlan:
    """Waves of a known number of targets."""

    ends: tuple[int, ...]
    """How many targets are reached after each wave; every wave adds at least one."""

    skipped: tuple[Wave, ...] = ()
    """Waves that would add no target."""

    @classmethod
    def of(cls, waves: Iterable[Wave], total: int) -> WavePlan:
        """Return the ends of waves for a number of targets."""
        ends, skipped = list[int](), list[Wave]()
        for wave in waves:
            end = wave.end(total)
            if end > (ends[-1] if ends else 0):
                ends.append(end)
            else:
                skipped.append(wave)
        return cls(tuple(ends), tuple(skipped))
