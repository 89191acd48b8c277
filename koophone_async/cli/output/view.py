"""Options of every command that prints rows: format, columns, order, groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Annotated, Any, Final, TypeAlias

import attrs
import typer
from attrs import frozen

from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.pivot import Pivot
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.view_rows import Arranged
from koophone_async.cli.parameters.option_classes import parameters_of, with_options
from koophone_async.cli.targets.profiles import shared, with_profile
from koophone_async.errors import InvalidRequest

ALL: Final = "all"

_OUTPUT: Final = typer.Option("--output", "-o", help="Output format.")
Output = Annotated[Format, _OUTPUT]
_COLUMNS: Final = typer.Option(
    "--columns", metavar="NAMES", help="Columns to print, such as id,state; all prints every column."
)
_SORT: Final = typer.Option(
    "--sort", metavar="NAMES", help="Columns to sort by, such as state,id; -id sorts in descending order."
)
_CSV_SAFE: Final = typer.Option(
    "--csv-safe", help="In CSV, put an apostrophe before texts that a spreadsheet would run as formulas."
)
_LIMIT: Final = typer.Option("--limit", metavar="N", min=0, help="Maximum number of rows to print.")
_GROUP: Final = typer.Option(
    "--group", help="Print ids with the same result as one group, the largest first: phone[0001-0480,0502]."
)
_DIFF: Final = typer.Option(
    "--diff", help="Print groups, and how the output of each differs from that of the largest."
)
_FAILED_ONLY: Final = typer.Option("--failed-only", help="Print only what did not succeed.")

Hint: TypeAlias = Any


@frozen
class View:
    """Which rows are printed, and how."""

    output: Output = Format.TABLE
    columns: Annotated[str | None, _COLUMNS] = None
    sort: Annotated[str | None, _SORT] = None
    csv_safe: Annotated[bool, _CSV_SAFE] = False
    limit: Annotated[int | None, _LIMIT] = None
    group: Annotated[bool, _GROUP] = False
    diff: Annotated[bool, _DIFF] = False
    failed_only: Annotated[bool, _FAILED_ONLY] = False

    @property
    def is_grouped(self) -> bool:
        """Whether groups are printed instead of rows."""
        return self.group or self.diff

    def printer(self, columns: Columns) -> Arranged:
        """Create the printer of these rows.

        Args:
            columns: Columns of the rows, as far as they are known.

        Raises:
            InvalidRequest: A column was chosen that the rows do not have.
        """
        columns = with_profile(columns)
        names = _names(self.columns)
        _check("--columns", [name for name in names if name != ALL], columns.known)
        chosen = () if ALL in names else tuple(names)
        default = columns.in_tables if self.output is Format.TABLE and not names else columns.known
        base = printer(self.output, chosen or default, is_chosen=bool(chosen), csv_safe=self.csv_safe)
        order = _names(self.sort)
        _check("--sort", [name.removeprefix("-") for name in order], columns.known)
        return shared(Arranged(base, order, self.limit))

    def values_printer(self, columns: Columns) -> Arranged | Pivot:
        """Create the printer of values that belong to ids: of rows, or of one row for equal values.

        Args:
            columns: Columns of the rows, of which the first is the id.

        Raises:
            InvalidRequest: A column was chosen that the rows do not have.
        """
        if not self.group:
            return self.printer(columns)
        inner = self.printer(columns.pivoted())
        compared = [name for name in inner.columns if name in columns.known]
        return Pivot(inner, compared, cut_ids=self.output is Format.TABLE)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()] if text else []


def _check(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if known and name not in known:
            raise InvalidRequest("", option, f"has no column {name!r}; the columns are {', '.join(known)}")


ROWS: Final = ("output", "columns", "sort", "csv_safe")
LIST: Final = (*ROWS, "limit")
VALUES: Final = (*ROWS, "group", "failed_only")
OUTCOMES: Final = (*ROWS, "group", "diff", "failed_only")


def view_parameters(names: Sequence[str]) -> list[Parameter]:
    """Return the options of a view as parameters of a command."""
    return parameters_of(View, names)


def view_of(args: Mapping[str, Any]) -> View:
    """Return the view of parsed arguments, which may have others, too."""
    return View(**{name: value for name, value in args.items() if name in attrs.fields_dict(View)})


def with_view(names: Sequence[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace the parameter `view` of a command by options."""
    return with_options("view", View, names)
