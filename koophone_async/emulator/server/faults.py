"""Faults as data: what goes wrong, for which calls, how often.

A plan with the same seed fails the same calls in every run. As JSON, an action is its name, or an object with
its name as `kind`:

    [{"operation": "koophone.commands.run", "first": 2, "action": "reset"},
     {"phone": "phone0007", "action": {"kind": "fail", "code": "CPS.0005"}},
     {"probability": 0.01, "action": {"kind": "refuse", "status": 503, "retry_after": 1}}]
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from attrs import asdict, define, field, frozen
from attrs.validators import ge, gt, in_, le, optional
from cattrs import Converter
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

from koophone_async.catalogue import OPERATIONS
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@frozen
class Refuse:
    """Answers no."""

    status: int = field(default=500, validator=[ge(200), le(599)])
    code: str = "KOOPHONE.API.9999"
    """Empty for a refusal without the service's envelope, as a gateway in trouble sends it."""

    message: str | None = None
    """None for the service's own words."""

    retry_after: float | None = field(default=None, validator=optional(ge(0)))
    """Seconds, for the header of that name."""

    executed: bool = False
    """Whether the call was carried out all the same."""


@frozen
class Throttle:
    """Answers 429, in the gateway's words."""

    limit: int = 6
    per: str = "1 minute"
    figures: bool = True
    """Whether the words tell the limit."""

    retry_after: float | None = field(default=None, validator=optional(ge(0)))


@frozen
class Delay:
    """Waits before the call is carried out, or before it is answered. The caller may be gone by then."""

    seconds: float = field(default=1.0, validator=ge(0))
    executed: bool = False


@frozen
class Reset:
    """Resets the connection: before the request's body is read, or after the call was carried out.

    Where a phone is named, the body must be read first; nothing is carried out either.
    """

    executed: bool = False


@frozen
class Stall:
    """Never answers, until the emulator stops."""

    executed: bool = False


@frozen
class Truncate:
    """Carries the call out, and closes the connection in the middle of the answer."""

    kept: float = field(default=0.5, validator=[ge(0), le(1)])
    """How much of the body is sent."""


@frozen
class Garble:
    """Carries the call out, and answers what nobody can read."""

    part: str = field(default="body", validator=in_(("body", "head")))
    """`body`: no JSON, with status 200. `head`: no HTTP, so that there is no status."""


@frozen
class Duplicate:
    """Gives a row of the answer twice: that of the fault's phone, else the first one."""


@frozen
class Omit:
    """Leaves a row out of the answer: that of the fault's phone, else the first one."""


@frozen
class Distort:
    """Answers with numbers for states that no document has."""

    value: int = 99


@frozen
class EndToken:
    """Lets the token of the request end before its time."""


@frozen
class Stick:
    """A job never ends."""


@frozen
class Lose:
    """A job disappears from every answer; a task with no job left is unknown."""


@frozen
class Fail:
    """A job fails."""

    code: str = "CPS.0191"
    message: str | None = None


Fate: TypeAlias = Stick | Lose | Fail
"""What becomes of a job."""

Alteration: TypeAlias = Duplicate | Omit | Distort
"""What changes the rows of an answer."""

Action: TypeAlias = (
    Refuse | Throttle | Delay | Stall | Truncate | Garble | Reset | EndToken | Alteration | Fate
)

_ALL: Final[tuple[type[Action], ...]] = (
    *(Refuse, Throttle, Delay, Reset, Stall, Truncate, Garble),
    *(Duplicate, Omit, Distort, EndToken, Stick, Lose, Fail),
)
_ACTIONS: Final = {re.sub(r"(?<!^)(?=[A-Z])", "_", action.__name__).lower(): action for action in _ALL}


def _no_phone_with_a_token(fault: Fault, _: object, phone: str | None) -> None:
    if phone is not None and isinstance(fault.action, EndToken):
        raise InvalidRequest(
            "", "phone", "cannot be named: a token ends before the ids of a request are known"
        )


def _known(_: object, __: object, name: str | None) -> None:
    if name is not None and name not in OPERATIONS and name not in {o.service for o in OPERATIONS.values()}:
        raise InvalidRequest(
            "", "operation", f"{name} is not in the catalogue; `koophone api --list` shows all"
        )


