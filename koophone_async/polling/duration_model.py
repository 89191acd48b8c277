"""When jobs end: what is known of their durations, and how much waiting is unseen.

The duration of a job is taken to be lognormal, one distribution for each kind of operation. With
F its distribution function, a job last seen open at age a is over but unseen at age s with the
chance p(s) = (F(s) - F(a)) / (1 - F(a)); the integral of p is the waiting that nobody has seen.
For one job a look that costs as much as `waiting` seconds is best made when that integral reaches
it, which gives intervals of sqrt(2 * waiting / hazard).

Nobody tells when a job ended, only that it did between two looks, so each look is evidence of the
kind "n durations lie in (a, b]", with b infinite for jobs still open. The belief is fitted to it by
incremental EM (Neal and Hinton 1998) with Newton's step: evidence counts as much as it narrows a
duration down, and that of an open job is replaced by its next look. Jobs that were started together
and are seen in one wide interval are hardly more than one witness: what sped one up sped all up.
"""

from __future__ import annotations

from math import erfc, exp, inf, isfinite, log, pi, sqrt
from typing import Final

from attrs import Factory, define, field, frozen

_ROOT_2: Final = sqrt(2)
_ROOT_2_PI: Final = sqrt(2 * pi)

_TAIL: Final = 3.0
"""Deviations beyond which a duration is an outlier: 1 in 740."""

_NARROW: Final = 1e-3
"""Deviations below which an interval is as good as its midpoint."""

_NARROWEST: Final = 0.02
"""The least sigma: with less than 2 % of spread, the network's own delays would be modelled."""

_WIDEST: Final = 4.0
"""The most sigma: with more, evidence of a few jobs that contradict each other would run away."""

_SHORTEST: Final = log(1e-3)
_LONGEST: Final = log(1e7)
"""Between a millisecond and four months a median is believed."""

_PRIOR_MEDIAN: Final = 10.0
_PRIOR_SIGMA: Final = 1.2
_PRIOR_WEIGHT: Final = 0.15
"""How many seen jobs the prior counts for."""

_MEMORY: Final = 2_000.0
"""PollResult jobs above which the older half is forgotten, so that a change is followed."""


def _above(z: float) -> float:
    """Tell the chance of a standard normal above z, exact in the far tail too."""
    return 0.5 * erfc(z / _ROOT_2)


def _density(z: float) -> float:
    return exp(-0.5 * z * z) / _ROOT_2_PI if isfinite(z) else 0.0


def _mean(shape: Lognormal) -> float:
    return exp(shape.mu + shape.sigma**2 / 2)


def _tail(shape: Lognormal) -> float:
    return exp(shape.mu + _TAIL * shape.sigma)


@frozen
class Lognormal:
    """How long jobs take: `mu` and `sigma` of the logarithm of seconds."""

    mu: float = log(_PRIOR_MEDIAN)
    sigma: float = _PRIOR_SIGMA
    mean: float = field(init=False, default=Factory(_mean, takes_self=True))
    tail: float = field(init=False, default=Factory(_tail, takes_self=True))
    """The age beyond which a job is an outlier, and this distribution says nothing of it."""

    def deviation(self, age: float) -> float:
        """Tell how many sigma an age lies above the median."""
        return (log(age) - self.mu) / self.sigma if age > 0 else -inf

    def unseen(self, since: float, age: float) -> tuple[float, float]:
        """Tell the seconds unseen of a job that was open at age `since`, and the chance that it is over."""
        if age <= since:
            return 0.0, 0.0
        if since >= self.tail:  # a Pareto tail: the longer it took, the longer it will take
            return age - since - since * log(age / since), 1 - since / age
        z0, z1 = self.deviation(since), self.deviation(age)
        open0, open1 = _above(z0), _above(z1)
        partial = self.mean * (_above(z0 - self.sigma) - _above(z1 - self.sigma))
        return age - since - (age * open1 - since * open0 + partial) / open0, 1 - open1 / open0

    def due(self, since: float, waiting: float, latest: float) -> float:
        """Find the age at which a job open at `since` has `waiting` seconds unseen, at most `latest`."""
        age = latest
        for _ in range(30):  # convex, so that Newton's steps come down from the right and never pass the root
            seconds, chance = self.unseen(since, age)
            excess = seconds - waiting
            if excess <= 0.01 * waiting:
                break
            age -= excess / chance
        return age


