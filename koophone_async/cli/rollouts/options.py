"""Options that the commands of rollouts share."""

from __future__ import annotations

from typing import Annotated

import typer

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id or name of a rollout, or `last`.")]
JournalOption = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="PATH|URL",
        help="Journal with the rollouts; default: KOOPHONE_JOURNAL, else one in ~/.local/state.",
    ),
]
DespiteStop = Annotated[
    bool, typer.Option("--despite-stop", help="Go on though a rule or a person has stopped the rollout.")
]
