"""Phone properties as people give them, as the wire carries them, and setting them.

People give a mapping; the wire wants a JSON object in a string. Names and values are checked
before they are sent, by `property_list`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec
from attrs import Attribute, field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Listed, Text
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation
from koophone_async.services.cph.property_list import FORMER, RULES, UNEXPLAINED, Properties
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import decode, encode, wire

PropertyValues: TypeAlias = Properties | Mapping[str, str | int | bool]
"""Properties as people give them. Values are sent as text: True as 1, False as 0."""

MAX_CUSTOM_BYTES: Final = 7800
"""Bytes of properties where some are one's own."""

if TYPE_CHECKING:
    PropertyTexts: TypeAlias = Mapping[str, str]
else:
    PropertyTexts = Any  # the wire brings a text or an object, which the converter of the field reads


def check_properties(properties: Mapping[str, Any]) -> dict[str, str]:
    """Check what a person gives, and turn every value into text.

    A name that the documents call out of use is taken, with a `DeprecationWarning`.

    Raises:
        InvalidRequest: A name is not known, or a value is not allowed; says which, and what is.
    """
    texts = {name: _text_of(name, value) for name, value in properties.items()}
    for name in texts:
        _warn_if_deprecated(name)
    return texts


def _text_of(name: str, value: object) -> str:
    if not isinstance(value, str | int):
        raise InvalidRequest(
            "", name, f"is a {type(value).__name__}; it must be text, a number or a boolean", Rule.WRONG_TYPE
        )
    text = value if isinstance(value, str) else str(int(value))
    rule = RULES.get(FORMER.get(name, name))
    if rule is not None:
        rule.check(name, text)
    elif name not in UNEXPLAINED:
        near = "".join(f"; {known} is the nearest" for known in get_close_matches(name, RULES, 1))
        raise InvalidRequest("", name, f"is not a property that the documents know{near}", Rule.NOT_A_CHOICE)
    return text


def _warn_if_deprecated(name: str) -> None:
    """Warn whoever gave the property to a request that it is out of use."""
    if name in RULES and not RULES[name].is_deprecated:
        return
    instead = f"; it is {FORMER[name]} now" if name in FORMER else ""
    warnings.warn(f"the property {name} is out of use{instead}", DeprecationWarning, stacklevel=5)


def parse_properties(properties: PropertyValues | str) -> dict[str, str]:
    """Take properties: those of a mapping are checked, those of a JSON text are taken as they are.

    A text is what the wire carries, and the way to send a property that is newer than this package.

    Raises:
        InvalidRequest: A name or a value is wrong, or the text holds no JSON object.
    """
    return parse_json_properties(properties) if isinstance(properties, str) else check_properties(properties)


def parse_optional_properties(properties: PropertyValues | str | None) -> dict[str, str] | None:
    """Take properties as `held` does, or None."""
    if properties is None:
        return None
    # No deeper than `held`, so that a warning points at the same place.
    return parse_json_properties(properties) if isinstance(properties, str) else check_properties(properties)


def parse_json_properties(text: str) -> dict[str, str]:
    """Take properties from a JSON text as they are.

    Raises:
        InvalidRequest: The text holds no JSON object.
    """
    texts = _parse_mapping(text)
    if texts is None:
        raise InvalidRequest("", "property", "holds no JSON object", Rule.BAD_FORMAT)
    return texts


def read_properties(properties: object) -> dict[str, str]:
    """Read what the service shows: a JSON object in a text or, in an example of 2020-07-30, without one.

    Where it is neither, such as empty, there are no properties.
    """
    return _parse_mapping(properties) or {}


def _parse_mapping(properties: object) -> dict[str, str] | None:
    found: Any = properties
    if isinstance(properties, str):
        with suppress(msgspec.DecodeError):
            found = decode(properties)
    if not isinstance(found, Mapping):
        return None
    values = cast("Mapping[str, object]", found)
    return {name: value if isinstance(value, str) else json_text(value) for name, value in values.items()}


def json_text(value: object) -> str:
    """Return a value as JSON text, such as a mapping as a JSON object in a string."""
    return encode(value).decode()


@frozen
class MaxJsonSize:
    """Properties whose JSON text has a bounded length."""

    most: int

    @property
    def limit(self) -> str:
        """The rule in words."""
        return f"at most {self.most:,} characters of JSON text"

    def __call__(self, instance: object, attribute: Attribute[Any], value: Mapping[str, str] | None) -> None:
        """Check the length of the text."""
        size = 0 if value is None else len(json_text(value))
        if size > self.most:
            raise InvalidRequest(
                "",
                attribute.name,
                f"is {size:,} characters of JSON text long; {self.limit}",
                Rule.TOO_LONG,
                self.most,
            )


def _require_one(_: object, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    if not value:
        raise InvalidRequest("", attribute.name, "is empty; give at least one property", Rule.TOO_FEW, 1)


def _check_total_size(
    update: PropertyUpdate, attribute: Attribute[Any], value: Mapping[str, str] | None
) -> None:
    size = 0 if value is None else len(encode(value)) + len(encode(update.properties))
    if size > MAX_CUSTOM_BYTES:
        problem = f"is {size:,} bytes of JSON long with the other properties; at most {MAX_CUSTOM_BYTES:,}"
        raise InvalidRequest("", attribute.name, problem, Rule.TOO_LONG, MAX_CUSTOM_BYTES)


@frozen
class PropertyUpdate:
    """What the properties of one phone are to be; those that are not named stay."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    properties: PropertyTexts = field(
        converter=parse_properties, validator=_require_one, metadata=wire("property", as_text=json_text)
    )
    custom: Mapping[str, str] | None = field(
        default=None, validator=_check_total_size, metadata=wire("custom_property")
    )
    """Properties of one's own, with the others at most 7,800 bytes. Only the vendor's SDK knows it."""


def _updates(updates: Iterable[PropertyUpdate]) -> tuple[PropertyUpdate, ...]:
    return tuple(updates)


@frozen
class UpdateProperties:
    """New properties for many phones."""

    phones: tuple[PropertyUpdate, ...] = field(converter=_updates, validator=Listed())


# Some properties take effect only after a restart; the documents do not say which (CPH 5.3.10).
UPDATE_PROPERTIES: Final = Operation(
    "cph.phones.update_properties", "POST", "/v1/{project_id}/cloud-phone/phones/batch-update-property",
    UpdateProperties, Started, source="CPH 5.3.10 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=True,
)  # fmt: skip
