"""Classes of options: their fields are parameters of a command, with the types that typer expects."""

from __future__ import annotations

from functools import wraps
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def parameters_of(options: type[Any], names: Sequence[str]) -> list[Parameter]:
    """Return some fields of a class as parameters of a command."""
    fields = attrs.fields_dict(attrs.resolve_types(options, include_extras=True))
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, annotation=fields[name].type, default=fields[name].default)
        for name in names
    ]


def with_options(
    name: str, options: type[Any], fields: Sequence[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a parameter of a command, which is an instance of a class, by options for its fields."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def run(*args: Any, **values: Any) -> None:  # noqa: ANN401 - typed by __signature__
            own = {field: values.pop(field) for field in fields}
            function(*args, **{name: options(**own)}, **values)

        own = signature(function, eval_str=True)
        parameters = [parameter for parameter in own.parameters.values() if parameter.name != name]
        parameters += parameters_of(options, fields)
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate
