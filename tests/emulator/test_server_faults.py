from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from koophone_async.emulator import (
    Delay,
    Distort,
    Duplicate,
    Durations,
    EndToken,
    Fault,
    Garble,
    Omit,
    Refuse,
    Reset,
    Stall,
    Throttle,
    Truncate,
)
from koophone_async.emulator.server.faults import Plan, from_json, to_json
from koophone_async.errors import InvalidRequest
from koophone_async.services.koophone import commands, instances
from koophone_async.virtual_time import VirtualTimeLoop
from tests.emulator.test_server_entrance import token, with_token

if TYPE_CHECKING:
    from tests.emulator.signed_client import SignedClient

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]

TWO = ["phone0001", "phone0002"]


def executed(call: SignedClient) -> dict[str, int]:
    return call.emulator.ledger.executions("koophone.commands.run")


@pytest.mark.parametrize("after", [False, True])
async def test_a_reset_breaks_the_connection_before_or_after_the_call_is_carried_out(
    call: SignedClient, *, after: bool
) -> None:
    call.emulator.fault(Reset(executed=after), commands.RUN, first=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await call.run(["phone0001"])
    assert executed(call) == ({"phone0001": 1} if after else {})
    visit = call.emulator.ledger.recent_requests[-1]
    assert (visit.verdict, visit.status, visit.executed) == ("reset", 0, after)
    assert (await call.run(["phone0002"])).code == "0"


async def test_a_reset_may_be_about_one_phone(call: SignedClient) -> None:
    call.emulator.fault(Reset(), phone="phone0002")

    with pytest.raises(aiohttp.ClientConnectionError):
        await call.run(TWO)
    await call.run(["phone0001"])

    assert executed(call) == {"phone0001": 1}


@pytest.mark.parametrize("after", [False, True])
async def test_a_refusal_may_hide_that_the_call_was_carried_out(call: SignedClient, *, after: bool) -> None:
    call.emulator.fault(Refuse(executed=after), "koophone")
    response = await call.run(["phone0001"])
    assert (response.status, response.code, response.body["error_msg"]) == (
        500,
        "KOOPHONE.API.9999",
        "unknown error.",
    )
    assert executed(call) == ({"phone0001": 1} if after else {})


async def test_a_gateway_in_trouble_says_when_to_come_again(call: SignedClient) -> None:
    call.emulator.fault(Refuse(503, "", retry_after=1.5))

    response = await call.run(["phone0001"])

    assert (response.status, response.headers["Retry-After"]) == (503, "1.5")
    assert response.body["error_msg"] == "Service Unavailable"


async def test_a_refusal_may_speak_its_own_words(call: SignedClient) -> None:
    call.emulator.fault(Refuse(200, "KOOPHONE.API.40010", "sold out"))

    assert (await call.run(["phone0001"])).body == {
        "error_code": "KOOPHONE.API.40010",
        "error_msg": "sold out",
    }


async def test_a_throttle_tells_figures_or_a_time_or_nothing(call: SignedClient) -> None:
    for throttle in (Throttle(), Throttle(figures=False), Throttle(retry_after=3)):
        call.emulator.fault(throttle, first=1)

    response = [await call.run(["phone0001"]) for _ in range(3)]

    assert [one.code for one in response] == ["APIGW.0308"] * 3
    assert [one.status for one in response] == [429] * 3
    assert ["limit:6,time:1 minute" in one.body["error_msg"] for one in response] == [True, False, True]
    assert [one.headers.get("Retry-After") for one in response] == [None, None, "3"]
    assert executed(call) == {}


async def test_a_delay_carries_the_call_out_though_the_caller_is_gone(call: SignedClient) -> None:
    call.emulator.fault(Delay(60))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await call.run(["phone0001"])
    assert executed(call) == {}
    await asyncio.sleep(31)

    assert executed(call) == {"phone0001": 1}


async def test_a_late_answer_is_late(call: SignedClient) -> None:
    call.emulator.fault(Delay(60, executed=True))

    await call.run(["phone0001"])

    assert VirtualTimeLoop.running().time() == pytest.approx(60, abs=1)
    assert call.emulator.ledger.recent_requests[-1].ms == pytest.approx(60_000, abs=1)


@pytest.mark.parametrize("after", [False, True])
async def test_a_stalled_call_is_never_answered(call: SignedClient, *, after: bool) -> None:
    call.emulator.fault(Stall(executed=after))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await call.run(["phone0001"])
    await asyncio.sleep(1)
    assert executed(call) == ({"phone0001": 1} if after else {})
    assert call.emulator.ledger.recent_requests[-1].verdict == "stalled"


async def test_a_stalled_call_breaks_off_when_the_emulator_is_reset(call: SignedClient) -> None:
    call.emulator.fault(Stall())
    asyncio.get_running_loop().call_later(5, call.emulator.reset)

    with pytest.raises(aiohttp.ClientConnectionError):
        await call.run(["phone0001"])


async def test_a_cut_answer_promises_more_than_comes(call: SignedClient) -> None:
    call.emulator.fault(Truncate(0.5), first=1)

    with pytest.raises(aiohttp.ClientPayloadError):
        await call.run(["phone0001"])

    assert executed(call) == {"phone0001": 1}
    assert call.emulator.ledger.recent_requests[-1].verdict == "truncated"


async def test_garbage_may_come_as_the_body_or_before_the_status(call: SignedClient) -> None:
    call.emulator.fault(Garble("body"), first=1)
    call.emulator.fault(Garble("head"), first=1)

    with pytest.raises(UnicodeDecodeError):
        await call.run(["phone0001"])
    with pytest.raises(aiohttp.ClientError):
        await call.run(["phone0001"])

    assert executed(call) == {"phone0001": 2}
    assert [visit.verdict for visit in call.emulator.ledger.recent_requests] == ["garbled", "garbled"]


async def test_garbage_for_a_caller_who_is_gone_goes_nowhere(call: SignedClient) -> None:
    call.emulator.fault(Delay(60))
    call.emulator.fault(Garble("head"))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await call.run(["phone0001"])
    await asyncio.sleep(60)

    assert call.emulator.ledger.recent_requests[-1].verdict == "garbled"


async def test_rows_are_given_twice_or_left_out(call: SignedClient) -> None:
    call.emulator.fault(Duplicate(), commands.RUN, first=1)
    call.emulator.fault(Omit(), commands.RUN, phone="phone0002", every=2)

    twice, short = await call.run(TWO), await call.run(TWO)

    assert [row["instance_id"] for row in twice.data["cmd_jobs"]] == ["phone0001", *TWO]
    assert [row["instance_id"] for row in short.data["cmd_jobs"]] == ["phone0001"]
    assert executed(call) == dict.fromkeys(TWO, 2)


async def test_rows_of_another_phone_and_answers_without_rows_stay_as_they_are(call: SignedClient) -> None:
    call.emulator.fault(Omit(), phone="phone0001")
    call.emulator.fault(Omit(), phone="phone0001")
    call.emulator.fault(Distort())
    call.emulator.world.plan.add(Fault(Duplicate(), "iam"))

    assert (await call("POST", "/v1/instances/phone0001/auth")).data["device_token"]
    assert "projects" in (await call("GET", "/v3/projects")).body
    assert [row["instance_id"] for row in (await call.run(TWO)).data["cmd_jobs"]] == ["phone0002"]


async def test_states_may_be_numbers_that_nobody_knows(call: SignedClient) -> None:
    call.emulator.fault(Distort(42), instances.STATUS)

    assert await call.status(TWO) == [42, 42]


async def test_a_token_may_end_before_its_time(call: SignedClient) -> None:
    value = await token(call)
    call.emulator.fault(EndToken(), instances.STATUS, first=1)
    body = {"instance_ids": ["phone0001"]}

    response = await call("POST", "/v1/instances/batch-query-status", body, headers=with_token(value))

    assert (response.status, response.code) == (401, "KOOPHONE.API.6001")


async def test_calls_that_are_refused_anyway_meet_no_fault(call: SignedClient) -> None:
    call.emulator.fault(Refuse(503), first=1)

    assert (await call.run([])).code == "KOOPHONE.API.1000"
    assert (await call.run(["phone0001"])).status == 503


def struck(plan: Plan, calls: int, phone: str = "phone0001") -> list[int]:
    return [n for n in range(1, calls + 1) if plan.on_call("koophone.commands.run", [phone])]


def test_conditions_choose_the_calls_that_fail() -> None:
    def planned(fault: Fault) -> Plan:
        plan = Plan()
        plan.add(fault)
        return plan

    assert struck(planned(Fault(Stall(), every=3)), 9) == [3, 6, 9]
    assert struck(planned(Fault(Stall(), first=2)), 9) == [1, 2]
    assert struck(planned(Fault(Stall(), every=2, first=2)), 9) == [2, 4]
    assert struck(planned(Fault(Stall(), "koophone.commands.run")), 2) == [1, 2]
    assert struck(planned(Fault(Stall(), "cph")), 2) == []
    assert struck(planned(Fault(Stall(), phone="phone0002")), 2) == []


def test_chance_is_decided_by_the_seed() -> None:
    def rolled(seed: int) -> list[int]:
        plan = Plan(seed)
        plan.add(Fault(Stall(), probability=0.1))
        return struck(plan, 1000)

    assert rolled(1) == rolled(1) != rolled(2)
    assert 60 < len(rolled(1)) < 140


def test_a_plan_survives_json() -> None:
    faults = [Fault(Refuse(503, "", retry_after=1.0), every=2), Fault(EndToken()), Fault(Omit(), phone="a")]

    assert from_json(to_json(faults)) == faults
    assert from_json([{"action": "end_token"}]) == [Fault(EndToken())]


@pytest.mark.parametrize(
    "plan, problem",
    [
        ({"action": "reset"}, "faults: are not a JSON list"),
        (["reset"], "fault 1: is not a JSON object"),
        ([{"action": "reset"}, {"phone": "a"}], "fault 2: has no action"),
        ([{"action": 5}], "fault 1: cannot be read: an action is one of refuse, throttle"),
        ([{"action": "reset", "probability": 10**400}], "fault 1: cannot be read: int too large"),
        ([{"action": "reset", "evry": 2}], "fault 1: cannot be read: .*evry"),
        ([{"action": "reset", "operation": "cph.x"}], "operation: cph.x is not in the catalogue"),
    ],
)
def test_a_plan_that_is_none_is_refused_with_the_fault_that_is_wrong(plan: object, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        from_json(plan)
