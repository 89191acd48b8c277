"""Faults change the outcome of the calls that meet their conditions."""

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
from tests.emulator.test_server_authentication import token, with_token

if TYPE_CHECKING:
    from tests.emulator.signed_client import SignedClient

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]

TWO = ["phone0001", "phone0002"]


def executed(call: SignedClient) -> dict[str, int]:
    return call.emulator.ledger.executions("koophone.commands.run")


@pytest.mark.parametrize("after", [False, True])
async def test_a_reset_happens_before_or_after_the_execution(call: SignedClient, *, after: bool) -> None:
    call.emulator.fault(Reset(executed=after), commands.RUN, first=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await call.run(["phone0001"])
    assert executed(call) == ({"phone0001": 1} if after else {})
    record = call.emulator.ledger.recent_requests[-1]
    assert (record.verdict, record.status, record.executed) == ("reset", 0, after)
    assert (await call.run(["phone0002"])).code == "0"


async def test_a_reset_can_be_limited_to_one_phone(call: SignedClient) -> None:
    call.emulator.fault(Reset(), phone="phone0002")

    with pytest.raises(aiohttp.ClientConnectionError):
        await call.run(TWO)
    await call.run(["phone0001"])

    assert executed(call) == {"phone0001": 1}


@pytest.mark.parametrize("after", [False, True])
async def test_a_refusal_happens_before_or_after_the_execution(call: SignedClient, *, after: bool) -> None:
    call.emulator.fault(Refuse(executed=after), "koophone")
    response = await call.run(["phone0001"])
    assert (response.status, response.code, response.body["error_msg"]) == (
        500,
        "KOOPHONE.API.9999",
        "未知错误",
    )
    assert executed(call) == ({"phone0001": 1} if after else {})


async def test_a_refusal_can_have_a_retry_after_header(call: SignedClient) -> None:
    call.emulator.fault(Refuse(503, "", retry_after=1.5))

    response = await call.run(["phone0001"])

    assert (response.status, response.headers["Retry-After"]) == (503, "1.5")
    assert response.body["error_msg"] == "Service Unavailable"


async def test_a_refusal_can_have_its_own_message(call: SignedClient) -> None:
    call.emulator.fault(Refuse(200, "KOOPHONE.API.40010", "sold out"))

    assert (await call.run(["phone0001"])).body == {
        "error_code": "KOOPHONE.API.40010",
        "error_msg": "sold out",
    }


async def test_a_throttle_can_state_the_limit_or_a_time(call: SignedClient) -> None:
    for throttle in (Throttle(), Throttle(figures=False), Throttle(retry_after=3)):
        call.emulator.fault(throttle, first=1)

    response = [await call.run(["phone0001"]) for _ in range(3)]

    assert [one.code for one in response] == ["APIGW.0308"] * 3
    assert [one.status for one in response] == [429] * 3
    assert ["limit:6,time:1 minute" in one.body["error_msg"] for one in response] == [True, False, True]
    assert [one.headers.get("Retry-After") for one in response] == [None, None, "3"]
    assert executed(call) == {}


async def test_a_delayed_call_is_executed_after_a_disconnect(call: SignedClient) -> None:
    call.emulator.fault(Delay(60))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await call.run(["phone0001"])
    assert executed(call) == {}
    await asyncio.sleep(31)

    assert executed(call) == {"phone0001": 1}


async def test_an_answer_can_be_delayed(call: SignedClient) -> None:
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


async def test_a_stalled_call_ends_when_the_emulator_is_reset(call: SignedClient) -> None:
    call.emulator.fault(Stall())
    asyncio.get_running_loop().call_later(5, call.emulator.reset)

    with pytest.raises(aiohttp.ClientConnectionError):
        await call.run(["phone0001"])


async def test_a_truncated_answer_is_shorter_than_announced(call: SignedClient) -> None:
    call.emulator.fault(Truncate(0.5), first=1)

    with pytest.raises(aiohttp.ClientPayloadError):
        await call.run(["phone0001"])

    assert executed(call) == {"phone0001": 1}
    assert call.emulator.ledger.recent_requests[-1].verdict == "truncated"


async def test_the_body_or_the_head_can_be_garbled(call: SignedClient) -> None:
    call.emulator.fault(Garble("body"), first=1)
    call.emulator.fault(Garble("head"), first=1)

    with pytest.raises(UnicodeDecodeError):
        await call.run(["phone0001"])
    with pytest.raises(aiohttp.ClientError):
        await call.run(["phone0001"])

    assert executed(call) == {"phone0001": 2}
    assert [record.verdict for record in call.emulator.ledger.recent_requests] == ["garbled", "garbled"]


async def test_a_garbled_answer_after_a_disconnect_is_dropped(call: SignedClient) -> None:
    call.emulator.fault(Delay(60))
    call.emulator.fault(Garble("head"))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await call.run(["phone0001"])
    await asyncio.sleep(60)

    assert call.emulator.ledger.recent_requests[-1].verdict == "garbled"


async def test_rows_can_be_duplicated_or_omitted(call: SignedClient) -> None:
    call.emulator.fault(Duplicate(), commands.RUN, first=1)
    call.emulator.fault(Omit(), commands.RUN, phone="phone0002", every=2)

    twice, short = await call.run(TWO), await call.run(TWO)

    assert [row["instance_id"] for row in twice.data["cmd_jobs"]] == ["phone0001", *TWO]
    assert [row["instance_id"] for row in short.data["cmd_jobs"]] == ["phone0001"]
    assert executed(call) == dict.fromkeys(TWO, 2)


async def test_alterations_leave_other_rows_unchanged(call: SignedClient) -> None:
    call.emulator.fault(Omit(), phone="phone0001")
    call.emulator.fault(Omit(), phone="phone0001")
    call.emulator.fault(Distort())
    call.emulator.world.plan.add(Fault(Duplicate(), "iam"))

    assert (await call("POST", "/v1/instances/phone0001/auth")).data["device_token"]
    assert "projects" in (await call("GET", "/v3/projects")).body
    assert [row["instance_id"] for row in (await call.run(TWO)).data["cmd_jobs"]] == ["phone0002"]


async def test_states_can_be_undocumented_numbers(call: SignedClient) -> None:
    call.emulator.fault(Distort(42), instances.STATUS)

    assert await call.status(TWO) == [42, 42]


async def test_a_token_can_be_revoked_by_a_fault(call: SignedClient) -> None:
    value = await token(call)
    call.emulator.fault(EndToken(), instances.STATUS, first=1)
    body = {"instance_ids": ["phone0001"]}

    response = await call("POST", "/v1/instances/batch-query-status", body, headers=with_token(value))

    assert (response.status, response.code) == (401, "KOOPHONE.API.6001")


async def test_an_invalid_call_uses_up_no_fault(call: SignedClient) -> None:
    call.emulator.fault(Refuse(503), first=1)

    assert (await call.run([])).code == "KOOPHONE.API.1000"
    assert (await call.run(["phone0001"])).status == 503


def struck(plan: Plan, calls: int, phone: str = "phone0001") -> list[int]:
    return [n for n in range(1, calls + 1) if plan.on_call("koophone.commands.run", [phone])]


def test_conditions_select_calls() -> None:
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


def test_the_seed_determines_random_faults() -> None:
    def rolled(seed: int) -> list[int]:
        plan = Plan(seed)
        plan.add(Fault(Stall(), probability=0.1))
        return struck(plan, 1000)

    assert rolled(1) == rolled(1) != rolled(2)
    assert 60 < len(rolled(1)) < 140


def test_a_plan_is_unchanged_by_json() -> None:
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
def test_an_invalid_plan_names_the_invalid_fault(plan: object, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        from_json(plan)
