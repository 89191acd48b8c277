"""Plans of rollouts: which phones, what is done on them, in which waves, and when it must stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from attrs import evolve, field, frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.context import Context
from koophone_async.rollouts.plans.durations import Duration, check_duration, parse_duration
from koophone_async.rollouts.plans.expectations import Expect
from koophone_async.rollouts.plans.fleets import RESOURCES, TAGGED, AnyFleet, open_fleet
from koophone_async.rollouts.plans.model_types import ListType, ModelType, OneOrManyType
from koophone_async.rollouts.plans.order import Order, Spread
from koophone_async.rollouts.plans.selections import Selection, refuse_empty
from koophone_async.rollouts.plans.steps import Step, StepType, check_arguments, check_step
from koophone_async.rollouts.plans.stop_rule import StopRule, StopText
from koophone_async.rollouts.plans.value_types import Json, choice
from koophone_async.rollouts.plans.verbs import FleetVerb, verbs_of
from koophone_async.rollouts.plans.waves import ALL, Wave, WaveText, parse_waves
from koophone_async.rollouts.plans.windows import Window, WindowText
from koophone_async.selection import parse as parse_where
from koophone_async.wire import Edition, decode, doc, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.batches.chunks import Source
    from koophone_async.rollouts.plans.fleets import Client

__all__ = [
    "Between",
    "Expect",
    "Order",
    "Plan",
    "Selection",
    "Service",
    "Spread",
    "Step",
    "StopRule",
    "Wave",
    "Window",
]


class Service(StrEnum):
    """Services whose phones and servers a plan can change."""

    KOOPHONE = "koophone"
    CPH = "cph"
    GAMING = "gaming"


def _duration(value: float | str) -> float:
    return parse_duration(value) if isinstance(value, str) else check_duration(value)


def _optional_duration(value: float | str | None) -> float | None:
    return None if value is None else _duration(value)


@frozen(kw_only=True)
class Between:
    """What happens after each wave but the last."""

    pause: Duration = field(
        default=0.0, converter=_duration, metadata=doc("Time without calls, such as `10m`.")
    )
    approve: bool = field(default=False, metadata=doc("Whether a person must approve the next wave."))


Steps: TypeAlias = Annotated[tuple[Step, ...], ListType(StepType())]


def _window(value: Window | str | None) -> Window | None:
    return Window.parse(value) if isinstance(value, str) else value


def _stop(value: StopRule | str | None) -> StopRule | None:
    return StopRule.parse(value) if isinstance(value, str) else value


def _service(value: Service | str) -> Service:
    return choice(Service, value)


def _edition(value: Edition | str | None) -> Edition | None:
    return None if value is None else choice(Edition, value)


def _targets(value: Selection | Iterable[Selection]) -> tuple[Selection, ...]:
    return (value,) if isinstance(value, Selection) else tuple(value)


def _steps(value: Step | Iterable[Step]) -> tuple[Step, ...]:
    return (value,) if isinstance(value, Step) else tuple(value)


def _at_least_one(_: object, attribute: Any, value: int | None) -> None:  # noqa: ANN401 - an attrs attribute
    if value is not None and value < 1:
        raise InvalidRequest("", attribute.name, f"is {value}; it must be at least 1", Rule.OUT_OF_RANGE, 1)


def _more_than_none(_: object, attribute: Any, value: float | None) -> None:  # noqa: ANN401 - an attrs attribute
    if value == 0:
        problem = "is 0, at which nothing could be sent; leave it out for no deadline"
        raise InvalidRequest("", attribute.name, problem, Rule.OUT_OF_RANGE, 0)


def _check_name(_: object, __: object, name: str) -> None:
    if name == LAST:
        raise InvalidRequest(
            "", "name", f"is {name!r}, which stands for the newest rollout", Rule.NOT_A_CHOICE
        )
    if name and (not name.isprintable() or name != name.strip() or len(name) > _MAX_NAME):
        limit = f"it must be at most {_MAX_NAME} printable characters, without spaces around them"
        problem = f"is {name[:40]!r}; {limit}"
        raise InvalidRequest("", "name", problem, Rule.BAD_FORMAT)


LAST: Final = "last"
"""The name that stands for the newest rollout."""

_MAX_NAME: Final = 100


@frozen(kw_only=True)
class Plan:
    """What a rollout does. All but targets and steps may be left out."""

    targets: Annotated[tuple[Selection, ...], OneOrManyType(ModelType(Selection))] = field(converter=_targets)
    steps: Steps = field(converter=_steps)
    name: str = field(
        default="", validator=_check_name, metadata=doc("A name for the rollout; its newest has it.")
    )
    service: Service = field(default=Service.KOOPHONE, converter=_service)
    resource: str = field(
        default="",
        metadata=doc(
            "What the targets are: phones, servers, encoding_servers; default: what all steps apply to."
        ),
    )
    edition: Edition | None = field(
        default=None, converter=_edition, metadata=doc("Edition of KooPhone; default: that of the session.")
    )
    profile: str | None = field(
        default=None, validator=refuse_empty, metadata=doc("Profile of the credentials.")
    )
    project_id: str | None = field(default=None, validator=refuse_empty, metadata=doc("Project of CPH."))
    region: str | None = field(default=None, validator=refuse_empty, metadata=doc("Region of CPH."))
    waves: tuple[WaveText, ...] = field(
        default=(ALL,),
        converter=parse_waves,
        metadata=doc("How many targets are reached after each wave: numbers such as 5, or percentages."),
    )
    order: Order = field(factory=Order)
    between: Between = field(factory=Between)
    stop: StopText | None = field(default=None, converter=_stop, metadata=doc("When nothing more is sent."))
    window: WindowText | None = field(
        default=None,
        converter=_window,
        metadata=doc("When calls may be sent, such as `Mon-Fri 01:00-05:00 Asia/Shanghai`."),
    )
    deadline: Duration | None = field(
        default=None,
        converter=_optional_duration,
        validator=_more_than_none,
        metadata=doc(
            "Time such as `4h` after which nothing more is sent; gates and closed windows do not count."
        ),
    )
    concurrency: int = field(
        default=32, validator=_at_least_one, metadata=doc("Maximum of concurrent calls.")
    )
    max_per_server: int = field(
        default=30,
        validator=_at_least_one,
        metadata=doc("Maximum of phones of one server with ADB jobs pending."),
    )
    undo: Steps = field(default=(), converter=_steps)

    def __attrs_post_init__(self) -> None:
        """Check everything that can be known without the service.

        Raises:
            InvalidRequest: There are no targets or no steps, or a step is none of the service's.
        """
        for name in ("targets", "steps"):
            if not getattr(self, name):
                raise InvalidRequest("", name, "is empty", Rule.TOO_FEW, 1)
        set_field: Callable[[Plan, str, object], None] = object.__setattr__  # while the plan is made
        set_field(self, "resource", self._find_resource())
        for name in ("steps", "undo"):
            set_field(self, name, self._checked(name, getattr(self, name)))
        self._check_targets()
        self._check_stop()

    def _find_resource(self) -> str:
        """Return the resource that is stated, else the first that has all verbs and can be selected so."""
        resources = RESOURCES[self.service]
        if self.resource:
            if self.resource not in resources:
                problem = f"is {self.resource!r}; {self.service} has {', '.join(resources)}"
                raise InvalidRequest("", "resource", problem, Rule.NOT_A_CHOICE)
            return self.resource
        has_tags = any(selection.tag is not None for selection in self.targets)
        candidates = [name for name in resources if name in TAGGED or not has_tags] or list(resources)
        verbs = {step.verb for step in (*self.steps, *self.undo)}
        return next(
            (name for name in candidates if verbs <= verbs_of(self.service, name).keys()), candidates[0]
        )

    def _checked(self, name: str, steps: Sequence[Step]) -> tuple[Step, ...]:
        return tuple(
            check_step(step, self.service, self.resource, Context(name).item(index))
            for index, step in enumerate(steps)
        )

    def _check_stop(self) -> None:
        """Check the stop rule against the number of targets, where the plan lists them."""
        listed = [selection.ids for selection in self.targets]
        if self.stop is not None and None not in listed:
            self.stop.check_total(sum(len(set(ids or ())) for ids in listed))

    def check_references(self) -> None:
        """Read what references stand for now, and check the arguments with it.

        Raises:
            InvalidRequest: A reference cannot be read, or its value is invalid.
        """
        for name in ("steps", "undo"):
            for index, step in enumerate(getattr(self, name)):
                if step.has_references:
                    check_arguments(step, self.service, self.resource, f"{name}[{index}].{step.verb}")

    def verb(self, step: Step) -> FleetVerb:
        """Return what the verb of a step is."""
        return verbs_of(self.service, self.resource)[step.verb]

    def open_fleet(self, client: Client, ids: Source, **options: object) -> AnyFleet:
        """Return a fleet of the plan's resource, to `bind` its steps to.

        Args:
            client: Client of the plan's service.
            ids: Ids, or listed items.
            options: Other options of the client's method; concurrency and bound per server are the plan's.
        """
        bound = (
            {"max_per_server": self.max_per_server}
            if self.resource == "phones" and self.service == "cph"
            else {}
        )
        options = {"concurrency": self.concurrency, **bound, **options}
        return open_fleet(self.service, self.resource, client, ids, **options)

    def _check_targets(self) -> None:
        for index, selection in enumerate(self.targets):
            if selection.where is not None:
                with Context("targets").item(index).key("where").located():
                    parse_where(selection.where).predicate(
                        RESOURCES[self.service][self.resource].model.load()
                    )
            if selection.tag is not None and self.resource not in TAGGED:
                problem = f"selects servers, and the targets are {self.resource}; only servers have tags"
                raise InvalidRequest("", f"targets[{index}].tag", problem, Rule.CONFLICT)

    @classmethod
    def single(
        cls,
        verb: str,
        arguments: object = None,
        *,
        targets: Selection | Iterable[Selection],
        **options: object,
    ) -> Plan:
        """Return the plan of a single command: one step, and by default one wave.

        Args:
            verb: Name of the fleet verb.
            arguments: A mapping of arguments, or the first one alone.
            targets: Which phones or servers.
            options: Other fields of the plan.
        """
        fields: dict[str, Any] = {"targets": targets, "steps": Step(verb, arguments), **options}
        return cls(**fields)

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The targets, each with its profile, project and region, or those of the plan."""
        return tuple(
            evolve(
                selection,
                profile=selection.profile or self.profile,
                project_id=selection.project_id or self.project_id,
                region=selection.region or self.region,
            )
            for selection in self.targets
        )

    def without_ids(self) -> Plan:
        """Return the plan of a rollout whose targets are in a journal: long lists of ids are left out."""
        return evolve(self, targets=[selection.without_ids() for selection in self.targets])

    @classmethod
    def from_data(cls, raw: object, *, base: Path | None = None) -> Plan:
        """Return the plan that plain data describes, as YAML and JSON have it.

        Args:
            raw: Dictionaries, lists and single values.
            base: Directory that relative paths of files start from.

        Raises:
            InvalidRequest: A key is unknown, or a value is missing or wrong; `field` is its path.
        """
        plan: Plan = ModelType(cls).read(raw, Context(base=base))
        return plan

    def to_data(self) -> dict[str, Json]:
        """Return the plan as plain data, with its secrets; `from_data` reads it."""
        data: dict[str, Json] = ModelType(Plan).dump(self)
        return data

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Return the plan that `to_json` wrote.

        Raises:
            InvalidRequest: The text is no plan.
        """
        return cls.from_data(decode(text))

    def to_json(self) -> str:
        """Return the plan as JSON, with its secrets, but without what references stand for."""
        return encode(self.to_data()).decode()
