"""`koophone doctor`: find out why commands fail, and what to do."""

from __future__ import annotations

from collections import Counter
from typing import Final

import attrs
import typer

from koophone_async.cli.checkup import Check, Verdict, examine
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.output import Format, print_lines, printer
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.cli.view import Output
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
                _print(check)
            else:
                out.row(attrs.asdict(check) | {"verdict": check.verdict.value})
    if not counts[Verdict.FAILED]:
        return Exit.DONE
    print_stderr(f"koophone: {counts[Verdict.FAILED]} of {counts.total()} checks failed")
    return Exit.SOME_FAILED


def _print(check: Check) -> None:
    print_lines([f"{check.verdict:8} {check.check:20} {check.found}"])
    if check.advice:
        print_lines([f"{'':8} {'':20} -> {check.advice}"])
