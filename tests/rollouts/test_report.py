"""Reports: forecast and what happened, waves and gates, failures, and no secrets."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.emulator import Durations, Emulator, Fail
from koophone_async.rollouts.journal import Journal, RolloutState, WaitingFor
from koophone_async.rollouts.plans.plan import Between, Plan, Selection, Step
from koophone_async.rollouts.reports.markdown import to_markdown
from koophone_async.rollouts.reports.report import MAX_FAILURES, report
from koophone_async.rollouts.rollout import Rollout
from tests.rollouts.test_rollout import wait_for

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=40, jobs=Durations(fixed=30))]

RUN = "koophone.commands.run"


def plan(ids: list[str], *steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=steps or [Step("run", "id")], **fields)


async def test_what_happened_stands_beside_the_forecast(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids), journal, session)
    await Rollout(plan(ids), journal, session)

    found = await report(journal, "last")

    assert (found.state, found.counts, found.happened.calls) == ("finished", {"succeeded": 40}, 1)
    assert found.forecast is not None
    assert found.happened.seconds == pytest.approx(found.forecast.seconds, rel=0.2)
    assert [(cause.state, cause.phones) for cause in found.causes] == [("succeeded", 40)]


async def test_gates_have_their_times_and_are_no_part_of_the_duration(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids, waves=["1"], between=Between(approve=True)), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await wait_for(rollout, RolloutState.WAITING, WaitingFor.APPROVAL)
    await asyncio.sleep(3600)
    await rollout.approve()
    await running

    found = await report(journal, "last")

    first, second = found.waves
    (gate,) = first.gates
    assert gate.waiting_for == "approval"
    assert gate.ended is not None
    assert first.ended is not None
    assert first.ended <= gate.began < gate.began + timedelta(seconds=3600) <= gate.ended <= second.began
    assert found.happened.seconds is not None
    assert found.happened.seconds < 120
    assert "approval from" in to_markdown(found)
    assert [line.what for line in found.log if line.what == "approve"] == ["approve"]


async def test_the_window_is_a_gate(session: Session, journal: Journal, ids: list[str]) -> None:
    opens = session.now() + timedelta(hours=2)
    window = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M} UTC"
    await Rollout(plan(ids, window=window), journal, session)

    found = await report(journal, "last")

    (wave,) = found.waves
    assert [gate.waiting_for for gate in wave.gates] == ["window"]
    assert found.happened.seconds is not None
    assert found.happened.seconds < 120


async def test_failures_are_listed_with_their_output(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[3])
    await Rollout(plan(ids, Step("run", "echo '```|*x*'"), stop="never"), journal, session)

    found = await report(journal, "last")

    (failure,) = found.failures
    assert (failure.id, failure.state, failure.step) == (ids[3], "failed", 1)
    assert found.failure_count == 1
    assert ids[3] in to_markdown(found)


SIGNED = "https://shop.example/app.apk?AccessKeyId=key&Expires=4000000000&Signature=swordfish"


async def test_secrets_of_the_plan_and_of_outputs_are_left_out(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    await Rollout(plan(ids, Step("run", f"echo {SIGNED}; exit 1"), stop="never"), journal, session)

    found = await report(journal, "last")
    texts = json.dumps(found.to_data()), to_markdown(found)

    for text in texts:
        assert "swordfish" not in text
        assert "shop.example/app.apk" in text


async def test_texts_cannot_change_the_layout_of_markdown(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    odd = "# a|b\\n```\\n<b>x</b>"
    step = Step("run", f"printf '{odd}'; exit 1")
    await Rollout(plan(ids[:1], step, name="a|b *c* <i>", stop="never"), journal, session)

    text = to_markdown(await report(journal, "last"))

    assert text.startswith("# Rollout `a|b *c* <i>` (")
    headings = re.findall(r"^#+ .*$", text, re.MULTILINE)
    assert [heading for heading in headings if heading.startswith("## ")] == [
        f"## {title}" for title in ("Forecast", "Outcomes", "Waves", "Failures", "Log", "Plan")
    ]


async def test_an_interrupted_rollout_has_a_report_too(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids), journal, session)
    await rollout.start()
    running = asyncio.ensure_future(rollout)
    await asyncio.sleep(5)
    await rollout.interrupt()
    await running

    found = await report(journal, "last")

    assert (found.state, found.ended) == ("interrupted", None)
    assert [cause.state for cause in found.causes] == ["unfinished"]
    assert to_markdown(found)


async def test_a_rollout_that_has_sent_nothing_has_a_report_without_outcomes(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = Rollout(plan(ids), journal, session)
    await rollout.start()
    await rollout.interrupt()

    found = await report(journal, "last")
    text = to_markdown(found)

    assert (found.began, found.happened.calls, found.happened.seconds) == (None, 0, None)
    assert (found.causes, found.waves, found.failures) == ([], [], [])
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Forecast", "Log", "Plan"]


async def test_only_the_first_of_many_failures_are_listed_and_all_are_counted(
    session: Session, journal: Journal, ids: list[str]
) -> None:
    nobody = [f"nobody-{number}" for number in range(MAX_FAILURES + 1)]
    await Rollout(plan([*nobody, *ids], stop="never"), journal, session)

    found = await report(journal, "last")

    assert (len(found.failures), found.failure_count) == (MAX_FAILURES, MAX_FAILURES + 1)
    assert sum(cause.phones for cause in found.causes) == MAX_FAILURES + 1 + len(ids)
    assert "The first 1,000 of 1,001." in to_markdown(found)


async def test_each_selection_counts_in_the_report(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    emulator.fault(Fail(), RUN, phone=ids[39], first=1)
    targets = [Selection(ids=ids[:20]), Selection(ids=ids[20:])]
    await Rollout(Plan(targets=targets, steps=[Step("run", "id")], stop="never"), journal, session)

    found = await report(journal, "last")

    assert (found.targets, found.happened.calls) == (40, 2)
    assert found.counts == {"succeeded": 39, "failed": 1}
    assert [failure.id for failure in found.failures] == [ids[39]]
