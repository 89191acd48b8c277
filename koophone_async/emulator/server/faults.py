"""Fault injection: which calls and jobs fail, how, and how often.

Faults are data. The same plan with the same seed affects the same calls in every run. In JSON, an action is
its name, or an object with the name as `kind`:

    [{"operation": "koophone.commands.run", "first": 2, "action": "reset"},
     {"phone": "phone0007", "action": {"kind": "fail", "code": "CPS.0005"}},
     {"probability": 0.01, "action": {"kind": "refuse", "status": 503, "retry_after": 1}}]
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast, get_args

from attrs import asdict, define, field, frozen
from attrs.validators import ge, gt, in_, le, optional
from cattrs import Converter
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

from koophone_async.catalogue import OPERATIONS
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.services.koophone.instances import RunningState

STATE_FIELDS: Final = ("status", "running_status", "backup_status", "restore_status")
"""The names on the wire of fields that have states."""


@frozen
class Refuse:
    """Answers with an error."""

    status: int = field(default=500, validator=[ge(200), le(599)])
    code: str = "KOOPHONE.API.9999"
    """Empty for an error without the service's envelope, as an overloaded gateway sends it."""

    message: str | None = None
    """None for the service's own message."""

    retry_after: float | None = field(default=None, validator=optional(ge(0)))
    """Seconds, for the header `Retry-After`."""

    executed: bool = False
    """Whether the call is executed all the same."""


@frozen
class Throttle:
    """Answers 429 with the gateway's message."""

    limit: int = 6
    per: str = "1 minute"
    figures: bool = True
    """Whether the message states the limit."""

    retry_after: float | None = field(default=None, validator=optional(ge(0)))


@frozen
class Delay:
    """Waits before the call is executed, or before it is answered, even if the caller disconnects."""

    seconds: float = field(default=1.0, validator=ge(0))
    executed: bool = False


@frozen
class Reset:
    """Resets the connection: before the request's body is read, or after the call is executed.

    A fault for one phone resets it after reading the body, and still before executing anything.
    """

    executed: bool = False


@frozen
class Stall:
    """Never answers, until the emulator stops."""

    executed: bool = False


@frozen
class Truncate:
    """Executes the call, and closes the connection in the middle of the answer."""

    kept: float = field(default=0.5, validator=[ge(0), le(1)])
    """The fraction of the body that is sent."""


@frozen
class Garble:
    """Executes the call, and sends an unreadable answer."""

    part: str = field(default="body", validator=in_(("body", "head")))
    """`body`: status 200 with a body that is not JSON. `head`: bytes that are not HTTP."""


@frozen
class Duplicate:
    """Duplicates a row of the answer: that of the fault's phone, or the first one."""


@frozen
class Omit:
    """Removes a row from the answer: that of the fault's phone, or the first one."""


@frozen
class Distort:
    """Replaces states in the answer by a number: any documented end, or one that no document has."""

    value: int = 99
    field: str | None = field(default=None, validator=optional(in_(STATE_FIELDS)))
    """Only this field, by its name on the wire; by default every `status` and `running_status`."""


@frozen
class EndToken:
    """Revokes the token of the request."""


@frozen
class Stick:
    """Keeps a job, or work without a job such as a restore or an assignment, running forever."""


@frozen
class Lose:
    """Removes a job from every answer; a task without any job left is unknown."""


@frozen
class Fail:
    """Ends a job with an error, or work without a job in its failed state."""

    code: str = "CPS.0191"
    message: str | None = None
    leaves: int | None = field(default=None, validator=optional(in_(tuple(RunningState))))
    """The running status in which the phone is left; by default that of the operation's failure."""


JobFault: TypeAlias = Stick | Lose | Fail
"""Actions on jobs."""

Alteration: TypeAlias = Duplicate | Omit | Distort
"""Actions on the rows of an answer."""

Action: TypeAlias = (
    Refuse | Throttle | Delay | Reset | Stall | Truncate | Garble | Alteration | EndToken | JobFault
)

_ACTIONS: Final[Mapping[str, type[Action]]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", action.__name__).lower(): action for action in get_args(Action)
}


def _check_phone(fault: Fault, _: object, phone: str | None) -> None:
    if phone is not None and isinstance(fault.action, EndToken):
        problem = "cannot be used with end_token, which happens before the ids of a request are read"
        raise InvalidRequest("", "phone", problem, Rule.CONFLICT)


def _check_operation(_: object, __: object, name: str | None) -> None:
    if name is not None and name not in OPERATIONS and name not in {o.service for o in OPERATIONS.values()}:
        problem = f"{name} is not in the catalogue; `koophone api --list` shows all"
        raise InvalidRequest("", "operation", problem, Rule.NOT_A_CHOICE)


