"""How long jobs take."""

from __future__ import annotations

import math
import random
from typing import Final

from attrs import field, frozen
from attrs.validators import ge, gt, optional


@frozen
class Durations:
    """How long jobs take, in seconds: lognormally distributed, or all the same."""

    median: float = field(default=1.0, validator=gt(0))
    sigma: float = field(default=0.5, validator=ge(0))
    """The spread: two thirds of all jobs take between median / e^sigma and median x e^sigma."""

    fixed: float | None = field(default=None, validator=optional(ge(0)))
    """What every job takes, instead."""

    def draw(self, rng: random.Random) -> float:
        """Return how long the next job takes."""
        return self.fixed if self.fixed is not None else rng.lognormvariate(math.log(self.median), self.sigma)


DEFAULT: Final = Durations()
"""About a second, so that nobody waits long."""
