"""Commands from their descriptions: they parse a line and print help before what they call is imported.

Help and usage errors come from the described command. The real one is imported for every other line: for
one that is right, and for one that only the real command can judge, because a value of it is checked by code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Final, NotRequired, Required, TypedDict

import typer
from typer.main import get_command_from_info
from typer.models import CommandInfo

from koophone_async.cli.light_checks import Click, LightCommand

FILE: Final = Path(__file__).with_name("descriptions.json")


class DescribedParameter(TypedDict, total=False):
    """An option or an argument."""

    name: Required[str]
    is_argument: bool
    type: str
    """The name of its type, unless it has choices."""

    choices: list[str]
    is_list: bool
    required: bool
    default: Any
    names: list[str]
    """As they are typed; empty for an argument."""

    settings: dict[str, Any]
    """Other arguments of `typer.Option` or `typer.Argument`."""

    is_parsed: bool
    """Whether code parses its values."""

    is_checked: bool
    """Whether code checks its value."""


class Description(TypedDict):
    """A command, or a group of commands, which has no parameters."""

    help: str
    epilog: NotRequired[str | None]
    parameters: NotRequired[list[DescribedParameter]]


class _UndecidedError(Exception):
    """Only the real command can judge a line."""


def description(path: tuple[str, ...]) -> Description | None:
    """Return the description of a command or group, if it has one; of the file, only its line is parsed."""
    text = _text()
    key = f"\n{json.dumps(' '.join(path))}: "
    start = text.find(key)
    if start < 0:
        return None
    described: Description = json.loads(text[start + len(key) : text.index("\n", start + 1)].rstrip(","))
    return described


@cache
def _text() -> str:
    return FILE.read_text("utf-8")


def described_command(name: str, described: Description, load: Callable[[], Click]) -> Click:
    """Build a command that parses a line as described, and then hands it to the real command.

    Args:
        name: Its name.
        described: Its description.
        load: Imports the real command.
    """

    class DescribedCommand(LightCommand):
        def make_context(
            self,
            info_name: str | None,
            args: list[str],
            parent: Click = None,
            **extra: Any,  # noqa: ANN401 - click's
        ) -> Click:
            """Return the context of the real command; usage errors and help are those of the description."""
            with suppress(_UndecidedError):
                super().make_context(info_name, [*args], parent, **extra)
            return load().make_context(info_name, args, parent, **extra)

    def run(**_: object) -> None:
        """Stand for the function of the real command, which is the one that is called."""

    parameters = [_parameter(each) for each in described.get("parameters", [])]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    info = CommandInfo(
        name, cls=DescribedCommand, callback=run, help=described["help"], epilog=described.get("epilog")
    )
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


_TYPES: Final = {"str": str, "int": int, "float": float, "bool": bool, "Path": Path}


def _parameter(described: DescribedParameter) -> Parameter:
    default = described.get("default")
    settings = dict(described.get("settings", {}))
    if described.get("is_parsed"):
        settings["parser"] = _defer
    if described.get("is_checked"):
        settings["callback"] = _deferring_others_than(default)
    create: Callable[..., Any] = typer.Argument if described.get("is_argument") else typer.Option
    info = create(*described.get("names", ()), **settings)
    choices = [(choice, choice) for choice in described.get("choices", [])]
    type_: Any = StrEnum("Choice", choices) if choices else _TYPES[described.get("type", "")]
    if described.get("is_list"):
        type_ = list[type_]
    is_required = described.get("required", False)
    return Parameter(
        described["name"],
        Parameter.KEYWORD_ONLY,
        annotation=Annotated[type_ if is_required or default is not None else type_ | None, info],
        default=Parameter.empty if is_required else default,
    )


def _defer(_: str) -> object:
    raise _UndecidedError


def _deferring_others_than(default: object) -> Callable[[Any], object]:
    def check(value: Any) -> object:  # noqa: ANN401 - of any option
        if value != default:
            raise _UndecidedError
        return value

    return check
