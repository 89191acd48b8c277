"""Drive rollouts in processes that kill themselves at a chosen point.

Each line of standard input is an order. A process of its own obeys it, and one line of output answers: the
number of points of each kind that it has passed, `killed` or `failed`. Before it stops, it prints its id.
All imports are made once, before the first order.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import define, field, frozen

from koophone_async.call import SendTracker
from koophone_async.rollouts import Plan, Rollout
from koophone_async.rollouts.execution.call_log import LoggedChunk
from koophone_async.rollouts.journal.driver import Driver
from koophone_async.rollouts.journal.postgresql.driver import PostgresDatabase
from koophone_async.rollouts.journal.sqlite import SqliteDatabase
from koophone_async.services.cph.client import CloudPhone
from koophone_async.services.koophone.client import KooPhone

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

IMPORTED: Final = (CloudPhone, KooPhone)  # rollouts import these when they need them


@frozen
class Order:
    """What a process shall do, and where it shall die."""

    journal: str
    plan: str | None = None
    """A plan in JSON, to start; else the last rollout is resumed."""

    kind: str = ""
    count: int = 0
    """It dies at this point of its kind, counted from 1; 0 for never."""

    stops: bool = False
    """Whether it stops there, instead, until somebody continues it."""


@define
class Points:
    """Counts the points that a process passes, and ends it at one of them."""

    order: Order
    passed: Counter[str] = field(factory=Counter[str], init=False)

    def reach(self, kind: str) -> None:
        """Count a point."""
        self.passed[kind] += 1
        if kind == self.order.kind and self.passed[kind] == self.order.count:
            if self.order.stops:
                report(f"stopped {os.getpid()}")
            os.kill(os.getpid(), signal.SIGSTOP if self.order.stops else signal.SIGKILL)

    def observe(self) -> None:
        """Count from now on what is written, sent and answered."""
        for database in (SqliteDatabase, PostgresDatabase):
            for name in ("execute", "execute_many"):
                self._count_calls(database, name, before="inside a write")
            self._count_calls(database, "query", before="a read")
            self._count_commits(database)
        self._count_calls(Driver, "plan_chunk", after="a plan")
        self._count_calls(Driver, "mark_sending", before="before it is marked", after="right before a send")
        self._count_calls(SendTracker, "mark_sent", after="right after a send")
        self._count_calls(Driver, "mark_sent", before="an answer", after="an answer that is noted")
        self._count_calls(LoggedChunk, "settle", before="a completion", after="a completion that is noted")

    def _count_calls(self, owner: type, name: str, before: str = "", after: str = "") -> None:
        original: Callable[..., Any] = getattr(owner, name)

        @wraps(original)
        def counted(*args: object, **options: object) -> Any:  # noqa: ANN401 - what the original returns
            if before:
                self.reach(before)
            result = original(*args, **options)
            if after:
                self.reach(after)
            return result

        @wraps(original)
        async def counted_coroutine(*args: object, **options: object) -> Any:  # noqa: ANN401 - as above
            self.reach(before)
            result = await original(*args, **options)
            self.reach(after)
            return result

        setattr(owner, name, counted_coroutine if inspect.iscoroutinefunction(original) else counted)

    def _count_commits(self, owner: type[SqliteDatabase | PostgresDatabase]) -> None:
        original: Callable[..., AbstractContextManager[None]] = vars(owner)["transaction"]

        @contextmanager
        def transaction(database: object) -> Generator[None]:
            with original(database):
                yield
                self.reach("right before a commit")
            self.reach("right after a commit")

        setattr(owner, "transaction", transaction)  # noqa: B010 - not assignable by its type


def report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def obey(order: Order) -> None:
    """Drive a rollout to its end."""
    if order.plan is not None:
        await Rollout(Plan.from_json(order.plan), order.journal)
    else:
        await Rollout.resume("last", order.journal)


def run(order: Order) -> None:
    """Obey an order in this process, and print the points that it has passed."""
    points = Points(order)
    points.observe()
    asyncio.run(obey(order))
    report(msgspec.json.encode(points.passed).decode())


def main() -> None:
    """Obey orders, each in a process of its own."""
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            if status:
                report("killed" if os.WIFSIGNALED(status) else "failed")
        else:
            code = 1
            try:
                run(order)
                code = 0
            finally:
                os._exit(code)


if __name__ == "__main__":
    main()