@frozen
class Evidence:
    """Sums over durations: how many are known, of their logarithms, of the squares of these."""

    weight: float = 0.0
    first: float = 0.0
    second: float = 0.0

    def __add__(self, other: Evidence) -> Evidence:
        """Put two together."""
        return Evidence(self.weight + other.weight, self.first + other.first, self.second + other.second)

    def __sub__(self, other: Evidence) -> Evidence:
        """Take back what was put in."""
        return Evidence(self.weight - other.weight, self.first - other.first, self.second - other.second)

    def scaled(self, factor: float) -> Evidence:
        """Let it count for more or less."""
        return Evidence(self.weight * factor, self.first * factor, self.second * factor)


NOTHING: Final = Evidence()
_PRIOR: Final = Evidence(
    _PRIOR_WEIGHT,
    _PRIOR_WEIGHT * log(_PRIOR_MEDIAN),
    _PRIOR_WEIGHT * (log(_PRIOR_MEDIAN) ** 2 + _PRIOR_SIGMA**2),
)


def _moments(low: float, high: float) -> tuple[float, float]:
    """Tell mean and variance of a standard normal between two bounds, outliers brought to the tail."""
    if high <= -_TAIL or (low >= _TAIL and isfinite(high)):
        return (-_TAIL if high < 0 else _TAIL), 0.0
    low = min(low, _TAIL)
    if high - low < _NARROW:
        return (low + high) / 2, (high - low) ** 2 / 12
    inside = _above(low) - _above(high)
    mean = (_density(low) - _density(high)) / inside
    return mean, max(0.0, 1 + (_sloped(low) - _sloped(high)) / inside - mean * mean)


def _sloped(z: float) -> float:
    return z * _density(z) if isfinite(z) else 0.0


@frozen
class Lasted:
    """So many jobs lasted longer than `low` seconds, and no longer than `high`."""

    jobs: float
    low: float
    high: float = inf

    def evidence(self, shape: Lognormal) -> Evidence:
        """Tell how many exact durations it is worth, and of what length, at what is believed now.

        These make the believed median climb its likelihood as Newton's step does, and the spread
        too wide rather than too narrow as long as little is known.
        """
        mean, variance = _moments(shape.deviation(self.low), shape.deviation(self.high))
        told = max(1 - variance, 1e-9)
        place = shape.mu + shape.sigma * mean / told
        weight = told * (1 + max(0, self.jobs - 1) * told**2) if self.jobs else 0.0
        return Evidence(weight, weight * place, weight * place**2)


@define
class Account:
    """What the looks at one handle have taught: settled by jobs that ended, standing until the next look."""

    settled: Evidence = NOTHING
    standing: Evidence = NOTHING
    some_ended: bool = False

    @property
    def whole(self) -> Evidence:
        """Both together."""
        return self.settled + self.standing


@define
class Belief:
    """What is believed of one kind of job, from all the looks at jobs of that kind."""

    shape: Lognormal = field(factory=Lognormal)
    _kept: Evidence = NOTHING
    """Of handles that nobody looks at any more."""

    _live: Evidence = NOTHING
    """Of the others, the sum of their accounts."""

    @property
    def shared(self) -> float:
        """The share of what is not known of one handle that is the same for all of its kind.

        While nothing is known a look at one informs of all; each job that was seen to end lessens that.
        """
        return _PRIOR_WEIGHT / (_PRIOR_WEIGHT + max(0.0, self._kept.weight + self._live.weight))

    def learn(self, ended: list[Lasted], still: Lasted, account: Account) -> None:
        """Learn from a look at the handle of an account."""
        account.some_ended = account.some_ended or bool(ended)
        if not account.some_ended:  # what holds one up may hold up all: they are one witness
            still = Lasted(min(still.jobs, 1), still.low)
        others, before = self._live - account.whole, account.settled
        for _ in range(3):
            account.settled = sum((seen.evidence(self.shape) for seen in ended), before)
            account.standing = still.evidence(self.shape)
            self._live = others + account.whole
            self.shape = _fitted(_PRIOR + self._kept + self._live)

    def close(self, account: Account) -> None:
        """Keep what a handle taught; only whole handles are forgotten, since the long jobs end last."""
        self._live -= account.whole
        self._kept += account.whole
        if self._kept.weight > _MEMORY:
            self._kept = self._kept.scaled(0.5)


def _fitted(sums: Evidence) -> Lognormal:
    mu = min(max(sums.first / sums.weight, _SHORTEST), _LONGEST)
    variance = sums.second / sums.weight - mu * mu
    return Lognormal(mu, sqrt(min(max(_NARROWEST**2, variance), _WIDEST**2)))