def _chance(_: object, __: object, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidRequest("", "probability", f"is {value}; it must be 0 to 1")


@frozen
class Fault:
    """One thing that goes wrong. Without conditions it happens to every call, or to every job."""

    action: Action
    operation: str | None = field(default=None, validator=_known)
    """Only to this operation; a bare service (`koophone`) means all of its operations."""

    phone: str | None = field(default=None, validator=_no_phone_with_a_token)
    """Only to calls that name this phone, or to its jobs."""

    every: int | None = field(default=None, validator=optional(gt(0)))
    """Only to each k-th of them."""

    first: int | None = field(default=None, validator=optional(ge(0)))
    """Only so many times, and then never again."""

    probability: float | None = field(default=None, validator=optional(_chance))

    @property
    def at_arrival(self) -> bool:
        """Whether it happens before the body of a request is read and so before its ids are known."""
        early = isinstance(self.action, Reset) and not self.action.executed and self.phone is None
        return early or isinstance(self.action, EndToken)


@define(eq=False)
class _Armed:
    """A fault of a plan, and how often it has met a call."""

    fault: Fault
    rng: random.Random = field(repr=False)
    met: int = 0
    done: int = 0

    def strikes(self, operation: str, ids: Collection[str]) -> bool:
        """Whether it happens to a call; a call that it could have happened to is counted."""
        fault = self.fault
        if fault.operation not in (None, operation, operation.partition(".")[0]):
            return False
        if fault.phone is not None and fault.phone not in ids:
            return False
        if fault.first is not None and self.done >= fault.first:
            return False
        self.met += 1
        if fault.every is not None and self.met % fault.every:
            return False
        if fault.probability is not None and self.rng.random() >= fault.probability:
            return False
        self.done += 1
        return True


@define(eq=False)
class Plan:
    """All faults that are to happen."""

    seed: int = 1
    _armed: list[_Armed] = field(factory=list[_Armed], init=False)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is planned."""
        return tuple(armed.fault for armed in self._armed)

    def add(self, fault: Fault) -> None:
        """Plan one more fault."""
        rng = random.Random(f"{self.seed}/{len(self._armed)}")  # noqa: S311 - chance, no secret
        self._armed.append(_Armed(fault, rng))

    def replace(self, faults: Iterable[Fault]) -> None:
        """Plan these faults instead; counting begins anew."""
        self._armed.clear()
        for fault in faults:
            self.add(fault)

    def on_arrival(self, operation: str) -> list[Action]:
        """What happens to a request before its body is read."""
        return [a.fault.action for a in self._armed if a.fault.at_arrival and a.strikes(operation, ())]

    def on_call(self, operation: str, ids: Collection[str]) -> list[Fault]:
        """What happens to a call whose ids are known: nothing more after what decides how it ends."""
        struck: list[Fault] = []
        for armed in self._armed:
            action = armed.fault.action
            if armed.fault.at_arrival or isinstance(action, Fate) or not armed.strikes(operation, ids):
                continue
            struck.append(armed.fault)
            if not isinstance(action, Delay | Alteration):
                break
        return struck

    def fate(self, operation: str, phone: str) -> Fate | None:
        """What becomes of a phone's job; the first fault that strikes decides."""
        for armed in self._armed:
            action = armed.fault.action
            if isinstance(action, Fate) and armed.strikes(operation, (phone,)):
                return action
        return None


def _reader() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=False)
    converter.register_structure_hook(Action, lambda value, _: _action(converter, value))
    return converter


def _action(converter: Converter, value: Any) -> Action:  # noqa: ANN401 - whatever JSON holds
    given = dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {"kind": value}
    kind = _ACTIONS.get(str(given.pop("kind", None)))
    if kind is None:
        raise ValueError(f"an action is one of {', '.join(_ACTIONS)}")
    return converter.structure(given, kind)


_READER: Final = _reader()
_KINDS: Final = {action: kind for kind, action in _ACTIONS.items()}


def from_json(plan: object) -> list[Fault]:
    """Read a plan.

    Raises:
        InvalidRequest: It is not a plan; tells which fault of it is wrong, counted from 1.
    """
    if not isinstance(plan, list):
        raise InvalidRequest("", "faults", "are not a JSON list")
    return [_fault(number, said) for number, said in enumerate(cast("list[object]", plan), 1)]


def _fault(number: int, said: object) -> Fault:
    where = f"fault {number}"
    if not isinstance(said, dict):
        raise InvalidRequest("", where, "is not a JSON object")
    if "action" not in said:
        raise InvalidRequest("", where, "has no action")
    try:
        return _READER.structure(said, Fault)
    except (BaseValidationError, ForbiddenExtraKeysError, TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest("", where, f"cannot be read: {error}") from error


def to_json(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Write a plan as `from_json` reads it."""
    return [
        {
            name: value
            for name, value in asdict(fault, recurse=False).items()
            if value is not None and name != "action"
        }
        | {"action": {"kind": _KINDS[type(fault.action)], **asdict(fault.action)}}
        for fault in faults
    ]
