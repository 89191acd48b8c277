"""Show plans without the secrets in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from koophone_async.protocol.redaction import REDACTED, redact

if TYPE_CHECKING:
    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.rollouts.plans.value_types import Json


def redacted_data(plan: Plan) -> dict[str, Json]:
    """Return a plan as plain data in which everything that may be a secret is replaced."""
    return cast("dict[str, Json]", redacted(plan.to_data()))


def redacted(value: object, *, is_secret: bool = False) -> Json:
    """Return a value without the secrets in it; if it is a secret itself, without all of its texts."""
    if isinstance(value, str):
        return REDACTED if is_secret else redact(value)
    if isinstance(value, list | tuple):
        return [redacted(item, is_secret=is_secret) for item in cast("list[object]", value)]
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value)
        return {key: redacted(item, is_secret=_names_secret(key)) for key, item in entries.items()}
    return value


def _names_secret(key: str) -> bool:
    """Return whether a key is the name of a secret, such as `password`."""
    entry = f'"{key}": "x"'
    return redact(entry) != entry
