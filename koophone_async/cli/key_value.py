"""`KEY=VALUE`, as often as it is given."""

from __future__ import annotations

from collections.abc import Iterable

from koophone_async.errors import InvalidRequest


def lists(option: str, written: Iterable[str]) -> dict[str, list[str]]:
    """Read keys with any number of values; KEY alone has none.

    Raises:
        InvalidRequest: There is no key.
    """
    read: dict[str, list[str]] = {}
    for text in written:
        key, is_pair, value = text.partition("=")
        if not key:
            raise InvalidRequest("", option, f"is {text!r}; write KEY=VALUE")
        read.setdefault(key, []).extend([value] if is_pair else [])
    return read


def values(option: str, written: Iterable[str]) -> dict[str, str]:
    """Read keys with one value each.

    Raises:
        InvalidRequest: One has no value, or more than one.
    """
    read = lists(option, written)
    for key, given in read.items():
        if len(given) != 1:
            raise InvalidRequest(
                "", option, f"gives {key} {len(given)} values; write KEY=VALUE once for each key"
            )
    return {key: value for key, (value,) in read.items()}
