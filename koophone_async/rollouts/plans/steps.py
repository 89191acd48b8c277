"""Steps of a plan: a fleet verb, its arguments, and what its outcome must be like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import evolve, field, frozen

from koophone_async.checks import ids
from koophone_async.errors import Rule
from koophone_async.rollouts.plans.context import Context, Reference
from koophone_async.rollouts.plans.expectations import Expect
from koophone_async.rollouts.plans.fleets import RESOURCES, AnyFleet, offline_fleet
from koophone_async.rollouts.plans.model_types import WrongKey, mapping, refuse_key, type_of
from koophone_async.rollouts.plans.value_types import Json, Schema, ValueType, is_null
from koophone_async.rollouts.plans.verbs import SECRET_VERBS, FleetVerb, verb_of, verbs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.batches import Outcome, Run

OPTIONS: Final = ("expect", "only")
"""Keys of a step beside its verb."""


def _only(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(dict.fromkeys(ids(values)))


@frozen(slots=False)  # in slots, attrs' cached properties break `help` of Python 3.13
class Step:
    """One fleet verb with its arguments. A phone takes the next step when this one has succeeded on it."""

    verb: str
    """Name of the method of the fleet, such as `run` or `install`."""

    arguments: object = field(default=None, repr=False)
    """A mapping of arguments, or the first one alone. Values may be references: `{"env": NAME}`."""

    expect: Expect | None = field(default=None, kw_only=True)
    only: tuple[str, ...] | None = field(default=None, converter=_only, kw_only=True)
    """The ids that the step is for; None for all."""

    base: Path | None = field(default=None, eq=False, repr=False, kw_only=True)
    """Directory that relative paths of references start from, until the plan is checked."""

    @cached_property
    def _only_set(self) -> frozenset[str]:
        return frozenset(self.only or ())

    def applies_to(self, id: str) -> bool:
        """Return whether the step is for a phone; others go on to the next."""
        return self.only is None or id in self._only_set

    def judge(self, outcome: Outcome) -> Outcome:
        """Return an outcome as it counts: one that is not as expected is failed."""
        return outcome if self.expect is None else self.expect.judge(outcome)

    @property
    def has_references(self) -> bool:
        """Whether some arguments are read anew at each send."""
        return any(isinstance(value, Reference) for _, value in leaves(self.arguments))


def next_step(steps: Sequence[Step], id: str, first: int) -> int | None:
    """Return the index of the first step, from `first` on, that applies to a phone; None if there is none."""
    for index in range(first, len(steps)):
        if steps[index].applies_to(id):
            return index
    return None


def leaves(arguments: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the single values and references in arguments, with their paths."""
    if isinstance(arguments, Mapping):
        for key, item in cast("Mapping[str, object]", arguments).items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(arguments, list | tuple):
        for index, item in enumerate(cast("Sequence[object]", arguments)):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, arguments


def _dump(value: object) -> Json:
    if isinstance(value, Reference):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: _dump(item) for key, item in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_dump(item) for item in cast("Sequence[object]", value)]
    return value


