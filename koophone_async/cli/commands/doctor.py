"""`koophone doctor`: find out why commands fail, and what to do."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final

import attrs
import typer

from koophone_async.cli.commands.checkup import Check, Verdict, examine
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.output.printing import Format, print_styled, printer
from koophone_async.cli.output.terminal import Style, styled, terminal_width, visible, wrap
from koophone_async.cli.output.view import Output
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.session import utc_now

EXAMPLES: Final = (
    "koophone doctor",
    "koophone --profile prod doctor --output jsonl",
)


def run(context: typer.Context, output: Output = Format.TABLE) -> None:
    """Check credentials, region, proxy, DNS, TLS, clock, permissions and quota, and advise what to do.

    Changes nothing. It needs no account: what needs one is skipped then. The exit code is 0 only if all is
    well.
    """
    execute(diagnose(current_settings(context), output))


async def diagnose(settings: Settings, output: Format) -> Exit:
    """Print a row for each check, as lines for people if the output is a table."""
    counts = Counter[Verdict]()
    with printer(output) as out:
        async for check in examine(settings, utc_now):
            counts[check.verdict] += 1
            if output is Format.TABLE:
                print_styled(_lines(check))
            else:
                out.row(attrs.asdict(check) | {"verdict": check.verdict.value})
    if not counts[Verdict.FAILED]:
        return Exit.DONE
    print_stderr(f"koophone: {counts[Verdict.FAILED]} of {counts.total()} checks failed")
    return Exit.SOME_FAILED


_STYLES: Final = {Verdict.OK: Style.GREEN, Verdict.FAILED: Style.RED}
_MARGIN: Final = 31
"""Columns before what was found."""


def _lines(check: Check) -> Iterator[str]:
    """Return the lines of a check, the advice in one of its own."""
    yield _styled(check.verdict, _wrapped(f"{check.verdict:8} {check.check:21} {visible(check.found)}"))
    if check.advice:
        yield _wrapped(f"{'':{_MARGIN}}-> {visible(check.advice)}", indent=3)


def _wrapped(line: str, indent: int = _MARGIN) -> str:
    width = terminal_width(sys.stdout)
    return wrap(line, width, indent) if width else line


def _styled(verdict: Verdict, line: str) -> str:
    style = _STYLES.get(verdict)
    return styled(verdict, style, sys.stdout) + line.removeprefix(verdict) if style else line
