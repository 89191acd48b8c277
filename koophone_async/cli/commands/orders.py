"""What an order orders, and whether it is paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from koophone_async.cli.output.rows import plain


def ordered(arguments: Mapping[str, object]) -> dict[str, str]:
    """Return the fields of an order that are set, named like options: `charge-period` of the model `charge`.

    Args:
        arguments: Those of the method that places the order.
    """
    # An argument that is a model is called `order` or `change`, which nobody typed.
    leaves = _leaves("", plain(arguments))
    return {(path.partition(".")[2] or path).replace(".", "-"): leaf for path, leaf in leaves}


def unpaid(arguments: Mapping[str, object]) -> str | None:
    """Return what to know of an order that was placed but not paid; None if it was paid."""
    options = [f"--{name} {leaf}" for name, leaf in ordered(arguments).items()]
    option = next((option for option in options if option.endswith("-pay 0")), None)
    if option is None:
        return None
    return f"the order is unpaid ({option}): it takes effect, and its ids are accepted, once it is paid"


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    match value:
        case None:
            return
        case dict():
            for name, item in cast("dict[str, object]", value).items():
                yield from _leaves(f"{path}.{name.replace('_', '-')}".lstrip("."), item)
        case list():
            for number, item in enumerate(cast("list[object]", value), 1):
                yield from _leaves(f"{path}.{number}", item)
        case _:
            yield path, str(value)
