"""One operation for each column of the table of retries, and a session that sends them to a fake server."""

from __future__ import annotations

import random
from typing import Any, Final

from attrs import frozen

from koophone_async import AccessKey, Endpoints, Session, Timeouts
from koophone_async.operation import Operation
from koophone_async.virtual_time import VirtualTimeLoop

KEY: Final = AccessKey("AKOFTHETEST", "secret-key-of-the-test")


@frozen
class Note:
    id: str = "n1"


@frozen
class Answer:
    text: str | None = None


READ: Final = Operation(
    "koophone.notes.read", "GET", "/v1/notes", Note, Answer, source="made up", repeatable=True
)
SET: Final = Operation(
    "koophone.notes.set", "PUT", "/v1/notes", Note, Answer, source="made up", repeatable=True
)
RUN: Final = Operation(
    "koophone.notes.run", "POST", "/v1/notes", Note, Answer, source="made up", repeatable=False
)
BUY: Final = Operation(
    "koophone.notes.buy",
    "POST",
    "/v1/notes/buy",
    Note,
    Answer,
    source="made up",
    repeatable=False,
    order=True,
)
COLUMNS: Final = {"read": READ, "repeatable write": SET, "other write": RUN, "order": BUY}


def session(url: str, credentials: Any = KEY, **options: Any) -> Session:  # noqa: ANN401 - handed on
    """Return a session in virtual time whose services all have one address."""
    options.setdefault("timeouts", Timeouts(connect=2.0, read=5.0))
    options.setdefault("rng", random.Random(1))
    options.setdefault("environ", {})
    return Session(
        credentials,
        endpoints=Endpoints(koophone=url, iam=url),
        now=VirtualTimeLoop.running().now,
        **options,
    )
