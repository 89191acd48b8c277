"""Read plans from YAML, with file, line and column in every error."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.file_access import UnusableFile, open_bounded
from koophone_async.rollouts.plans.model_types import WrongKey
from koophone_async.rollouts.plans.plan import Plan
from koophone_async.text_input import decode_text

if TYPE_CHECKING:
    from collections.abc import Generator

    from koophone_async.rollouts.plans.yaml_data import YamlData

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


@frozen
class PlanFile:
    """A plan, and where its values stand in its file."""

    plan: Plan
    file: str
    _data: YamlData

    @contextmanager
    def located(self) -> Generator[None]:
        """Add file, line and column to errors about values of the plan that are found after it was read.

        Raises:
            InvalidPlan: As raised inside, about a value that stands in the file.
        """
        try:
            yield
        except InvalidPlan:
            raise
        except InvalidRequest as error:
            if not self._data.has(error.field):
                raise
            raise _located(error, self._data, self.file) from None


def load_plan(path: Path | str) -> Plan:
    """Return the plan in a YAML file. Relative paths in it start from the file's directory.

    Raises:
        InvalidPlan: The file is no plan; the error has line and column.
        InvalidRequest: The file cannot be read, or PyYAML is not installed.
    """
    return load_plan_file(path).plan


def load_plan_file(path: Path | str) -> PlanFile:
    """Return the plan in a YAML file, with the places of its values; see `load_plan`."""
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
    return _parse(text, str(path), path.absolute().parent)


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
    return _parse(text, file, base).plan


def _parse(text: str, file: str, base: Path | None) -> PlanFile:
    try:
        from koophone_async.rollouts.plans.yaml_data import InvalidYaml, parse_yaml  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError:
        problem = f"needs PyYAML, which is not installed: pip install '{EXTRA}'"
        raise InvalidRequest("", file, problem, Rule.MISSING) from None
    try:
        data = parse_yaml(text)
    except InvalidYaml as error:
        raise InvalidPlan("", "plan", error.problem, Rule.BAD_FORMAT, None, file, *error.position) from None
    try:
        return PlanFile(Plan.from_data(data.value, base=base), file, data)
    except InvalidRequest as error:
        raise _located(error, data, file) from None


def _located(error: InvalidRequest, data: YamlData, file: str) -> InvalidPlan:
    position = data.position(error.field, of_key=isinstance(error, WrongKey))
    return InvalidPlan("", error.field, error.problem, error.rule, error.limit, file, *position)
