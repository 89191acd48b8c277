"""What a rollout is expected to take, and what becomes of the forecast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator
from koophone_async.errors import InvalidRequest
from koophone_async.operation import Quota
from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.plans.plan import Between, Plan, Selection, Step
from koophone_async.rollouts.reports.forecast import DUPLICATE, UNLISTED, Forecast, forecast_plan
from koophone_async.rollouts.rollout import Rollout
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.rollouts.journal import Journal

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=40, servers=4, jobs=Durations(fixed=30))]

RUN = "koophone.commands.run"


def plan(ids: list[str], *steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=steps or [Step("run", "id")], **fields)


async def foreseen(plan: Plan, session: Session, journal: Journal | None = None) -> Forecast:
    async with Clients(plan, session) as clients:
        return await forecast_plan(plan, clients, session.now(), journal)


async def test_a_forecast_counts_phones_calls_and_waves(session: Session, ids: list[str]) -> None:
    found = await foreseen(plan(ids, Step("run", "a"), Step("run", "b"), waves=["1", "1%"]), session)

    assert (found.phones, found.waves, found.skipped_waves) == (40, (1, 40), ("1%",))
    assert [step.calls for step in found.steps] == [2, 2]
    assert found.polls >= 4
    assert found.states == {"running": 40}
    assert sum(found.regions.values()) == 40


async def test_what_is_left_out_has_a_reason(session: Session, ids: list[str]) -> None:
    only = Step("run", "a", only=ids[:3])

    found = await foreseen(plan([*ids, ids[0], "missing"], only), session)

    assert found.skipped == {DUPLICATE: 1, UNLISTED: 1, "not in `only` of step 1": 38}
    assert found.steps[0].phones == 3


async def test_pauses_and_quotas_are_the_minimum(emulator: Emulator, ids: list[str]) -> None:
    async with emulator.session(quotas={RUN: (Quota(1, 60),)}) as slow:
        by_quota = await foreseen(plan(ids, waves=["1", "2"]), slow)
        by_pauses = await foreseen(plan(ids, waves=["1", "2"], between=Between(pause="10m")), slow)

    assert by_quota.min_seconds == pytest.approx(2 * 60, abs=1)
    assert by_pauses.min_seconds == 2 * 600
    assert by_quota.seconds >= by_quota.min_seconds
    assert by_pauses.seconds > by_pauses.min_seconds


async def test_durations_of_earlier_rollouts_replace_the_guess(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    guess = await foreseen(plan(ids), session, journal)
    rollout = Rollout(plan(ids), journal, session)
    await rollout

    found = await foreseen(plan(ids), session, journal)

    assert guess.is_guess
    assert (found.is_guess, found.steps[0].seen) == (False, 40)
    assert found.seconds == pytest.approx(30, rel=0.2)


async def test_a_server_executes_adb_commands_one_after_another(
    emulator: Emulator, session: Session, journal: Journal
) -> None:
    commands = Plan(
        targets=Selection(all=True),
        steps=Step("run", "id"),
        service="cph",
        resource="phones",
        project_id=emulator.banner()["project_id"],
    )
    rollout = Rollout(commands, journal, session)
    await rollout
    record = await rollout.status()
    assert record.began_at is not None
    assert record.ended_at is not None
    took = (record.ended_at - record.began_at).total_seconds()

    found = await foreseen(commands, session, journal)

    assert found.server_count > 1
    assert found.seconds == pytest.approx(took, rel=0.5)


async def test_a_forecast_is_kept_in_the_journal(session: Session, journal: Journal, ids: list[str]) -> None:
    rollout = Rollout(plan(ids), journal, session)

    assert (await rollout).counts == {State.SUCCEEDED: 40}

    kept = Forecast.from_json((await rollout.status()).forecast or "")
    assert (kept.phones, kept.calls) == (40, 1)
    assert kept.to_data()["calls"] == 1


async def test_likely_time_outside_of_the_window_does_not_count(session: Session, ids: list[str]) -> None:
    now = session.now().astimezone(UTC)
    opens, closes = now + timedelta(hours=2), now + timedelta(hours=3)
    window = f"{opens:%H:%M}-{closes:%H:%M} UTC"

    found = await foreseen(plan(ids, window=window), session)

    assert found.seconds < 3600
    assert timedelta(minutes=118) < found.likely_end - now < timedelta(minutes=125)


async def test_work_that_takes_several_windows_ends_in_the_last(emulator: Emulator, ids: list[str]) -> None:
    """Two waits of 75 minutes for the quota use up two windows of an hour, and half of the third."""
    async with emulator.session(quotas={RUN: (Quota(1, 75 * 60),)}) as slow:
        now = slow.now().astimezone(UTC)
        opens, closes = now + timedelta(hours=2), now + timedelta(hours=3)
        window = f"{opens:%H:%M}-{closes:%H:%M} UTC"

        found = await foreseen(plan(ids, waves=["1", "2"], window=window), slow)

    passed = found.likely_end - now - timedelta(days=2, hours=2)
    assert found.min_seconds == pytest.approx(150 * 60, abs=1)
    assert timedelta(minutes=28) < passed < timedelta(minutes=35)


@pytest.mark.parametrize("minutes", [-1, 1])
async def test_a_link_that_expires_too_soon_is_refused(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str], minutes: int
) -> None:
    expires = int((session.now() + timedelta(minutes=minutes)).timestamp())
    step = Step("run", f"curl https://example.com/app.apk?Expires={expires}")
    slow = plan(ids, step, waves=["1"], between=Between(pause="5m"))

    with pytest.raises(InvalidRequest, match="expires at"):
        await Rollout(slow, journal, session)

    assert emulator.ledger.executions(RUN) == {}


def test_a_forecast_is_restored_from_json() -> None:
    kept = Forecast(2, {"a": 2}, {}, 0, {}, {}, (1, 2), ("1%",), (), 0.0, 1.5, datetime.fromtimestamp(0, UTC))

    assert Forecast.from_json(kept.to_json()) == kept
    assert utc_now() > kept.likely_end
