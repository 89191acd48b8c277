"""Model of job durations: when is the next poll worth a request?

The package's page (`koophone_async.polling`) explains the idea; this module has the formulas.

**Distribution.** The duration of a job is assumed lognormal, one distribution for each operation. `F(t)` is
the share of jobs that take at most `t` seconds. A job last seen open at age `a` has ended by age `s` with the
chance `p(s) = (F(s) - F(a)) / (1 - F(a))`, and the integral of `p` from `a` to `s` is its unseen wait `W(s)`.

**Observations.** A poll never shows when a job ended, only that it did between two polls. So each observation
is of the form "n durations lie in (low, high]", where `high` is infinite for jobs that are still open
(statisticians call this interval-censored data).

**Fitting.** The distribution is fitted by incremental EM (Neal and Hinton 1998) with a Newton step. In plain
words: given the current distribution, each interval is replaced by an exact duration that has the same
effect, with a weight between 0 (the interval says nothing) and 1 (the interval is a point); the new
distribution has mean and variance of these weighted durations. Because weighted sums are all that is kept
(`Evidence`), an observation can be replaced later: what "still open at 5 s" contributed is taken out again
when the next poll shows more.
"""

from __future__ import annotations

from math import erfc, exp, inf, isfinite, log, pi, sqrt
from typing import Final

from attrs import Factory, define, field, frozen

_SQRT_2: Final = sqrt(2)
_SQRT_2_PI: Final = sqrt(2 * pi)

_MAX_DEVIATION: Final = 3.0
"""Standard deviations beyond which a duration is an outlier: 1 in 740."""

_POINT_WIDTH: Final = 1e-3
"""Standard deviations below which an interval is treated as a point."""

_MIN_SIGMA: Final = 0.02
"""With a spread of less than 2 % the network's own delays would be modelled."""

_MAX_SIGMA: Final = 4.0
"""With a larger spread, a few contradictory observations would run away."""

_MIN_MU: Final = log(1e-3)
_MAX_MU: Final = log(1e7)
"""A median is kept between a millisecond and four months."""

_PRIOR_MEDIAN: Final = 10.0
_PRIOR_SIGMA: Final = 1.2
"""Two thirds of durations within a factor of 3.3 of the median: a guess that a few jobs can overrule."""

_PRIOR_WEIGHT: Final = 0.15
"""How many observed jobs the prior counts for."""

_CONVERGED: Final = 0.01
"""A fit that changes the distribution by less than this share of its deviation is not repeated."""

_MEMORY: Final = 2_000.0
"""Observed jobs above which all weights are halved, so that a change of durations is followed."""


def _survival(z: float) -> float:
    """Return the chance that a standard normal variable exceeds z; accurate in the far tail too."""
    return 0.5 * erfc(z / _SQRT_2)


def _density(z: float) -> float:
    return exp(-0.5 * z * z) / _SQRT_2_PI if isfinite(z) else 0.0


def _mean(distribution: Lognormal) -> float:
    return exp(distribution.mu + distribution.sigma**2 / 2)


def _tail(distribution: Lognormal) -> float:
    return exp(distribution.mu + _MAX_DEVIATION * distribution.sigma)


