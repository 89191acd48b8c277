"""Options and exit codes that the commands of rollouts share."""

from __future__ import annotations

from typing import Annotated

import typer

from koophone_async.batches import State
from koophone_async.cli.errors import Exit
from koophone_async.cli.parameters.journal_option import warn_of_password
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import RolloutRecord, RolloutState
from koophone_async.rollouts.plans.durations import parse_duration

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id or name of a rollout, or `last`.")]
JournalOption = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="PATH|URL",
        callback=warn_of_password,
        help="Journal with the rollouts; default: KOOPHONE_JOURNAL, else one in ~/.local/state.",
    ),
]
DespiteStop = Annotated[
    bool, typer.Option("--despite-stop", help="Go on though a rule or a person has stopped the rollout.")
]


def seconds_of(text: str) -> float:
    """Return the seconds of an option such as `7d`.

    Raises:
        BadParameter: The text is no duration.
    """
    try:
        return parse_duration(text)
    except InvalidRequest as error:
        raise typer.BadParameter(error.problem) from None


def exit_of_record(record: RolloutRecord) -> Exit:
    """Return the exit code of a rollout that has ended or was left."""
    if record.state in (RolloutState.STOPPED, RolloutState.WAITING):
        return Exit.STOPPED
    passed = record.counts.get(State.SUCCEEDED, 0) + record.counts.get(State.ACCEPTED, 0)
    return Exit.DONE if passed == record.targets else Exit.SOME_FAILED
