"""Phone properties: check them, encode them for the wire, and update them.

Callers pass a mapping; the wire wants a JSON object in a string. Names and values are checked against
`property_list` before they are sent.
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
"""Properties as callers pass them. Values are sent as text: True as 1, False as 0."""

MAX_CUSTOM_BYTES: Final = 7800
"""Maximum size in bytes of properties with custom ones among them."""

if TYPE_CHECKING:
    PropertyTexts: TypeAlias = Mapping[str, str]
else:
    PropertyTexts = Any  # answers contain a text or an object, which the field's converter parses


def check_properties(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties with every value as text, after checking names and values.

    A deprecated name raises a `DeprecationWarning`.

    Raises:
        InvalidRequest: A name is unknown, or a value is not allowed.
    """
    texts = {name: _text_of(name, value) for name, value in properties.items()}
    for name in texts:
        _warn_if_deprecated(name)
    return texts


def is_documented(name: str) -> bool:
    """Return whether a property is in the list; a newer one can be sent as JSON text."""
    return FORMER.get(name, name) in RULES or name in UNEXPLAINED


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
        near = "".join(f"; did you mean {known}?" for known in get_close_matches(name, RULES, 1))
        raise InvalidRequest("", name, f"is not a documented property{near}", Rule.NOT_A_CHOICE)
    return text


def _warn_if_deprecated(name: str) -> None:
    """Warn the caller that created the request if the property is deprecated."""
    if name in RULES and not RULES[name].is_deprecated:
        return
    instead = f"; use {FORMER[name]}" if name in FORMER else ""
    warnings.warn(f"the property {name} is deprecated{instead}", DeprecationWarning, stacklevel=5)


def parse_properties(properties: PropertyValues | str) -> dict[str, str]:
    """Return properties from a mapping, which is checked, or from JSON text, which is not.

    JSON text is what the wire carries, and the way to send a property that is newer than this package.

    Raises:
        InvalidRequest: A name or a value is wrong, or the text is not a JSON object.
    """
    return parse_json_properties(properties) if isinstance(properties, str) else check_properties(properties)


def parse_optional_properties(properties: PropertyValues | str | None) -> dict[str, str] | None:
    """Return properties as `parse_properties` does, or None."""
    if properties is None:
        return None
    # The same call depth as `parse_properties`, so that a warning names the caller's line.
    return parse_json_properties(properties) if isinstance(properties, str) else check_properties(properties)


def parse_json_properties(text: str) -> dict[str, str]:
    """Return the properties of a JSON text, unchecked.

    Raises:
        InvalidRequest: The text is not a JSON object.
    """
    texts = _parse_mapping(text)
    if texts is None:
        raise InvalidRequest("", "property", "is not a JSON object", Rule.BAD_FORMAT)
    return texts


def read_properties(properties: object) -> dict[str, str]:
    """Return the properties of an answer: JSON text or, in an example of 2020-07-30, a plain object.

    Anything else, such as an empty text, yields no properties.
    """
    return _parse_mapping(properties) or {}


def _parse_mapping(properties: object) -> dict[str, str] | None:
    decoded: Any = properties
    if isinstance(properties, str):
        with suppress(msgspec.DecodeError):
            decoded = decode(properties)
    if not isinstance(decoded, Mapping):
        return None
    values = cast("Mapping[str, object]", decoded)
    return {name: value if isinstance(value, str) else json_text(value) for name, value in values.items()}


def json_text(value: object) -> str:
    """Return a value as JSON text, such as a mapping as a JSON object in a string."""
    return encode(value).decode()


@frozen
class MaxJsonSize:
    """Validator of the length of properties as JSON text."""

    max_size: int

    @property
    def limit(self) -> str:
        """Description of the limit, for error messages."""
        return f"at most {self.max_size:,} characters of JSON text"

    def __call__(self, instance: object, attribute: Attribute[Any], value: Mapping[str, str] | None) -> None:
        """Raise `InvalidRequest` if the JSON text is too long."""
        size = 0 if value is None else len(json_text(value))
        if size > self.max_size:
            raise InvalidRequest(
                "",
                attribute.name,
                f"is {size:,} characters of JSON text long; {self.limit}",
                Rule.TOO_LONG,
                self.max_size,
            )


def _require_one(_: object, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    if not value:
        raise InvalidRequest(
            "", attribute.name, "is empty; it must have at least one property", Rule.TOO_FEW, 1
        )


def _check_total_size(
    update: PropertyUpdate, attribute: Attribute[Any], value: Mapping[str, str] | None
) -> None:
    size = 0 if value is None else len(encode(value)) + len(encode(update.properties))
    if size > MAX_CUSTOM_BYTES:
        problem = f"is {size:,} bytes of JSON long with the other properties; at most {MAX_CUSTOM_BYTES:,}"
        raise InvalidRequest("", attribute.name, problem, Rule.TOO_LONG, MAX_CUSTOM_BYTES)


@frozen
class PropertyUpdate:
    """New properties of one phone; properties that are not named stay as they are."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    properties: PropertyTexts = field(
        converter=parse_properties, validator=_require_one, metadata=wire("property", as_text=json_text)
    )
    custom: Mapping[str, str] | None = field(
        default=None, validator=_check_total_size, metadata=wire("custom_property")
    )
    """Custom properties, with the others at most 7,800 bytes. Only the vendor's SDK has it."""


def _updates(updates: Iterable[PropertyUpdate]) -> tuple[PropertyUpdate, ...]:
    return tuple(updates)


@frozen
class UpdateProperties:
    """Request to update the properties of phones."""

    phones: tuple[PropertyUpdate, ...] = field(converter=_updates, validator=Listed())


# Some properties take effect only after a restart; the documents do not say which (CPH 5.3.10).
UPDATE_PROPERTIES: Final = Operation(
    "cph.phones.update_properties", "POST", "/v1/{project_id}/cloud-phone/phones/batch-update-property",
    UpdateProperties, Started, source="CPH 5.3.10 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=True,
)  # fmt: skip
