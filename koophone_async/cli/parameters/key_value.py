"""Parse repeated `KEY=VALUE` options."""

from __future__ import annotations

from collections.abc import Iterable

from koophone_async.errors import InvalidRequest


def parse_lists(option: str, pairs: Iterable[str]) -> dict[str, list[str]]:
    """Parse keys with any number of values; KEY alone has none.

    Raises:
        InvalidRequest: A key is empty.
    """
    parsed: dict[str, list[str]] = {}
    for text in pairs:
        key, is_pair, value = text.partition("=")
        if not key:
            raise InvalidRequest("", option, f"is {text!r}; expected KEY=VALUE")
        parsed.setdefault(key, []).extend([value] if is_pair else [])
    return parsed


def parse_values(option: str, pairs: Iterable[str]) -> dict[str, str]:
    """Parse keys with one value each.

    Raises:
        InvalidRequest: A key has no value, or more than one.
    """
    parsed = parse_lists(option, pairs)
    for key, values in parsed.items():
        if len(values) != 1:
            raise InvalidRequest(
                "", option, f"has {len(values)} values for {key}; expected KEY=VALUE once for each key"
            )
    return {key: value for key, (value,) in parsed.items()}
