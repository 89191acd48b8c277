"""Three processes and one quota, counted at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async import Quota
from tests.shared_quotas.processes import Processes, answers, begin, fullest

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.shared_quotas.valkey_server import ValkeyServer

pytestmark = pytest.mark.process


@pytest.fixture
def processes() -> Generator[Processes]:
    with Processes.run() as running:
        yield running


@pytest.mark.parametrize("quota", [Quota(6, 3), Quota(50, 1)], ids=["6 in 3 s", "50 a second"])
def test_no_window_has_more_calls_than_the_quota(
    processes: Processes, valkey: ValkeyServer, quota: Quota
) -> None:
    clients = [processes.start(valkey.url, quota, quota.permits) for _ in range(3)]
    for client in clients:
        begin(client)

    assert [answers(client) for client in clients] == [quota.permits] * 3
    times = processes.arrivals()
    assert len(times) == 3 * quota.permits
    assert fullest(times, quota.seconds) <= quota.permits
