"""Change single values of a plan, as `resume --set steps[0].install.url=...` does."""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.context import Plain
from koophone_async.rollouts.plans.plan import Plan

_PART: Final = re.compile(r"\[(?P<index>[0-9]{1,9})\]|\.?(?P<key>[^.\[\]]+)")
_PATH: Final = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[[0-9]{1,9}\])*")


def with_value(plan: Plan, path: str, text: str) -> Plan:
    """Return a plan with another value at a path, such as `steps[0].install.url`.

    Args:
        plan: The plan.
        path: Keys and indexes, as errors show them.
        text: The value, as a plan has it without quotes; empty for the default.

    Raises:
        InvalidRequest: There is no such place, or the value is wrong there.
    """
    if _PATH.fullmatch(path) is None:
        _refuse(path)
    *outer, last = [part["key"] or int(part["index"]) for part in _PART.finditer(path)]
    data: Any = plan.to_data()
    place = data
    for part in outer:
        place = _entry(place, part, path)
    if not isinstance(place, dict) or isinstance(last, int):
        _entry(place, last, path)
    place[last] = Plain(text)
    return Plan.from_data(data)


def _entry(place: Any, part: str | int, path: str) -> Any:  # noqa: ANN401 - plain data
    """Return what is in a place, which must be there."""
    try:
        return place[part]
    except (KeyError, IndexError, TypeError):
        return _refuse(path)


def _refuse(path: str) -> NoReturn:
    raise InvalidRequest("", path, "is no place in the plan", Rule.NOT_A_CHOICE)
