"""The option `--journal`."""

from __future__ import annotations

from contextlib import suppress

import typer

from koophone_async.cli.errors import print_stderr
from koophone_async.errors import InvalidRequest


def warn_of_password(context: typer.Context, journal: str | None) -> str | None:
    """Return the journal; warn if a password is in it, which other users of the machine can see."""
    if journal is not None and "://" in journal and not context.resilient_parsing:
        from koophone_async.rollouts.journal.location import parse_location  # noqa: PLC0415 - after help

        with suppress(InvalidRequest):  # whoever opens it reports it
            if parse_location(journal).has_secret:
                print_stderr(
                    "koophone: other users can see the password in --journal in the list of processes; use"
                    " PGPASSWORD, PGPASSFILE, ?passfile=FILE, or ?password_file=FILE"
                )
    return journal
