"""The fast decoder: msgspec decodes answers of the documented form in C. See the package for the contract.

How it works, for a model `Job`:

1. msgspec cannot decode into attrs classes with our field names and types, so a *struct* (`msgspec.Struct`)
   is built for each model. It has the names of the wire and accepts exactly the documented JSON.
2. A JSON decoder fills the struct, envelope included: the envelope is a struct too, which accepts only a
   success.
3. A generated function, `build`, copies the struct into a new `Job`, and converts what msgspec cannot, such
   as times without a zone. It calls no `__init__`. That is why only models are supported whose instances are
   nothing but their field values: slots, no converters, no validators.
4. `build` fills a draft (see `drafts`), which then becomes a `Job`. The code is generated per model because
   a loop over the fields would not have the instruction that sets a slot. Lists have a function of their own,
   `build_all`, because a call for each row takes as long as six of its fields.

Everything unusual (a number in quotes, null for a mandatory field, an unknown state, another spelling,
another envelope, an error) raises one of `NOT_DECODED`, which the caller answers with the fallback decoder.
Types that this cannot express at all raise `_UnsupportedError` while the decoder is built; `fast_decoder`
then returns None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from types import GenericAlias, MemberDescriptorType, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import attrs
import msgspec
from attrs import evolve, frozen
from msgspec import UNSET, UnsetType

from koophone_async.drafts import draft_class
from koophone_async.protocol.dialect import PAGING
from koophone_async.wire import NULL_TEXTS, Edition, in_headers, spelling

if TYPE_CHECKING:
    from koophone_async.operation import Answer, Operation

NOT_DECODED: Final = (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What a fast decoder raises for an answer that the fallback decoder must read."""

Decoder: TypeAlias = Callable[[bytes], Any]
Names: TypeAlias = dict[str, Any]
"""The globals of generated code."""


_ABSENT: Final = UnsetType
"""The type of a field that must be absent: no JSON value has it."""


class _UnsupportedError(Exception):
    """A model has a field that only the fallback decoder can read."""


def fast_decoder(operation: Operation[Any, Answer], edition: Edition) -> Callable[[bytes], Answer] | None:
    """Return the decoder for documented successes of an operation; None if its answer is not supported.

    Decoders are built once. They raise one of `NOT_DECODED` for any other answer.
    """
    answer: Any = operation.answer  # mypy takes a class's __hash__ for that of its instances
    return _decoder(operation.service, answer, edition)


@cache
def _decoder(service: str, model: Any, edition: Edition) -> Decoder | None:
    envelope = _ENVELOPES.get(service)
    if envelope is None or in_headers(model):
        return None
    try:
        return envelope(_classes(model, _Context(edition, _TIMES.get(service, _ZONED))))
    except _UnsupportedError:
        return None


_VALUE: Final = "{v}"


@frozen
class _FieldType:
    """How the values of one type are decoded."""

    struct: Any
    """The type of the field in the struct: what JSON is accepted."""

    code: str = _VALUE
    """An expression for the value of the model, made from the value `{v}` of the struct."""


_ZONED: Final = _FieldType(Annotated[datetime, msgspec.Meta(tz=True)])
_TIMES: Final = {"koophone": _FieldType(str, "parse_time({v} + 'Z')")}
"""Services whose times have no zone: they are UTC, and appending Z before parsing is the fastest way."""

_BOOLEANS: Final = {False: False, True: True, "0": False, "1": True, "false": False, "true": True}

_PLAIN: Final[Mapping[Any, _FieldType]] = {
    str: _FieldType(str),
    int: _FieldType(int),
    float: _FieldType(float),
    # No other strings: "null" is for the fallback decoder.
    bool: _FieldType(bool | Literal[0, 1, "0", "1", "false", "true"], "booleans[{v}]"),
}


@frozen
class _Context:
    """What decides how a type is decoded, beside the type itself."""

    edition: Edition
    time: _FieldType


