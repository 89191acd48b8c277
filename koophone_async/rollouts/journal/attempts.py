"""Write new rollouts, and new attempts of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.rollouts.journal.encoding import (
    BLOCK,
    COUNTS,
    NUMBERS,
    PAIRS,
    STRINGS,
    TEXTS,
    encode_targets,
)
from koophone_async.rollouts.journal.queries import ACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.records import Actor, NewRollout, Target

_ROLLOUT: Final = """
INSERT INTO rollouts (id, name, kind, service, account, edition, projects, plan, forecast, waves, keep_output,
    targets, state, counts, attempt, wave, last_request, created_at, created_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'hidden', ?, 1, 0, 0, ?, ?)
"""
_TARGETS: Final = "INSERT INTO targets (rollout, block, body) VALUES (?, ?, ?)"
_FINISH: Final = "UPDATE rollouts SET targets = ?, state = 'running' WHERE id = ?"
_ATTEMPT: Final = (
    "INSERT INTO attempts (rollout, attempt, kind, targets, waves, created_at, options)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_LAST_ATTEMPT: Final = "SELECT max(attempt) FROM attempts WHERE rollout = ?"
_START: Final = "INSERT INTO attempt_starts (rollout, attempt, block, body) VALUES (?, ?, ?, ?)"
_CURRENT: Final = (
    "UPDATE rollouts SET attempt = ?, wave = 1, state = 'running', reason = NULL, ended_at = NULL"
    " WHERE id = ?"
)
"""A process that ends right after it leaves an attempt that has begun, and not a rollout that has ended."""


FIRST: Final = "first"
"""Kind of the first attempt."""


@frozen
class Creation:
    """A rollout that is being written."""

    id: str
    new: NewRollout
    at: int
    by: Actor
    record: Callable[[Database, str], None] | None = None
    """Called with the id in the transaction that makes it visible."""


def begin_creation(database: Database, creation: Creation, targets: Sequence[Target]) -> None:
    """Write a rollout, which nobody sees until all its targets are written, with the first of these."""
    new = creation.new
    database.execute(
        _ROLLOUT,
        (
            creation.id,
            new.name,
            new.kind.value,
            new.service,
            new.account,
            new.edition,
            STRINGS.encode(new.projects),
            new.plan,
            new.forecast,
            NUMBERS.encode(new.waves),
            int(new.keep_output),
            COUNTS.encode({}),
            creation.at,
            ACTOR.encode(creation.by),
        ),
    )
    add_targets(database, creation.id, targets)


def add_targets(database: Database, id: str, targets: Sequence[Target]) -> None:
    """Write targets whose positions start at the beginning of a block."""
    database.execute_many(
        _TARGETS,
        (
            (id, targets[first].position // BLOCK, encode_targets(targets[first : first + BLOCK]))
            for first in range(0, len(targets), BLOCK)
        ),
    )


def finish_creation(database: Database, creation: Creation, targets: int) -> None:
    """Make a rollout visible, with its first attempt."""
    waves = NUMBERS.encode(creation.new.waves)
    database.execute(_FINISH, (targets, creation.id))
    database.execute(_ATTEMPT, (creation.id, 1, FIRST, targets, waves, creation.at, TEXTS.encode({})))
    if creation.record is not None:
        creation.record(database, creation.id)


@frozen
class NewAttempt:
    """An attempt that is to be written."""

    kind: str
    starts: Sequence[tuple[int, int]]
    waves: tuple[int, ...]
    at: int
    options: Mapping[str, str]


def add(database: Database, id: str, new: NewAttempt) -> int:
    """Write an attempt as the current one, and return its number."""
    ((last,),) = database.query(_LAST_ATTEMPT, (id,))
    attempt: int = last + 1
    waves, options = NUMBERS.encode(new.waves), TEXTS.encode(new.options)
    database.execute(_ATTEMPT, (id, attempt, new.kind, len(new.starts), waves, new.at, options))
    database.execute_many(
        _START,
        (
            (id, attempt, block, PAIRS.encode(list(new.starts[first : first + BLOCK])))
            for block, first in enumerate(range(0, len(new.starts), BLOCK))
        ),
    )
    database.execute(_CURRENT, (attempt, id))
    return attempt