def _check_probability(_: object, __: object, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidRequest("", "probability", f"is {value}; it must be 0 to 1", Rule.OUT_OF_RANGE)


@frozen
class Fault:
    """An action with the conditions under which it is applied; without any, to every call or job."""

    action: Action
    operation: str | None = field(default=None, validator=_check_operation)
    """Only this operation, or all operations of this service (`koophone`)."""

    phone: str | None = field(default=None, validator=_check_phone)
    """Only calls with the id of this phone, or its jobs."""

    every: int | None = field(default=None, validator=optional(gt(0)))
    """Only every k-th of them."""

    first: int | None = field(default=None, validator=optional(ge(0)))
    """Only the first n of them."""

    probability: float | None = field(default=None, validator=optional(_check_probability))
    """Only at random, with this probability; the seed decides."""

    @property
    def at_arrival(self) -> bool:
        """Whether it is applied before the body of a request is read, when its ids are not known yet."""
        early = isinstance(self.action, Reset) and not self.action.executed and self.phone is None
        return early or isinstance(self.action, EndToken)


@define(eq=False)
class _PlannedFault:
    """A fault of a plan, with its counters."""

    fault: Fault
    rng: random.Random = field(repr=False)
    matched: int = 0
    applied: int = 0

    def applies(self, operation: str, ids: Collection[str]) -> bool:
        """Whether the fault is applied to a call; counts the call if it matches operation and phone."""
        fault = self.fault
        if fault.operation not in (None, operation, operation.partition(".")[0]):
            return False
        if fault.phone is not None and fault.phone not in ids:
            return False
        if fault.first is not None and self.applied >= fault.first:
            return False
        self.matched += 1
        if fault.every is not None and self.matched % fault.every:
            return False
        if fault.probability is not None and self.rng.random() >= fault.probability:
            return False
        self.applied += 1
        return True


@define(eq=False)
class Plan:
    """The faults to apply."""

    seed: int = 1
    _planned: list[_PlannedFault] = field(factory=list[_PlannedFault], init=False)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults, in the order in which they are applied."""
        return tuple(planned.fault for planned in self._planned)

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        rng = random.Random(f"{self.seed}/{len(self._planned)}")  # noqa: S311 - chance, no secret
        self._planned.append(_PlannedFault(fault, rng))

    def replace(self, faults: Iterable[Fault]) -> None:
        """Replace all faults, and with them the counts."""
        self._planned.clear()
        for fault in faults:
            self.add(fault)

    def on_arrival(self, operation: str) -> list[Action]:
        """Return the actions to apply to a request before its body is read."""
        planned = [one for one in self._planned if one.fault.at_arrival]
        return [one.fault.action for one in planned if one.applies(operation, ())]

    def on_call(self, operation: str, ids: Collection[str]) -> list[Fault]:
        """Return the faults to apply to a call, up to the first one that decides its outcome."""
        applied: list[Fault] = []
        for planned in self._planned:
            action = planned.fault.action
            if planned.fault.at_arrival or isinstance(action, JobFault):
                continue
            if planned.applies(operation, ids):
                applied.append(planned.fault)
                if not isinstance(action, Delay | Alteration):
                    break
        return applied

    def on_job(self, operation: str, phone: str) -> JobFault | None:
        """Return the action to apply to a job of a phone, which is that of the first fault that applies."""
        for planned in self._planned:
            action = planned.fault.action
            if isinstance(action, JobFault) and planned.applies(operation, (phone,)):
                return action
        return None


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=False)
    converter.register_structure_hook(Action, lambda value, _: _structure_action(converter, value))
    return converter


def _structure_action(converter: Converter, value: Any) -> Action:  # noqa: ANN401 - any JSON value
    fields = dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {"kind": value}
    action = _ACTIONS.get(str(fields.pop("kind", None)))
    if action is None:
        raise ValueError(f"an action is one of {', '.join(_ACTIONS)}")
    return converter.structure(fields, action)


_CONVERTER: Final = _make_converter()
_KINDS: Final = {action: kind for kind, action in _ACTIONS.items()}


def from_json(plan: object) -> list[Fault]:
    """Parse a plan.

    Raises:
        InvalidRequest: A fault is invalid; the message has its number, counted from 1.
    """
    if not isinstance(plan, list):
        raise InvalidRequest("", "faults", "are not a JSON list", Rule.WRONG_TYPE)
    return [_parse_fault(number, fault) for number, fault in enumerate(cast("list[object]", plan), 1)]


def _parse_fault(number: int, fault: object) -> Fault:
    where = f"fault {number}"
    if not isinstance(fault, dict):
        raise InvalidRequest("", where, "is not a JSON object", Rule.WRONG_TYPE)
    if "action" not in fault:
        raise InvalidRequest("", where, "has no action", Rule.MISSING)
    try:
        return _CONVERTER.structure(fault, Fault)
    except (BaseValidationError, ForbiddenExtraKeysError, TypeError, ValueError, OverflowError) as error:
        # The errors of attrs have the attribute and the validator as further arguments, others no message.
        problem = (error.args and error.args[0]) or error
        raise InvalidRequest("", where, f"cannot be read: {problem}", Rule.BAD_FORMAT) from error


def to_json(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Return faults as JSON values that `from_json` parses."""
    return [
        {
            name: value
            for name, value in asdict(fault, recurse=False).items()
            if value is not None and name != "action"
        }
        | {"action": {"kind": _KINDS[type(fault.action)], **asdict(fault.action)}}
        for fault in faults
    ]
