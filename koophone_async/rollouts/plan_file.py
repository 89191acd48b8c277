"""Read plans from YAML, with file, line and column in every error."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import define

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.file_access import UnusableFile, open_bounded
from koophone_async.rollouts.model_types import WrongKey
from koophone_async.rollouts.plan import Plan
from koophone_async.text_input import decode_text

EXTRA: Final = "koophone-async[rollouts]"

MAX_BYTES: Final = 64 * 2**20
"""Maximum size of a file with a plan; one with a million ids is half as large."""


@define(eq=False, slots=False)
class InvalidPlan(InvalidRequest):
    """The file of a plan is wrong. Nothing was sent."""

    file: str = ""
    line: int = 1
    """Counted from 1, as the column."""

    column: int = 1

    def __str__(self) -> str:
        """Return the place, and what is wrong there."""
        return f"{self.file}:{self.line}:{self.column}: {super().__str__()}"


def load_plan(path: Path | str) -> Plan:
    """Return the plan in a YAML file. Relative paths in it start from the file's directory.

    Raises:
        InvalidPlan: The file is no plan; the error has line and column.
        InvalidRequest: The file cannot be read, or PyYAML is not installed.
    """
    path = Path(path)
    try:
        with open_bounded(path, MAX_BYTES) as stream:
            text = decode_text(stream.read())
    except UnusableFile as error:
        raise InvalidRequest("", str(path), str(error)) from None
    except OSError as error:
        raise InvalidRequest("", str(path), f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidRequest("", str(path), str(error), Rule.BAD_FORMAT) from None
    return parse_plan(text, file=str(path), base=path.absolute().parent)


def parse_plan(text: str, *, file: str = "plan", base: Path | None = None) -> Plan:
    """Return the plan that a YAML text describes.

    Args:
        text: The text.
        file: Name of its file, for errors.
        base: Directory that relative paths in it start from.

    Raises:
        InvalidPlan: The text is no plan; the error has line and column.
        InvalidRequest: PyYAML is not installed.
    """
    try:
        from koophone_async.rollouts.yaml_data import InvalidYaml, parse_yaml  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        problem = f"needs PyYAML, which is not installed: pip install '{EXTRA}'"
        raise InvalidRequest("", file, problem, Rule.MISSING) from None
    try:
        data = parse_yaml(text)
    except InvalidYaml as error:
        raise InvalidPlan("", "plan", error.problem, Rule.BAD_FORMAT, None, file, *error.position) from None
    try:
        return Plan.from_data(data.value, base=base)
    except InvalidRequest as error:
        position = data.position(error.field, of_key=isinstance(error, WrongKey))
        raise InvalidPlan("", error.field, error.problem, error.rule, error.limit, file, *position) from None
