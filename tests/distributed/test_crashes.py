"""Whatever becomes of workers, database and links: no phone is lost, and none executes a step twice."""

from __future__ import annotations

from typing import Final

import pytest

from koophone_async.batches import State
from tests.distributed.crashes import harm

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

WAYS: Final = (
    ("kill", "kill at a completion", "kill during a rescue", "kill two"),
    ("kill between `sending` and the answer", "kill the coordinator", "terminate", "freeze"),
    (
        "cut all connections to the database",
        "restart the database",
        "part one from the database",
        "part one from the cloud",
    ),
)


@pytest.mark.parametrize("ways", WAYS, ids=", ".join)
async def test_nothing_is_lost_or_done_twice(ways: tuple[str, ...]) -> None:
    done, states = await harm(lambda _: ways, len(ways), seed=1)

    assert set(done) == set(ways)
    assert states.keys() <= {State.SUCCEEDED, State.UNKNOWN}
    assert states[State.SUCCEEDED] > states[State.UNKNOWN]