@frozen
class StepType:
    """A step, as a mapping from its verb to its arguments, with options beside it.

    Only the plan knows which verbs there are: it reads the arguments later, by `check_step`.
    """

    def read(self, raw: object, context: Context) -> Step:
        """Return the step."""
        if isinstance(raw, Step):
            return raw
        entries = mapping({raw: None} if isinstance(raw, str) and not is_null(raw) else raw, context)
        verbs = [key for key in entries if key not in OPTIONS]
        if len(verbs) != 1:
            self._refuse_misspelt_options(verbs, context)
            problem = f"has several verbs: {', '.join(verbs)}; each step has one" if verbs else "has no verb"
            context.refuse(problem, Rule.CONFLICT if verbs else Rule.MISSING)
        (verb,) = verbs
        options = {
            name: type_.read(entries.get(name), context.key(name)) for name, type_ in self._options().items()
        }
        return Step(verb, entries[verb], base=context.base, **options)

    def _refuse_misspelt_options(self, keys: Sequence[str], context: Context) -> None:
        """Refuse a key that is no verb of any service, beside one that is: it is an option.

        Raises:
            InvalidRequest: There is such a key.
        """
        known = {
            name
            for service, resources in RESOURCES.items()
            for each in resources
            for name in verbs_of(service, each)
        }
        unknown = [key for key in keys if key not in known]
        if unknown and len(unknown) < len(keys):
            refuse_key(unknown[0], context, OPTIONS)

    def _options(self) -> dict[str, ValueType]:
        return {"expect": type_of(Expect | None), "only": type_of(tuple[str, ...] | None)}

    def dump(self, value: Step) -> Json:
        """Return the step as plain data."""
        options = {name: type_.dump(getattr(value, name)) for name, type_ in self._options().items()}
        return {value.verb: _dump(value.arguments)} | {
            name: option for name, option in options.items() if option is not None
        }

    def schema(self) -> Schema:
        """Return the schema of any step; that of the verbs of a service is `step_schema`."""
        return {"type": "object", "minProperties": 1}

    def step_schema(self, verbs: Iterable[FleetVerb]) -> Schema:
        """Return the schema of steps with these verbs."""
        options = {name: type_.schema() for name, type_ in self._options().items()}
        verbs = tuple(verbs)
        of_verbs = {verb.name: verb.schema() | {"description": verb.about} for verb in verbs}
        alone: Schema = {"enum": [verb.name for verb in verbs if not verb.required]}
        step: Schema = {
            "type": "object",
            "properties": of_verbs | options,
            "additionalProperties": False,
            "oneOf": [{"required": [name]} for name in of_verbs],
        }
        return {"anyOf": [step, alone]}


def check_step(step: Step, service: str, resource: str, context: Context) -> Step:
    """Return a step whose arguments have the types of its verb.

    Raises:
        InvalidRequest: The verb is no step, or an argument is unknown, missing or of a wrong type.
    """
    verb = find_verb(step.verb, service, resource, context)
    place = evolve(context.key(step.verb), base=step.base)
    step = evolve(step, arguments=verb.read(step.arguments, place), base=None)
    if not step.has_references:
        check_arguments(step, service, resource, place.path)
    return step


def check_arguments(step: Step, service: str, resource: str, path: str) -> None:
    """Check the arguments of a step as its verb does; references are read.

    Raises:
        InvalidRequest: An argument is invalid, or a reference cannot be read.
    """
    verbs_of(service, resource)[step.verb].check(offline_fleet(service, resource), step.arguments, path)


def find_verb(name: str, service: str, resource: str, context: Context) -> FleetVerb:
    """Return a verb that may be a step.

    Raises:
        InvalidRequest: The resource has no such verb, or it gives secrets, which are never stored.
    """
    verbs = verbs_of(service, resource)
    if name in verbs:
        return verbs[name]
    if name in SECRET_VERBS:
        problem = "is no step: what it answers gives access to phones, and is never stored"
        raise WrongKey("", context.key(name).path, problem, Rule.NOT_A_CHOICE)
    for other in RESOURCES[service]:
        if name in verbs_of(service, other):
            problem = f"is a verb of {other}, and the targets are {resource}; set `resource: {other}`"
            raise WrongKey("", context.key(name).path, problem, Rule.CONFLICT)
    return refuse_key(name, context, [*verbs, *OPTIONS])


def bind(step: Step, fleet: AnyFleet, *, path: str = "") -> Run[Any, Any]:
    """Create the run of a step on a fleet. References are read now, and anew for each call.

    Raises:
        InvalidRequest: An argument is invalid, or a reference cannot be read.
    """
    verb, path = verb_of(fleet, step.verb), f"{path}.{step.verb}" if path else ""
    run = verb.run(fleet, step.arguments, path)
    if step.has_references:
        return run.build_requests(lambda ids: _request(verb.run(fleet, step.arguments, path), ids))
    return run


def _request(run: Run[Any, Any], ids: Sequence[str]) -> object:
    run.discard()
    return run.request(ids)