@frozen
class _Classes:
    """The struct of a model, and how it becomes the model."""

    struct: type[msgspec.Struct]
    build: Callable[[msgspec.Struct], Any]
    build_all: Callable[[Sequence[msgspec.Struct]], tuple[Any, ...]]
    fields: Mapping[str, str]
    """The struct's field names by their names on the wire."""


@cache
def _classes(model: Any, context: _Context) -> _Classes:
    if not _is_plain(model):
        raise _UnsupportedError
    attributes = attrs.fields(attrs.resolve_types(model))
    wire_names = {spelling(a).name: a.name for a in attributes}
    # Other spellings get a field that must be absent, so that their presence raises.
    others = {f"_{n}": other for n, other in enumerate(o for a in attributes for o in spelling(a).also)}
    names: Names = {
        "draft": draft_class(model),
        "model": model,
        "parse_time": datetime.fromisoformat,
        "booleans": _BOOLEANS,
        "null_texts": frozenset(NULL_TEXTS),
        "reject": _reject,
    }
    types = {a.name: _field(a, context, names) for a in attributes}
    struct = msgspec.defstruct(
        model.__name__,
        [(a.name, types[a.name].struct, _default(a)) for a in attributes]
        + [(name, _ABSENT, UNSET) for name in others],
        rename={name: wire for wire, name in wire_names.items()} | others,
        kw_only=True,
        gc=False,
    )
    _generate_builders(types, names)
    fields = wire_names | {wire: name for name, wire in others.items()}
    return _Classes(struct, names["build"], names["build_all"], fields)


def _generate_builders(types: Mapping[str, _FieldType], names: Names) -> None:
    """Add the functions that copy structs into new models, one or a list of them, to `names`.

    For a model with a nested model in `job` and a time in `ended_at` they read:

        def build(s):
            m = draft()
            m.id = s.id
            m.job = _3(s.job)
            m.ended_at = parse_time(s.ended_at + 'Z')
            m.__class__ = model
            return m

        def build_all(structs):
            models = []
            for s in structs:
                m = draft()
                ...
                m.__class__ = model
                models.append(m)
            return tuple(models)
    """
    copies = [f"m.{name} = {type_.code.format(v=f's.{name}')}" for name, type_ in types.items()]
    steps = ["m = draft()", *copies, "m.__class__ = model"]
    build = ["def build(s):", *(f"    {step}" for step in steps), "    return m"]
    build_all = [
        "def build_all(structs):",
        "    models = []",
        "    for s in structs:",
        *(f"        {step}" for step in steps),
        "        models.append(m)",
        "    return tuple(models)",
    ]
    exec("\n".join(build + build_all), names)  # noqa: S102 - contains field names of our own models only


def _is_plain(model: Any) -> bool:
    """Return whether filling the slots is all that creating an instance of the model does."""
    return model.__new__ is object.__new__ and all(
        a.init
        and a.converter is None
        and a.validator is None
        and isinstance(getattr(model, a.name, None), MemberDescriptorType)
        for a in attrs.fields(model)
    )


def _default(attribute: attrs.Attribute[Any]) -> Any:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return msgspec.NODEFAULT
    if default is None or isinstance(default, str | int) or default == ():
        return default
    raise _UnsupportedError


def _field(attribute: attrs.Attribute[Any], context: _Context, names: Names) -> _FieldType:
    on_wire = spelling(attribute)
    if on_wire.editions:
        return _FieldType(on_wire.editions[context.edition])
    type_ = _field_type(attribute.type, context, names)
    if on_wire.null_text:
        missing = "reject()" if attribute.default is attrs.NOTHING else "None"
        return evolve(type_, code=f"{missing} if {{v}} in null_texts else {type_.code}")
    return type_


def _reject() -> None:
    raise ValueError("a mandatory value is missing")


def _field_type(type_: Any, context: _Context, names: Names) -> _FieldType:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ is datetime:
        return context.time
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if attrs.has(type_):
        nested = _classes(type_, context)
        return _FieldType(nested.struct, f"{_named(nested.build, names)}({{v}})")
    if origin is tuple and arguments[1:] == (...,):
        return _tuple(arguments[0], context, names)
    if origin in (Union, UnionType):
        return _union(arguments, context, names)
    if isinstance(type_, type) and issubclass(type_, Enum):
        return _FieldType(type_)
    raise _UnsupportedError


def _tuple(item: Any, context: _Context, names: Names) -> _FieldType:
    if attrs.has(item):
        nested = _classes(item, context)
        structs = GenericAlias(tuple, (nested.struct, ...))
        return _FieldType(structs, f"{_named(nested.build_all, names)}({{v}})")
    type_ = _field_type(item, context, names)
    code = _VALUE if type_.code == _VALUE else f"tuple([{type_.code.format(v='x')} for x in {{v}}])"
    return _FieldType(GenericAlias(tuple, (type_.struct, ...)), code)


def _union(members: tuple[Any, ...], context: _Context, names: Names) -> _FieldType:
    some = {member for member in members if member is not NoneType}
    if enum := next((m for m in some if isinstance(m, type) and issubclass(m, Enum)), None):
        some = {enum}  # values that are no member are left to the fallback decoder
    if len(some) != 1:
        raise _UnsupportedError
    type_ = _field_type(some.pop(), context, names)
    if NoneType not in members:
        return type_
    code = _VALUE if type_.code == _VALUE else f"None if {{v}} is None else {type_.code}"
    return _FieldType(type_.struct | None, code)


def _named(value: object, names: Names) -> str:
    names[name := f"_{len(names)}"] = value
    return name


def _koophone(classes: _Classes) -> Decoder:
    """Decode `{error_code, error_msg, data}` with an object in `data`, and paging inside or beside it."""
    if "data" in classes.fields:
        raise _UnsupportedError
    paging = [(name, classes.fields[name]) for name in PAGING if name in classes.fields]
    # A paging field inside takes precedence, even if null, so null and absent must be distinguished.
    inside = [(name, int | UnsetType | None, UNSET) for _, name in paging]
    data = msgspec.defstruct(
        "Data", [*inside, ("_nested", _ABSENT, UNSET)], bases=(classes.struct,),
        rename={name: wire for wire, name in paging} | {"_nested": "data"}, kw_only=True, gc=False,
    )  # fmt: skip
    is_optional = not any(member.required for member in msgspec.structs.fields(data))
    absent: Any = msgspec.field(default_factory=data) if is_optional else msgspec.NODEFAULT
    beside = [(name, int | None, None) for name, _ in paging]
    envelope = msgspec.defstruct(
        "Envelope", [("error_code", Literal["0", 0]), ("data", data, absent), *beside], kw_only=True, gc=False
    )
    unwrap, build = msgspec.json.Decoder(envelope).decode, classes.build

    def decode(body: bytes) -> Any:
        answer: Any = unwrap(body)
        inside = answer.data
        for beside, name in paging:
            if getattr(inside, name) is UNSET:
                setattr(inside, name, getattr(answer, beside))
        return build(inside)

    return decode


def _cph(classes: _Classes) -> Decoder:
    """Decode the bare result, which has no `error_code` other than success."""
    if "error_code" in classes.fields:
        raise _UnsupportedError
    result = msgspec.defstruct(
        "Result", [("_code", Literal["", "0", 0] | None, None)], bases=(classes.struct,),
        rename={"_code": "error_code"}, kw_only=True, gc=False,
    )  # fmt: skip
    unwrap, build = msgspec.json.Decoder(result).decode, classes.build
    return lambda body: build(unwrap(body))


_ENVELOPES: Final[Mapping[str, Callable[[_Classes], Decoder]]] = {
    "koophone": _koophone,
    "cph": _cph,
    "gaming": _cph,
}
