"""Fleet verbs that a plan can have as steps, with their arguments, derived from the methods of the fleets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from itertools import starmap
from typing import Any, Final, cast, get_type_hints

import attrs
from attrs import frozen

from koophone_async import docstrings
from koophone_async.batches import Run
from koophone_async.errors import InvalidRequest
from koophone_async.fleet_methods import FleetMethod, fleet_methods
from koophone_async.rollouts.plans.context import Context, Reference, is_reference
from koophone_async.rollouts.plans.fleets import RESOURCES, AnyFleet, resources_of
from koophone_async.rollouts.plans.model_types import ModelType, checked_mapping, type_of
from koophone_async.rollouts.plans.value_types import Json, Schema, ValueType, is_null

SECRET_VERBS: Final = frozenset({"authorize", "connections"})
"""Verbs whose outcomes give access to phones; their values are never stored, so that they are no steps."""


@frozen(eq=False, slots=False)  # in slots, attrs' cached properties break `help` of Python 3.13
class FleetVerb(FleetMethod):
    """A fleet verb: a method of a fleet, with its parameters."""

    @property
    def costs_money(self) -> bool:
        """Whether it is an order, which is never sent again."""
        return self.operation.order

    @property
    def about(self) -> str:
        """The first paragraph of its documentation."""
        return " ".join(docstrings.prose(self.method).partition("\n\n")[0].split())

    @cached_property
    def parameters(self) -> Mapping[str, ValueType]:
        """Types of the parameters by name."""
        hints = get_type_hints(self.method, include_extras=True)
        names = list(inspect.signature(self.method).parameters)[1:]
        return {name: type_of(hints[name]) for name in names}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of the parameters without a default."""
        parameters = list(inspect.signature(self.method).parameters.values())[1:]
        return tuple(each.name for each in parameters if each.default is inspect.Parameter.empty)

    @cached_property
    def model(self) -> ModelType | None:
        """The model whose fields are the arguments, if it is the only parameter."""
        types = list(self.parameters.values())
        return types[0] if len(types) == 1 and isinstance(types[0], ModelType) else None

    def read(self, raw: object, context: Context) -> dict[str, Any]:
        """Return arguments as plain data in which every value has its type.

        Args:
            raw: A mapping of arguments, or the first argument alone.
            context: Where they stand.

        Raises:
            InvalidRequest: An argument is unknown, missing or of a wrong type.
        """
        context = attrs.evolve(context, allows_references=True)
        if self.model is not None:
            return cast("dict[str, Any]", self.model.read(raw, context))
        raw = self._named(raw)
        entries = checked_mapping(raw, context, self.parameters, self.required)
        return {
            name: self.parameters[name].read(value, context.key(name))
            for name, value in entries.items()
            if not (is_null(value) and name not in self.required)
        }

    def dump(self, values: Mapping[str, object]) -> Json:
        """Return arguments of the method as plain data, which `read` reads.

        Args:
            values: By name, with the types of the method's parameters.
        """
        data = {name: self.parameters[name].dump(value) for name, value in values.items()}
        return data if self.model is None else next(iter(data.values()))

    def _named(self, raw: object) -> object:
        """Return arguments by name: a value that is no mapping is the first argument."""
        if self.has_names(raw) or is_null(raw) or not self.parameters:
            return raw
        return {next(iter(self.parameters)): raw}

    def has_names(self, raw: object) -> bool:
        """Return whether a value has the arguments by name."""
        if not is_reference(raw):
            return isinstance(raw, Mapping)
        return not isinstance(raw, Reference) and {*cast("Mapping[str, object]", raw)} <= {*self.parameters}

    def build(self, arguments: Mapping[str, Json], context: Context) -> dict[str, Any]:
        """Return the arguments of the method, with the present values of references.

        Args:
            arguments: Plain data as `read` returns it.
            context: Where they stand, and what reads references.
        """
        if self.model is not None:
            return {next(iter(self.parameters)): self.model.read(arguments, context)}
        return {
            name: self.parameters[name].read(value, context.key(name)) for name, value in arguments.items()
        }

    def run(self, fleet: AnyFleet, arguments: object, path: str = "") -> Run[Any, Any]:
        """Create the run of the verb on a fleet.

        Raises:
            InvalidRequest: An argument is invalid, or a reference cannot be read.
        """
        context = Context(path, allows_references=True, resolve=Reference.read)
        values = self.build(cast("Mapping[str, Json]", arguments), context)
        try:
            return self.method(fleet, **values)
        except InvalidRequest as error:
            error.field = _path_of(error.field, arguments, path)
            raise

    def check(self, fleet: AnyFleet, arguments: object, path: str) -> None:
        """Check arguments as the verb does, on a fleet that sends nothing.

        Raises:
            InvalidRequest: An argument is invalid.
        """
        self.run(fleet, arguments, path).discard()

    def schema(self) -> Schema:
        """Return the JSON Schema of the arguments."""
        if self.model is not None:
            return _with_references(self.model.schema())
        about = docstrings.arguments(self.method)
        properties = {
            name: _with_references(each.schema()) | {"description": about.get(name, "")}
            for name, each in self.parameters.items()
        }
        kinds = ["object"] if self.required else ["object", "null"]
        schema: Schema = {"type": kinds, "properties": properties, "additionalProperties": False}
        if self.required:
            schema["required"] = list(self.required)
        first = next(iter(properties), None)
        if first is None or not {*self.required} <= {first}:
            return schema
        return {"anyOf": [schema, properties[first]]}


