"""A call that is refused for some of its servers: each of them by its own code (CPH 7.1.1, 2020-07-30)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async import State
from koophone_async.errors import Failure, Refused

if TYPE_CHECKING:
    from koophone_async.gaming import Gaming
    from tests.gaming.gaming_service import GameService

FAILURES = [
    {"server_id": "s1", "error_code": "CPS.1027", "error_msg": "Server is being scaled up."},
    {"server_id": "s2", "error_code": "CPS.1028", "error_msg": "Server is frozen."},
]


def refuse(service: GameService, code: str) -> None:
    service.status = 400
    service.answer = {"request_id": "r1", "error_code": code, "error_msg": "No.", "failures": FAILURES}


async def test_a_refusal_keeps_the_reason_of_each_server(service: GameService, gaming: Gaming) -> None:
    refuse(service, "CPS.1040")

    with pytest.raises(Refused) as raised:
        await gaming.deployments.deploy(["s1", "s2"], ["v1"])

    assert raised.value.failures == (
        Failure("s1", "CPS.1027", "Server is being scaled up."),
        Failure("s2", "CPS.1028", "Server is frozen."),
    )


async def test_a_fleet_reports_the_reason_of_each_server(service: GameService, gaming: Gaming) -> None:
    refuse(service, "CPS.1040")

    report = await gaming.fleet(["s1", "s2", "s3"]).deploy(["v1"])

    assert [(outcome.id, outcome.state, outcome.error_code) for outcome in report] == [
        ("s1", State.REFUSED, "CPS.1027"),
        ("s2", State.REFUSED, "CPS.1028"),
        ("s3", State.FAILED, "CPS.1040"),  # this code does not prove that nothing was done
    ]
    assert len(service.received) == 1


async def test_a_batch_refused_for_its_ids_is_halved(service: GameService, gaming: Gaming) -> None:
    refuse(service, "CPS.0016")

    report = await gaming.fleet(["s1", "s3"]).deploy(["v1"])

    assert [outcome.error_code for outcome in report] == ["CPS.1027", "CPS.0016"]
    assert {outcome.state for outcome in report} == {State.REFUSED}
    assert len(service.received) == 3


async def test_a_refusal_with_odd_failures_is_still_a_refusal(service: GameService, gaming: Gaming) -> None:
    refuse(service, "CPS.1040")
    assert service.answer is not None
    service.answer["failures"] = ["s1", {"server_id": None}]

    report = await gaming.fleet(["s1"]).push(["v1"])

    assert report["s1"].error_code == "CPS.1040"


async def test_a_refusal_without_failures_follows_its_status(service: GameService, gaming: Gaming) -> None:
    service.status, service.answer = 403, {"error_code": "CPS.9998", "error_msg": "No."}

    report = await gaming.fleet(["s1"]).push(["v1"])

    assert report["s1"].state is State.REFUSED
