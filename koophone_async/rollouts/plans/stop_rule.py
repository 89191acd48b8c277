"""The stop rule: when so many phones do not succeed that a rollout sends nothing more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from attrs import field, frozen

from koophone_async.batches import State
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.amounts import AMOUNT_PATTERN, Amount
from koophone_async.rollouts.plans.model_types import ModelType
from koophone_async.rollouts.plans.value_types import FormType
from koophone_async.wire import doc

NOT_SUCCEEDED: Final = (State.FAILED, State.REFUSED, State.UNKNOWN, State.UNFINISHED)
"""States that count as not succeeded. What was not sent has no result."""


@frozen(order=False)
class Limit(Amount):
    """How many phones reach a limit: `5`, or `2%`."""


LimitText: TypeAlias = Annotated[Limit, FormType(Limit.parse, str, AMOUNT_PATTERN, is_number=True)]


def _limit(value: Limit | str | int | None) -> Limit | None:
    return value if value is None or isinstance(value, Limit) else Limit.parse(str(value))


def _parse_limit(name: str, text: str) -> Limit:
    try:
        return Limit.parse(text)
    except InvalidRequest as error:
        error.field = name
        raise


@frozen(kw_only=True)
class StopRule:
    """Limits over the rollout and over each wave; the first that is reached stops the rollout.

    Numbers are judged at once. A percentage is judged when max(`after`, 100 / percentage) phones have a
    result, or all of a wave that is smaller.
    """

    not_succeeded: LimitText | None = field(
        default=None,
        converter=_limit,
        metadata=doc("Failed, refused, unknown and unfinished phones together."),
    )
    failed: LimitText | None = field(default=None, converter=_limit)
    refused: LimitText | None = field(default=None, converter=_limit)
    unknown: LimitText | None = field(
        default=None, converter=_limit, metadata=doc("Phones whose call may have been executed or not.")
    )
    unfinished: LimitText | None = field(default=None, converter=_limit)
    after: int = field(default=0, metadata=doc("Results before a percentage is judged."))
    never: bool = field(
        default=False, metadata=doc("Whether nothing stops the rollout; written `stop: never`.")
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a rule that can never hold.

        Raises:
            InvalidRequest: There is no limit, a limit beside `never`, or a negative `after`.
        """
        if self.after < 0:
            raise InvalidRequest("", "after", f"is {self.after}; it must be at least 0", Rule.OUT_OF_RANGE, 0)
        if self.never and (self.limits or self.after):
            raise InvalidRequest("", "never", "contradicts the limits beside it", Rule.CONFLICT)
        if not self.never and not self.limits:
            problem = (
                f"can never hold: it has no limit, such as {', '.join(LIMIT_NAMES)}; or use `stop: never`"
            )
            raise InvalidRequest("", "", problem, Rule.ALL_MISSING)

    @property
    def limits(self) -> Mapping[str, Limit]:
        """The limits by name."""
        values = {name: getattr(self, name) for name in LIMIT_NAMES}
        return {name: limit for name, limit in values.items() if limit is not None}

    @classmethod
    def parse(cls, text: str) -> StopRule:
        """Return the rule that a text such as `2%,unknown=5,after=20` or `never` states.

        A limit without a name is that of `not_succeeded`.

        Raises:
            InvalidRequest: The text states no rule, or one that can never hold.
        """
        if text == "never":
            return cls(never=True)
        values = dict[str, str]()
        for part in text.split(","):
            name, _, value = part.strip().rpartition("=")
            name = name.strip() or "not_succeeded"
            if name not in (*LIMIT_NAMES, "after"):
                names = ", ".join((*LIMIT_NAMES, "after"))
                raise InvalidRequest(
                    "", "stop", f"has the unknown name {name!r}; expected {names}", Rule.NOT_A_CHOICE
                )
            if name in values:
                raise InvalidRequest("", "stop", f"names {name} twice", Rule.NOT_UNIQUE)
            values[name] = value.strip()
        after = values.pop("after", "0")
        if re.fullmatch("[0-9]{1,18}", after) is None:
            raise InvalidRequest("", "after", f"is {after!r}; it must be a whole number", Rule.WRONG_TYPE)
        limits: dict[str, Any] = {name: _parse_limit(name, value) for name, value in values.items()}
        return cls(**limits, after=int(after))

    def __str__(self) -> str:
        """Return the rule as `parse` reads it."""
        if self.never:
            return "never"
        parts = [
            limit if name == "not_succeeded" else f"{name}={limit}" for name, limit in self.limits.items()
        ]
        return ",".join(map(str, [*parts, *([f"after={self.after}"] if self.after else [])]))

    def check_total(self, total: int) -> None:
        """Refuse a limit that so many phones can never reach.

        Raises:
            InvalidRequest: A number is larger than the number of phones.
        """
        for name, limit in self.limits.items():
            if not limit.is_percentage and limit.value > total:
                problem = f"is {limit}, which can never be reached: the number of targets is {total:,}"
                raise InvalidRequest("", f"stop.{name}", problem, Rule.OUT_OF_RANGE, total)


COUNTED: Final[Mapping[str, tuple[State, ...]]] = {
    "not_succeeded": NOT_SUCCEEDED,
    **{state.value: (state,) for state in NOT_SUCCEEDED},
}
"""States that each limit counts."""

LIMIT_NAMES: Final = tuple(COUNTED)

StopText: TypeAlias = Annotated[StopRule, ModelType(StopRule, FormType(StopRule.parse, str))]