_TO_REFERENCE: Final[Schema] = {"$ref": "#/$defs/reference"}

REFERENCE_SCHEMA: Final[Schema] = {
    "description": "A value that is read anew at each send: of a variable, or of a file.",
    "type": "object",
    "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}


def _with_references(schema: Schema) -> Schema:
    """Allow a reference wherever a schema has a single value."""
    if schema.get("type") == "object":
        properties = {name: _with_references(each) for name, each in schema.get("properties", {}).items()}
        others: Schema | bool = schema["additionalProperties"]
        others = others if isinstance(others, bool) else _with_references(others)
        return schema | {"properties": properties, "additionalProperties": others}
    if "anyOf" in schema:
        return schema | {"anyOf": [_with_references(each) for each in schema["anyOf"]]}
    if schema.get("type") == "array":
        return schema | {"items": _with_references(schema["items"])}
    description = {"description": schema.pop("description")} if "description" in schema else {}
    return {"anyOf": [schema, _TO_REFERENCE]} | description


def _path_of(name: str, arguments: object, path: str) -> str:
    """Return the path of the only argument, or field in one, of a name; else that of all arguments."""
    paths = list(_paths(name, arguments, path))
    return paths[0] if len(paths) == 1 else path


def _paths(name: str, value: object, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, object]", value).items():
            if key == name:
                yield f"{path}.{key}"
            yield from _paths(name, item, f"{path}.{key}")
    elif isinstance(value, tuple | list):
        for index, item in enumerate(cast("tuple[object, ...]", value)):
            yield from _paths(name, item, f"{path}[{index}]")


_GAMING_PHONE_VERBS: Final = frozenset({"update"})


@cache
def verbs_of(service: str, resource: str) -> Mapping[str, FleetVerb]:
    """Return the verbs of a fleet that may be steps, by name."""
    methods = fleet_methods(service, RESOURCES[service][resource].fleet.load())
    verbs = {each.name: FleetVerb(each.name, each.method, each.operation) for each in methods}
    if service == "gaming":
        is_of_phones = resource == "phones"
        verbs = {name: verb for name, verb in verbs.items() if (name in _GAMING_PHONE_VERBS) == is_of_phones}
    return {name: verb for name, verb in verbs.items() if name not in SECRET_VERBS}


def verb_of(fleet: AnyFleet, name: str) -> FleetVerb:
    """Return a verb of a fleet that may be a step."""
    return next(verbs[name] for verbs in starmap(verbs_of, resources_of(fleet)) if name in verbs)
