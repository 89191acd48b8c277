"""Three processes and one quota, counted at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async import Quota
from tests.shared_quotas.processes import Processes, answers, begin, fullest, wait_for_first_answer

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.shared_quotas.valkey_server import ValkeyServer

pytestmark = pytest.mark.process


@pytest.fixture
def processes() -> Generator[Processes]:
    with Processes.run() as running:
        yield running


@pytest.mark.parametrize("quota", [Quota(6, 3), Quota(50, 1)], ids=["6 in 3 s", "50 a second"])
def test_no_window_has_more_calls_than_the_quota(processes: Processes, store_url: str, quota: Quota) -> None:
    clients = [processes.start(store_url, quota, quota.permits) for _ in range(3)]
    for client in clients:
        begin(client)

    for client in clients:
        wait_for_first_answer(client)
        assert answers(client) == quota.permits
    times = processes.arrivals()
    assert len(times) == 3 * quota.permits
    assert fullest(times, quota.seconds) <= quota.permits


def test_a_killed_process_leaves_its_permits_to_the_others(
    processes: Processes, valkey: ValkeyServer
) -> None:
    quota = Quota(20, 1)
    killed, other = (processes.start(valkey.url, quota, calls) for calls in (1000, 30))
    begin(killed)
    wait_for_first_answer(killed)
    killed.kill()
    begin(other)

    wait_for_first_answer(other)
    assert answers(other) == 30
    assert fullest(processes.arrivals(), 1) <= 20
