"""Parameters whose values are checked without pydantic, where that is easy.

typer imports pydantic to check any value, a default too, and that takes longer than its own import.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

Click: TypeAlias = Any
"""A command, context or parameter of click; newer typers vendor click, so that no import works with all."""

_KNOWN_TYPER: Final = "0.29."
"""The versions of typer whose internals are known; any other checks all values itself, and starts slower."""


class _Check:
    """Checks defaults and choices itself, with typer's results, and leaves all other values to typer."""

    def coerce(self, value: Any, param: Click, ctx: Click) -> Any:  # noqa: ANN401 - of any parameter
        """Return a value in the type of its parameter."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        choices = [str(choice) for choice in param.type_descriptor.choices or ()]
        if value == param.default or value in choices:
            return value
        if choices and isinstance(value, str):
            problem = f"Value error, {value!r} is not one of {', '.join(map(repr, choices))}."
            raise typer.BadParameter(problem, ctx, param)

        return param.__class__.get_runtime_param(param).coerce(value, param=param, ctx=ctx)


def _light(parameters: list[Click]) -> list[Click]:
    if typer.__version__.startswith(_KNOWN_TYPER):
        for parameter in parameters:
            parameter.get_runtime_param = _Check
    return parameters


class LightCommand(TyperCommand):
    """A command whose defaults have the types of the parameters, and whose choices are texts."""

    def get_params(self, ctx: Click) -> list[Click]:
        """Return the parameters, with the one of the help."""
        return _light(super().get_params(ctx))


class LightGroup(TyperGroup):
    """A group of commands whose defaults have the types of the parameters, and whose choices are texts."""

    def get_params(self, ctx: Click) -> list[Click]:
        """Return the parameters, with the one of the help."""
        return _light(super().get_params(ctx))
