"""The quick way from the bytes of an answer to its model, for answers of the usual form.

Each model gets a *twin*: a `msgspec.Struct` with the wire's spellings and plain JSON types, which
msgspec fills in C, and generated code that builds the model from it. Whatever is unusual (a number in
quotes, a null for what must be there, another spelling, another envelope, a refusal) raises, and the
patient way in `wire` reads the answer. Both give the same model wherever the quick way gives one; only
in what no model reads does it overlook text that is no UTF-8, and numbers out of range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import GenericAlias, MemberDescriptorType, NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import attrs
import msgspec
from attrs import frozen
from msgspec import UNSET, UnsetType

from koophone_async.protocol.dialect import PAGING
from koophone_async.wire import Edition, in_headers, spelling

if TYPE_CHECKING:
    from koophone_async.operation import Answer, Operation

ODD: Final = (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What is raised for an answer that the patient way must read."""

Reader: TypeAlias = Callable[[bytes], Any]
Names: TypeAlias = dict[str, Any]
"""What the generated code calls by a name."""


_ABSENT: Final = UnsetType
"""The type of what must not be there: no JSON is of it."""

_TRUTH: Final = {False: False, True: True, "false": False, "true": True}
"""0 and 1 are in it too, being equal to these."""


class _NoTwinError(Exception):
    """A model has a field that only the patient way reads."""


def quick_reader(operation: Operation[Any, Answer], edition: Edition) -> Callable[[bytes], Answer] | None:
    """Make, once, what reads the usual success of an operation; None where only the patient way can.

    The reader raises one of `ODD` for any other answer.
    """
    answer: Any = operation.answer  # mypy takes a class's __hash__ for that of its instances
    return _reader(operation.service, answer, edition)


@cache
def _reader(service: str, model: Any, edition: Edition) -> Reader | None:
    envelope = _ENVELOPES.get(service)
    if envelope is None or in_headers(model):
        return None
    try:
        return envelope(_twin(model, edition))
    except _NoTwinError:
        return None


@frozen
class _Twin:
    """What stands in for a model while its JSON is read."""

    struct: type[msgspec.Struct]
    make: Callable[[Any], Any]
    """Builds the model."""

    spelled: Mapping[str, str]
    """The fields of its struct by the wire's spelling."""


@frozen
class _Kind:
    """How a type is read: what JSON it takes, and the code that turns a value `{}` into it."""

    json: Any
    code: str = "{}"


_PLAIN: Final[Mapping[Any, _Kind]] = {
    str: _Kind(str),
    int: _Kind(int),
    float: _Kind(float),
    bool: _Kind(bool | int | str, "truth[{}]"),
    datetime: _Kind(str, "moment({})"),
}


@cache
def _twin(model: Any, edition: Edition) -> _Twin:
    attributes = attrs.fields(attrs.resolve_types(model))
    spelled = {spelling(a).name: a.name for a in attributes}
    others = {f"_{n}": other for n, other in enumerate(o for a in attributes for o in spelling(a).also)}
    names: Names = {"model": model, "moment": _moment, "truth": _TRUTH}
    kinds = {a.name: _field(a, edition, names) for a in attributes}
    struct = msgspec.defstruct(
        model.__name__,
        [(a.name, kinds[a.name].json, _default(a)) for a in attributes]
        + [(name, _ABSENT, UNSET) for name in others],
        rename={name: wire for wire, name in spelled.items()} | others,
        kw_only=True,
        gc=False,
    )
    values = {name: kind.code.format(f"t.{name}") for name, kind in kinds.items()}
    lines = ["def make(t):", *_construction(model, values, names)]
    exec("\n    ".join(lines), names)  # noqa: S102 - made of the models' own names
    return _Twin(struct, names["make"], spelled | {wire: name for name, wire in others.items()})


def _construction(model: Any, values: Mapping[str, str], names: Names) -> list[str]:
    """Write the lines that build a model of the code of its values.

    Where the model's `__init__` does nothing but fill slots, they are filled without it, in three
    quarters of the time.
    """
    attributes: tuple[Any, ...] = attrs.fields(model)
    if any(a.converter or a.validator or not a.init for a in attributes) or _has_hooks(model):
        called = (f"{a.alias}=" * a.kw_only + values[a.name] for a in attributes if a.init)
        return [f"return model({', '.join(called)})"]
    names["new"] = object.__new__
    fill = [f"{_named(getattr(model, name).__set__, names)}(m, {code})" for name, code in values.items()]
    return ["m = new(model)", *fill, "return m"]


def _has_hooks(model: Any) -> bool:
    slotted = all(isinstance(getattr(model, a.name, None), MemberDescriptorType) for a in attrs.fields(model))
    return not slotted or hasattr(model, "__attrs_pre_init__") or hasattr(model, "__attrs_post_init__")


