"""How many calls and polls a run needs, and how long its work takes."""

from __future__ import annotations

from math import exp, log

import pytest

from koophone_async.batches.workload import Workload, queue_length
from koophone_async.polling.duration_model import Lognormal
from koophone_async.polling.expectations import expected_polls

TEN_SECONDS = Lognormal(log(10), 0.02)


def test_serial_work_takes_as_long_as_that_of_the_busiest_server() -> None:
    work = Workload(300, 30, serial=60, waits=True, concurrency=32)

    assert work.seconds(TEN_SECONDS, 0) == pytest.approx(600, rel=0.01)
    assert work.polls(TEN_SECONDS, 10) > 0


def test_work_in_parallel_takes_as_long_as_its_last_job() -> None:
    wide = Lognormal(log(10), 1.0)
    few, many = (Workload(ids, 1, waits=True) for ids in (1, 10_000))

    assert few.seconds(wide, 0) == pytest.approx(10, abs=0.5)
    assert many.seconds(wide, 0) > 10 * exp(2.9)
    assert many.seconds(wide, 0, is_guess=True) < 20


def test_the_quota_delays_calls_and_work_follows() -> None:
    assert Workload(100, 7, waits=True).seconds(TEN_SECONDS, 60) == pytest.approx(70, rel=0.1)
    assert Workload(100, 7).seconds(TEN_SECONDS, 60) == 60
    assert Workload(0, 0).seconds(TEN_SECONDS, 60) == 0


@pytest.mark.parametrize("ids, max_in_flight, length", [(1, 30, 1), (3, 30, 2), (4, 2, 7 / 4)])
def test_a_job_waits_for_those_before_it(ids: int, max_in_flight: int, length: float) -> None:
    assert queue_length(ids, max_in_flight) == length


def test_certain_durations_need_fewer_polls() -> None:
    certain = expected_polls(TEN_SECONDS, 100, 30, 10)
    uncertain = expected_polls(Lognormal(log(10), 1.2), 100, 30, 10)

    assert 30 <= certain < uncertain
    assert Workload(100, 1).polls(TEN_SECONDS, 10) == 0


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99])
def test_a_quantile_is_not_exceeded_by_its_share(share: float) -> None:
    found = Lognormal(log(10), 1.2).quantile(share)

    _, ended = Lognormal(log(10), 1.2).unseen_wait(0, found)
    assert ended == pytest.approx(share, abs=1e-6)