@frozen
class Lognormal:
    """A distribution of durations: their logarithm is normal, with mean `mu` and deviation `sigma`."""

    mu: float = log(_PRIOR_MEDIAN)
    sigma: float = _PRIOR_SIGMA
    mean: float = field(init=False, default=Factory(_mean, takes_self=True))
    tail: float = field(init=False, default=Factory(_tail, takes_self=True))
    """The age beyond which a job is an outlier, of which this distribution says nothing."""

    def deviations(self, age: float) -> float:
        """Return how many standard deviations an age lies above the median, on the logarithmic scale."""
        return (log(age) - self.mu) / self.sigma if age > 0 else -inf

    def is_close_to(self, other: Lognormal, tolerance: float) -> bool:
        """Return whether both differ by no more than a share of the smaller deviation."""
        limit = tolerance * min(self.sigma, other.sigma)
        return abs(self.mu - other.mu) <= limit and abs(self.sigma - other.sigma) <= limit

    def quantile(self, share: float) -> float:
        """Return the duration that a share of jobs does not exceed; outliers are left out."""
        low, high = -_MAX_DEVIATION, _MAX_DEVIATION
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if _survival(middle) < 1 - share else (middle, high)
        return exp(self.mu + self.sigma * low)

    def unseen_wait(self, last_seen: float, age: float) -> tuple[float, float]:
        """Return the unseen wait of a job last seen open at an age, and the chance that it has ended."""
        if age <= last_seen:
            return 0.0, 0.0
        if last_seen >= self.tail:
            # The job is an outlier. From here on a Pareto tail is assumed: after twice the time, half of such
            # jobs have ended. The longer a job has taken, the longer it is expected to take, so polls thin
            # out.
            return age - last_seen - last_seen * log(age / last_seen), 1 - last_seen / age
        # With S = 1 - F and S(a) for a = last_seen:  W = (s - a) - integral of S from a to s / S(a). By
        # parts, that integral is s S(s) - a S(a) + (integral of t f(t) from a to s), and the last term is the
        # partial expectation of a lognormal: mean * (Q(z0 - sigma) - Q(z1 - sigma)), Q the normal survival.
        z0, z1 = self.deviations(last_seen), self.deviations(age)
        open0, open1 = _survival(z0), _survival(z1)
        partial = self.mean * (_survival(z0 - self.sigma) - _survival(z1 - self.sigma))
        return age - last_seen - (age * open1 - last_seen * open0 + partial) / open0, 1 - open1 / open0

    def poll_age(self, last_seen: float, wait: float, latest: float) -> float:
        """Return the age at which the unseen wait of a job reaches `wait` seconds, at most `latest`."""
        age = latest
        # Newton's method. W is convex and p is its derivative, so from the right each step lands between the
        # root and the point before: it can neither overshoot nor diverge. It takes about 5 steps.
        for _ in range(30):
            unseen, chance = self.unseen_wait(last_seen, age)
            excess = unseen - wait
            if excess <= 0.01 * wait:
                break
            age -= excess / chance
        return age


@frozen
class Evidence:
    """Weighted sums over logarithms of durations: the weights, the values, their squares."""

    weight: float = 0.0
    first: float = 0.0
    second: float = 0.0

    def __add__(self, other: Evidence) -> Evidence:
        """Combine two sets of observations."""
        return Evidence(self.weight + other.weight, self.first + other.first, self.second + other.second)

    def __sub__(self, other: Evidence) -> Evidence:
        """Remove observations that were added before."""
        return Evidence(self.weight - other.weight, self.first - other.first, self.second - other.second)

    def scaled(self, factor: float) -> Evidence:
        """Return the same evidence with another weight."""
        return Evidence(self.weight * factor, self.first * factor, self.second * factor)


NO_EVIDENCE: Final = Evidence()
_PRIOR: Final = Evidence(
    _PRIOR_WEIGHT,
    _PRIOR_WEIGHT * log(_PRIOR_MEDIAN),
    _PRIOR_WEIGHT * (log(_PRIOR_MEDIAN) ** 2 + _PRIOR_SIGMA**2),
)


def _truncated_moments(low: float, high: float) -> tuple[float, float]:
    """Return mean and variance of a standard normal variable between two bounds.

    Outliers are moved to 3 standard deviations: taken at face value, one stuck job would widen the
    distribution for all others.
    """
    if high <= -_MAX_DEVIATION or (low >= _MAX_DEVIATION and isfinite(high)):
        return (-_MAX_DEVIATION if high < 0 else _MAX_DEVIATION), 0.0
    low = min(low, _MAX_DEVIATION)
    if high - low < _POINT_WIDTH:
        # The general formulas would subtract nearly equal numbers; in so short an interval all values are
        # alike.
        return (low + high) / 2, (high - low) ** 2 / 12
    inside = _survival(low) - _survival(high)
    mean = (_density(low) - _density(high)) / inside
    slope = (_weighted_density(low) - _weighted_density(high)) / inside
    return mean, max(0.0, 1 + slope - mean * mean)