def _default(attribute: attrs.Attribute[Any]) -> Any:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return msgspec.NODEFAULT
    if default is None or isinstance(default, str | int) or default == ():
        return default
    raise _NoTwinError


def _field(attribute: attrs.Attribute[Any], edition: Edition, names: Names) -> _Kind:
    editions = spelling(attribute).editions
    if editions:
        return _enum(editions[edition], {int}, names)
    return _kind(attribute.type, edition, names)


def _kind(type_: Any, edition: Edition, names: Names) -> _Kind:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if attrs.has(type_):
        twin = _twin(type_, edition)
        return _Kind(twin.struct, f"{_named(twin.make, names)}({{}})")
    if origin is tuple and arguments[1:] == (...,):
        return _tuple(_kind(arguments[0], edition, names))
    if origin in (Union, UnionType):
        return _union(arguments, edition, names)
    if isinstance(type_, type) and issubclass(type_, Enum):
        return _enum(type_, {type_}, names)
    raise _NoTwinError


def _tuple(item: _Kind) -> _Kind:
    if item.code == "{}":
        return _Kind(GenericAlias(tuple, (item.json, ...)))
    return _Kind(GenericAlias(list, (item.json,)), f"tuple([{item.code.format('x')} for x in {{}}])")


def _union(members: tuple[Any, ...], edition: Edition, names: Names) -> _Kind:
    some = {member for member in members if member is not NoneType}
    enum = next((m for m in members if isinstance(m, type) and issubclass(m, Enum)), None)
    if enum:
        return _enum(enum, some, names, is_optional=NoneType in members)
    if len(some) != 1 or NoneType not in members:
        raise _NoTwinError
    kind = _kind(some.pop(), edition, names)
    code = kind.code if kind.code == "{}" else f"None if (v := {{}}) is None else {kind.code.format('v')}"
    return _Kind(kind.json | None, code)


def _enum(enum: type[Enum], members: set[Any], names: Names, *, is_optional: bool = False) -> _Kind:
    """Read a member by a table; where others than the enum's are taken, what is not in it stays as it is."""
    json: Any = int if int in members or (str not in members and issubclass(enum, int)) else str
    known: dict[Any, Any] = {member.value: member for member in enum}
    if is_optional:
        json |= None
        known |= {None: None, "": None}
    table = _named(known, names)
    return _Kind(json, f"{table}[{{}}]" if members == {enum} else f"{table}.get(v := {{}}, v)")


def _named(value: object, names: Names) -> str:
    names[name := f"_{len(names)}"] = value
    return name


def _moment(text: str) -> datetime:
    # KooPhone gives no zone. Adding it to the text takes a fifth of the time of replacing it afterwards.
    read = datetime.fromisoformat(text + "Z" if len(text) == 19 else text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _koophone(twin: _Twin) -> Reader:
    """Open `{error_code, error_msg, data}` with an object in `data`, paging inside or beside it."""
    if "data" in twin.spelled:
        raise _NoTwinError
    paging = [(name, twin.spelled[name]) for name in PAGING if name in twin.spelled]
    # Inside wins, a null there too, so that must be told from nothing.
    inside = [(name, int | UnsetType | None, UNSET) for _, name in paging]
    data = msgspec.defstruct(
        "Data", [*inside, ("_nested", _ABSENT, UNSET)], bases=(twin.struct,),
        rename={name: wire for wire, name in paging} | {"_nested": "data"}, kw_only=True, gc=False,
    )  # fmt: skip
    is_optional = not any(member.required for member in msgspec.structs.fields(data))
    absent: Any = msgspec.field(default_factory=data) if is_optional else msgspec.NODEFAULT
    beside = [(name, int | None, None) for name, _ in paging]
    envelope = msgspec.defstruct(
        "Envelope", [("error_code", Literal["0", 0]), ("data", data, absent), *beside], kw_only=True, gc=False
    )
    opened, make = msgspec.json.Decoder(envelope).decode, twin.make

    def read(body: bytes) -> Any:
        answer: Any = opened(body)
        inside = answer.data
        for beside, name in paging:
            if getattr(inside, name) is UNSET:
                setattr(inside, name, getattr(answer, beside))
        return make(inside)

    return read


def _cph(twin: _Twin) -> Reader:
    """Read the result itself, which holds an `error_code` where it is none."""
    if "error_code" in twin.spelled:
        raise _NoTwinError
    result = msgspec.defstruct(
        "Result", [("_code", Literal["", "0", 0] | None, None)], bases=(twin.struct,),
        rename={"_code": "error_code"}, kw_only=True, gc=False,
    )  # fmt: skip
    opened, make = msgspec.json.Decoder(result).decode, twin.make
    return lambda body: make(opened(body))


_ENVELOPES: Final[Mapping[str, Callable[[_Twin], Reader]]] = {
    "koophone": _koophone,
    "cph": _cph,
    "gaming": _cph,
}
