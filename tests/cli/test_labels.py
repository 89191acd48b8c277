"""An error names the option as it was typed."""

from __future__ import annotations

import re
from enum import Enum
from inspect import Parameter
from typing import TYPE_CHECKING, Any, get_args

import pytest
from typer.models import ArgumentInfo

from koophone_async.cli.commands.call_commands import CallCommand
from koophone_async.cli.commands.operation_commands import FleetCommand
from koophone_async.cli.commands.services import Entry, entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Invoke

WRONG = ("", "x y", "x" * 20_000)
"""Values that most checks of text refuse."""


NAMED = re.compile(r"^koophone: (?:\w+\.\w+\.\w+: )?([^\s,:]+)[^:\n]*: .* Nothing was sent\.$", re.MULTILINE)
"""The option in an error of usage, which may have the name of the operation first."""


def words(parameter: Parameter, value: str) -> list[str]:
    """Return how a parameter is typed."""
    (info,) = parameter.annotation.__metadata__
    if isinstance(info, ArgumentInfo):
        return [value]
    option = (info.param_decls or (f"--{parameter.name}",))[0].partition("/")[0]
    return [option, value]


def kind(parameter: Parameter) -> Any:  # noqa: ANN401 - a type or a union
    hint = parameter.annotation.__origin__
    return next((part for part in get_args(hint) if part is not type(None)), hint)


def plausible(parameter: Parameter) -> str:
    hint = kind(parameter)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return str(next(iter(hint)).value)
    return "a=1" if parameter.name in ("tags", "sources", "properties") else "1"


def lines(entry: Entry, parameters: list[Parameter]) -> Iterator[list[str]]:
    """Yield a command for each wrong value of each text option."""
    for wrong in parameters:
        if kind(wrong) is not str or wrong.name == "body":
            continue
        others = [
            word
            for parameter in parameters
            if parameter.default is Parameter.empty and parameter is not wrong
            for word in words(parameter, plausible(parameter))
        ]
        ids = ["a"] if entry.verb else []
        for value in WRONG:
            yield [*entry.words, *ids, *others, *words(wrong, value), "--output", "jsonl"]


@pytest.mark.parametrize(
    "entry", [*entries("cph", "gaming", "iam", "koophone")], ids=lambda entry: entry.operation.name
)
def test_an_error_names_an_option_of_the_command(koophone: Invoke, entry: Entry) -> None:
    command = FleetCommand(entry, entry.verb) if entry.verb else CallCommand(entry)
    options = list(command.options.parameters)
    names = {word for parameter in options for word in words(parameter, "")} | {"ID", "options", "selection"}
    names |= {
        str(info.metavar)
        for parameter in options
        for info in parameter.annotation.__metadata__
        if isinstance(info, ArgumentInfo)
    }

    ended = koophone(*lines(entry, options))

    named = set(NAMED.findall(ended.err))
    assert named <= names, ended.err
