"""How far the runs of a measurement scatter, and what can be concluded from them."""

from __future__ import annotations

from enum import StrEnum
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SCATTER: Final = 0.15
"""A measurement whose middle half is wider than this share of its median is repeated."""


class Verdict(StrEnum):
    """Whether a target is met, best first."""

    MET = "met"
    NONE = "no verdict: spread wider than the margin"
    NOT_MET = "NOT MET"


@frozen
class Spread:
    """The middle half of some runs, which other processes disturb less than the rest."""

    low: float
    """The lower quartile."""

    middle: float
    high: float
    """The upper quartile."""

    @classmethod
    def of(cls, runs: Sequence[float]) -> Spread:
        """Return the spread of one run or more."""
        low, _, high = quantiles(runs, n=4, method="inclusive") if len(runs) > 1 else (*runs, *runs, *runs)
        return cls(low, median(runs), high)

    @property
    def scatter(self) -> float:
        """The width of the middle half, as a share of the median."""
        return (self.high - self.low) / self.middle if self.middle else 0.0

    def verdict(self, maximum: float) -> Verdict:
        """Compare with a maximum; there is no verdict if the middle half has runs on both sides of it."""
        if self.high <= maximum:
            return Verdict.MET
        return Verdict.NOT_MET if self.low > maximum else Verdict.NONE


def pair_ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of each run to the one beside it, which the machine slowed as much.

    Where the numbers of runs differ, they were not interleaved: each run is then compared with the median.
    """
    if len(ours) != len(others):
        others = [median(others)] * len(ours)
    return [mine / other for mine, other in zip(ours, others, strict=True) if other]
