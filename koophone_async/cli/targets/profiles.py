"""One command over several accounts: `koophone --profile a --profile b instances list`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

import typer
from attrs import define, field

from koophone_async.cli.errors import STOPPED, Exit, print_stderr
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.rows import Row
from koophone_async.cli.output.view_rows import Arranged

_OF_NO_ACCOUNT: Final = ("rollout", "emulator", "demo", "events", "console")
"""Commands that are no call of an account: the plan of a rollout names the profiles of its targets."""


@define
class Profiles:
    """What the runs of a command over several profiles share."""

    profile: str = field(default="", init=False)
    """The one in use."""

    rows: Arranged | None = field(default=None, init=False)
    """Prints the rows of all."""

    stdin: bytes | None = field(default=None, init=False)
    """What was read from stdin, which every run reads."""


_running: Final = ContextVar[Profiles | None]("profiles", default=None)


def current_profile() -> str | None:
    """Return the profile in use, if the command runs over several."""
    running = _running.get()
    return None if running is None else running.profile


def running() -> Profiles | None:
    """Return what the runs share, if the command runs over several profiles."""
    return _running.get()


def with_profile(columns: Columns) -> Columns:
    """Return columns with that of the profile first, if the command runs over several."""
    if _running.get() is None or not columns.known:
        return columns
    return Columns(("profile", *columns.known), ("profile", *columns.in_tables))


def shared(rows: Arranged) -> Arranged:
    """Return what prints rows, or what adds them to those of other profiles."""
    running = _running.get()
    if running is None:
        return rows
    running.rows = running.rows or rows
    return RowsOfProfile(running.rows, running.profile)


class RowsOfProfile(Arranged):
    """Adds the rows of one profile to those of all; they are complete after the last one."""

    def __init__(self, rows: Arranged, profile: str) -> None:
        super().__init__(rows, (), None)
        self._rows, self._profile = rows, profile

    @property
    def is_full(self) -> bool:
        """Whether no further row would be printed."""
        return self._rows.is_full

    def row(self, row: Row) -> None:
        """Print one row."""
        super().row({"profile": self._profile} | row)

    def close(self) -> None:
        """Leave the output open for the next profile."""


def run_over(context: Any, invoke: Callable[[Any], object]) -> None:  # noqa: ANN401 - click's
    """Run a command once for each profile, and exit with one exit code.

    Raises:
        typer.Exit: Some run did not succeed.
    """
    # Invoking a group takes the words of its subcommand out of the context.
    words = (list(context._protected_args), list(context.args))  # noqa: SLF001 - click has no other way
    _check([*words[0], *words[1]])
    codes: list[int] = []
    profiles = Profiles()
    token = _running.set(profiles)
    try:
        for profiles.profile in dict.fromkeys(context.params["profile"]):
            print_stderr(f"koophone: profile {profiles.profile}:")
            context.params["profile"] = [profiles.profile]
            context._protected_args, context.args = map(list, words)  # noqa: SLF001 - as above
            codes.append(_code_of(context, invoke))
            if codes[-1] in STOPPED:
                break
        if profiles.rows is not None:
            profiles.rows.close()
    finally:
        _running.reset(token)
    if code := _combined(codes):
        raise typer.Exit(code)


def _check(words: Sequence[str]) -> None:
    """Refuse a command that is not of one account.

    Raises:
        typer.BadParameter: It takes one profile.
    """
    if (command := next(iter(words), "")) in _OF_NO_ACCOUNT:
        problem = f"several profiles are for commands of an account; {command} takes one profile at most"
        raise typer.BadParameter(problem, param_hint="--profile")


def _code_of(context: Any, invoke: Callable[[Any], object]) -> int:  # noqa: ANN401 - click's
    try:
        invoke(context)
    except typer.Exit as ended:
        return int(ended.exit_code)
    return Exit.DONE


def _combined(codes: Sequence[int]) -> int:
    """Return the code that all runs have, or that of a signal, or that of some failures."""
    if codes[-1] in STOPPED or len({*codes}) == 1:
        return codes[-1]
    return Exit.SOME_FAILED