def _weighted_density(z: float) -> float:
    return z * _density(z) if isfinite(z) else 0.0


@frozen
class Interval:
    """An observation: `jobs` jobs took longer than `low` seconds, and at most `high`."""

    jobs: float
    low: float
    high: float = inf

    def evidence(self, distribution: Lognormal) -> Evidence:
        """Return the exact durations that this observation is worth, given the current distribution.

        Weight and value are chosen so that the fitted `mu` moves as in one Newton step on the likelihood of
        the interval: its slope is `mean / sigma`, its curvature `information / sigma**2`. `information` is
        the share of the variance that the interval rules out: 1 for a point, 0 for "anything is possible".
        """
        mean, variance = _truncated_moments(
            distribution.deviations(self.low), distribution.deviations(self.high)
        )
        information = max(1 - variance, 1e-9)
        value = distribution.mu + distribution.sigma * mean / information
        # The jobs of one interval were started together, and what slows one down slows them all: seen in a
        # wide interval they count as little more than one job, in a narrow one each is a measurement of its
        # own.
        weight = information * (1 + max(0, self.jobs - 1) * information**2) if self.jobs else 0.0
        return Evidence(weight, weight * value, weight * value**2)


@define
class HandleEvidence:
    """What the polls of one handle have shown."""

    ended: Evidence = NO_EVIDENCE
    """Of the jobs that ended; final."""

    still_open: Evidence = NO_EVIDENCE
    """Of the jobs that were open at the last poll; replaced by the next."""

    any_ended: bool = False

    @property
    def total(self) -> Evidence:
        """The sum of both."""
        return self.ended + self.still_open


@define
class DurationModel:
    """The distribution of durations of one operation, and the evidence that it is fitted to."""

    distribution: Lognormal = field(factory=Lognormal)
    _retired: Evidence = NO_EVIDENCE
    """From handles that are no longer polled."""

    _active: Evidence = NO_EVIDENCE
    """From the others: the sum of their `HandleEvidence.total`."""

    @property
    def shared_uncertainty(self) -> float:
        """The share of the uncertainty about one handle that all handles of the operation have in common.

        1 as long as nothing is known: then a poll of one handle informs about all. It falls with each job
        that was seen to end.
        """
        return _PRIOR_WEIGHT / (_PRIOR_WEIGHT + max(0.0, self._retired.weight + self._active.weight))

    def update(self, ended: list[Interval], still_open: Interval, evidence: HandleEvidence) -> None:
        """Add the observations of a poll of one handle, whose evidence so far is `evidence`, and refit."""
        evidence.any_ended = evidence.any_ended or bool(ended)
        if not evidence.any_ended:
            # As long as none has ended, a common cause may delay all of them: they count as one job.
            still_open = Interval(min(still_open.jobs, 1), still_open.low)
        others, ended_before = self._active - evidence.total, evidence.ended
        # The value of an interval depends on the distribution and the other way round; three rounds are
        # always enough, because the next poll continues from here.
        for _ in range(3):
            before = self.distribution
            evidence.ended = sum((interval.evidence(self.distribution) for interval in ended), ended_before)
            evidence.still_open = still_open.evidence(self.distribution)
            self._active = others + evidence.total
            self.distribution = fit(_PRIOR + self._retired + self._active)
            if self.distribution.is_close_to(before, _CONVERGED):
                break

    def retire(self, evidence: HandleEvidence) -> None:
        """Keep the evidence of a handle that is no longer polled.

        Forgetting happens here only, and never inside a handle: its long jobs end last, so forgetting its
        older half would leave the long ones.
        """
        self._active -= evidence.total
        self._retired += evidence.total
        if self._retired.weight > _MEMORY:
            self._retired = self._retired.scaled(0.5)


def fit(sums: Evidence) -> Lognormal:
    """Return the distribution of some evidence."""
    mu = min(max(sums.first / sums.weight, _MIN_MU), _MAX_MU)
    variance = sums.second / sums.weight - mu * mu
    return Lognormal(mu, sqrt(min(max(_MIN_SIGMA**2, variance), _MAX_SIGMA**2)))
