"""The quick way from the bytes of an answer to its model, for answers of the usual form.

Each model gets two twins, and msgspec fills both in C: a `msgspec.Struct` with the wire's spellings takes
the JSON, and a subclass of the model with looser types takes the struct's fields. Generated code turns
that into the model and reads what msgspec cannot. Whatever is unusual (a number in quotes, a null for what
must be there, a state that this version does not know, another spelling, another envelope, a refusal)
raises, and the patient way in `wire` reads the answer. Both give the same model wherever the quick way
gives one; only in what no model reads does it overlook text that is no UTF-8, and numbers out of range,
and it rounds a time of more than six decimals that the other cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from types import GenericAlias, MemberDescriptorType, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

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
        return envelope(_twin(model, _Dialect(edition, _MOMENTS.get(service, _ZONED))))
    except _NoTwinError:
        return None


@frozen
class _Kind:
    """How a type is read."""

    json: Any
    """What the struct takes."""

    made: Any = Any
    """What the subclass takes of the struct; without strictness, so that 0 and "false" become False."""

    code: str = ""
    """An expression: what is left to do with a value `{v}` of a model `m`, with `{put}` to replace it."""


_ZONED: Final = _Kind(Annotated[datetime, msgspec.Meta(tz=True)])
_MOMENTS: Final = {"koophone": _Kind(str, code="{put}(m, moment({v} + 'Z'))")}
"""How times are read in services that give them no zone, which adding to the text does the soonest."""

_PLAIN: Final[Mapping[Any, _Kind]] = {
    str: _Kind(str),
    int: _Kind(int),
    float: _Kind(float),
    # No other text: of an optional one msgspec takes "null" for nothing.
    bool: _Kind(bool | Literal[0, 1, "0", "1", "false", "true"], bool),
}


@frozen
class _Dialect:
    """What a type does not say of how it is read."""

    edition: Edition
    moment: _Kind


@frozen
class _Twin:
    """What stands in for a model while its JSON is read."""

    struct: type[msgspec.Struct]
    double: Any
    settle: Callable[[Any], None]
    """Turns an instance of the double into the model."""

    spelled: Mapping[str, str]
    """The fields of its struct by the wire's spelling."""

    def make(self, struct: msgspec.Struct) -> Any:
        """Build the model."""
        model = msgspec.convert(struct, self.double, strict=False, from_attributes=True)
        self.settle(model)
        return model


@cache
def _twin(model: Any, dialect: _Dialect) -> _Twin:
    if not _only_fills_slots(model):
        raise _NoTwinError
    attributes = attrs.fields(attrs.resolve_types(model))
    spelled = {spelling(a).name: a.name for a in attributes}
    others = {f"_{n}": other for n, other in enumerate(o for a in attributes for o in spelling(a).also)}
    names: Names = {"become": _BECOME, "model": model, "moment": datetime.fromisoformat}
    kinds = {a.name: _field(a, dialect, names) for a in attributes}
    struct = msgspec.defstruct(
        model.__name__,
        [(a.name, kinds[a.name].json, _default(a)) for a in attributes]
        + [(name, _ABSENT, UNSET) for name in others],
        rename={name: wire for wire, name in spelled.items()} | others,
        kw_only=True,
        gc=False,
    )
    return _Twin(
        struct, _double(model, kinds), _settling(model, kinds, names),
        spelled | {wire: name for name, wire in others.items()},
    )  # fmt: skip


def _double(model: Any, kinds: Mapping[str, _Kind]) -> Any:
    """Make a subclass with types of its own, that msgspec fills without the model's `__init__`."""
    types = {name: kind.made for name, kind in kinds.items()}
    return type(model.__name__, (model,), {"__slots__": (), "__annotations__": types})


def _settling(model: Any, kinds: Mapping[str, _Kind], names: Names) -> Callable[[Any], None]:
    code = [
        kind.code.format(v=f"m.{name}", put=_named(getattr(model, name).__set__, names))
        for name, kind in kinds.items()
        if kind.code
    ]
    lines = ["def settle(m):", "become(m, model)", *code]
    exec("\n    ".join(lines), names)  # noqa: S102 - made of the models' own names
    settle: Callable[[Any], None] = names["settle"]
    return settle


_BECOME: Final = vars(object)["__class__"].__set__
"""Changes the class of an instance, also of a frozen one."""


def _only_fills_slots(model: Any) -> bool:
    """Tell whether an instance of a model is made of the values of its fields as they are."""
    return model.__new__ is object.__new__ and all(
        a.init and a.converter is None and isinstance(getattr(model, a.name, None), MemberDescriptorType)
        for a in attrs.fields(model)
    )


def _default(attribute: attrs.Attribute[Any]) -> Any:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return msgspec.NODEFAULT
    if default is None or isinstance(default, str | int) or default == ():
        return default
    raise _NoTwinError


def _field(attribute: attrs.Attribute[Any], dialect: _Dialect, names: Names) -> _Kind:
    editions = spelling(attribute).editions
    return _Kind(editions[dialect.edition]) if editions else _kind(attribute.type, dialect, names)


def _kind(type_: Any, dialect: _Dialect, names: Names) -> _Kind:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ is datetime:
        return dialect.moment
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if attrs.has(type_):
        twin = _twin(type_, dialect)
        return _Kind(twin.struct, twin.double, f"{_named(twin.settle, names)}({{v}})")
    if origin is tuple and arguments[1:] == (...,):
        return _tuple(_kind(arguments[0], dialect, names))
    if origin in (Union, UnionType):
        return _union(arguments, dialect, names)
    if isinstance(type_, type) and issubclass(type_, Enum):
        return _Kind(type_)
    raise _NoTwinError


def _tuple(item: _Kind) -> _Kind:
    if "{put}" in item.code:
        raise _NoTwinError
    code = item.code and f"[{item.code.format(v='x')} for x in {{v}}]"
    return _Kind(GenericAlias(tuple, (item.json, ...)), GenericAlias(tuple, (item.made, ...)), code)


def _union(members: tuple[Any, ...], dialect: _Dialect, names: Names) -> _Kind:
    some = {member for member in members if member is not NoneType}
    if enum := next((m for m in some if isinstance(m, type) and issubclass(m, Enum)), None):
        some = {enum}  # what is not of it is read patiently
    if len(some) != 1:
        raise _NoTwinError
    kind = _kind(some.pop(), dialect, names)
    if NoneType not in members:
        return kind
    return _Kind(kind.json | None, kind.made | None, kind.code and f"{{v}} is None or {kind.code}")


def _named(value: object, names: Names) -> str:
    names[name := f"_{len(names)}"] = value
    return name


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
