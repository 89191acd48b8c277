"""Durations as people write them: `90s`, `10m`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, TypeAlias

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.value_types import FormType

_SECONDS: Final = {"d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60), "s": Decimal(1)}
_DIGITS: Final = "[0-9]{1,18}"
_PATTERN: Final = "".join(rf"(?:(?P<{unit}>{_DIGITS}(?:\.{_DIGITS})?){unit})?" for unit in _SECONDS)

MAX_DAYS: Final = 3_660
"""Ten years; longer durations are taken for mistakes."""

_MAX_SECONDS: Final = MAX_DAYS * 86_400


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `90s`, `10m`, `1h30m` or `2d`.

    Raises:
        InvalidRequest: The text is no duration, such as a number without a unit.
    """
    match = re.fullmatch(_PATTERN, text)
    if not text or match is None:
        raise InvalidRequest(
            "",
            "duration",
            f"is {text!r}; expected a number with a unit: 90s, 10m, 1h30m, 2d",
            Rule.BAD_FORMAT,
        )
    return check_duration(
        float(sum(Decimal(count) * _SECONDS[unit] for unit, count in match.groupdict("0").items()))
    )


def check_duration(seconds: float) -> float:
    """Return seconds, to the microsecond.

    Raises:
        InvalidRequest: They are negative, or longer than ten years.
    """
    if not 0 <= seconds <= _MAX_SECONDS:
        problem = f"is {seconds:g} s; it must be at least 0, and at most {MAX_DAYS:,} days"
        raise InvalidRequest("", "duration", problem, Rule.OUT_OF_RANGE, 0 if seconds < 0 else _MAX_SECONDS)
    return round(float(seconds), 6)


def format_duration(seconds: float) -> str:
    """Return a duration as `parse_duration` reads it."""
    rest, parts = Decimal(str(seconds)), list[str]()
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, _SECONDS[unit])
        if count:
            parts.append(f"{int(count)}{unit}")
    if rest or not parts:
        parts.append(f"{rest.normalize():f}s")
    return "".join(parts)


_SCHEMA_PATTERN: Final = "^" + "".join(rf"({_DIGITS}(\.{_DIGITS})?{unit})?" for unit in _SECONDS) + "$"

Duration: TypeAlias = Annotated[float, FormType(parse_duration, format_duration, _SCHEMA_PATTERN)]
"""Seconds, which plans write with a unit."""
