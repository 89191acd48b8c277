"""`koophone rollout report`: what became of a rollout, for people or programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from koophone_async.cli.errors import Exit
from koophone_async.cli.output.encoding import dump_json
from koophone_async.cli.output.printing import print_lines
from koophone_async.cli.rollouts.options import JournalOption, Run
from koophone_async.cli.rollouts.refusals import unless_refused
from koophone_async.cli.runner import execute
from koophone_async.rollouts.journal import Journal
from koophone_async.rollouts.reports.markdown import to_markdown
from koophone_async.rollouts.reports.report import report as report_of


class ReportFormat(StrEnum):
    """Format of a report."""

    MARKDOWN = "md"
    JSON = "json"


def report(
    run: Run = "last",
    *,
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="Markdown for people, or JSON.")
    ] = ReportFormat.MARKDOWN,
    journal: JournalOption = None,
) -> None:
    """Print a report: forecast and what happened, outcomes, waves and gates, failures, and the log.

    Secrets, such as signatures of links, are left out.
    """
    execute(unless_refused(_report(run, format_, journal)))


async def _report(run: str, format_: ReportFormat, location: str | None) -> Exit:
    async with await Journal.open(location) as journal:
        found = await report_of(journal, run)
    if format_ is ReportFormat.JSON:
        print_lines([dump_json(found.to_data(), indent=2)])
    else:
        print_lines(to_markdown(found).splitlines())
    return Exit.DONE
