"""Unknown phones are settled where something proves that the step was executed, and nowhere else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.batches import State
from koophone_async.cli.rollouts.findings import print_findings
from koophone_async.emulator import Durations, Emulator, Garble
from koophone_async.rollouts.execution.reconciliation import RECONCILERS, Finding, reconcile
from koophone_async.rollouts.journal import Journal, RolloutState
from koophone_async.rollouts.plans.expectations import Expect
from koophone_async.rollouts.plans.plan import Plan, Selection, Step
from koophone_async.rollouts.reports.last_outcomes import last_outcomes
from koophone_async.rollouts.rollout import Rollout
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from koophone_async import Session

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, jobs=Durations(fixed=2)),
]

SHOP = {
    "name": "com.shop", "file": "shop.apk", "version": "2.4", "size": "25", "url": "https://shop.example/a.apk",
}  # fmt: skip
AFTER = Step("run", "id")


def koophone(ids: list[str], *steps: Step, **fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    return Plan(targets=Selection(ids=ids), steps=steps, **fields)


def cph(emulator: Emulator, *steps: Step) -> Plan:
    ids = [phone.cph_id for phone in emulator.phones]
    project = emulator.banner()["project_id"]
    return Plan(targets=Selection(ids=ids), steps=steps, service="cph", resource="phones", project_id=project)


async def lost(plan: Plan, emulator: Emulator, session: Session, journal: Journal) -> Rollout:
    """Run a plan, of whose first step every answer is lost."""
    emulator.fault(Garble(), plan.verb(plan.steps[0]).operation.name)
    rollout = Rollout(plan, journal, session)
    report = await rollout
    assert set(report.counts) == {State.UNKNOWN}
    await asyncio.sleep(60)  # meanwhile the jobs end
    return rollout


async def check_settled(findings: list[Finding], session: Session, journal: Journal) -> None:
    """Check that all phones were settled, and take the step that follows."""
    assert [finding.is_settled for finding in findings] == [True] * 6, findings
    resumed = Rollout.resume("last", journal, session)
    await resumed
    record = await journal.find("last")
    assert (resumed.state, record.counts) == (RolloutState.FINISHED, {"succeeded": 6})


async def test_an_app_that_is_installed_settles_its_install(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    _ = await lost(koophone(ids, Step("install", SHOP), AFTER), emulator, session, journal)

    findings = await reconcile(journal, "last", session)

    assert findings[0].reason == "com.shop is installed in version 2.4"
    await check_settled(findings, session, journal)
    assert emulator.ledger.executions("koophone.apps.install") == dict.fromkeys(ids, 1)
    assert emulator.ledger.executions("koophone.commands.run") == dict.fromkeys(ids, 1)


async def test_an_app_that_is_not_there_leaves_the_phone_unknown(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    _ = await lost(koophone(ids, Step("install", SHOP)), emulator, session, journal)
    emulator.phones[ids[0]].android.apps.pop("com.shop")

    findings = await reconcile(journal, "last", session)

    assert [finding.is_settled for finding in findings] == [False] + [True] * 5
    assert findings[0].reason == "com.shop is not installed"
    assert (await journal.find("last")).counts == {"succeeded": 5, "unknown": 1}


@pytest.mark.emulator(now=utc_now)
async def test_a_phone_that_has_started_after_the_call_was_rebooted(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    _ = await lost(koophone(ids, Step("reboot"), AFTER), emulator, session, journal)

    findings = await reconcile(journal, "last", session)

    assert "it has started at" in findings[0].reason


async def test_a_phone_that_does_not_show_its_start_stays_unknown(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    _ = await lost(koophone(ids, Step("reboot")), emulator, session, journal)
    emulator.fault(Garble(), "koophone.commands.run")

    findings = await reconcile(journal, "last", session)

    assert {finding.reason for finding in findings} == {"it does not show when it has started"}
    assert not any(finding.is_settled for finding in findings)


async def test_properties_that_cannot_be_compared_stay_unknown(
    emulator: Emulator, session: Session, journal: Journal
) -> None:
    step = Step("update_properties", {"properties": '{"com.cph.mainkeys": "1"}'})
    _ = await lost(cph(emulator, step), emulator, session, journal)

    findings = await reconcile(journal, "last", session)

    assert {finding.reason for finding in findings} == {"the properties are JSON text, which is not compared"}
    assert not any(finding.is_settled for finding in findings)


async def test_a_phone_that_cannot_be_shown_stays_unknown(
    emulator: Emulator, session: Session, journal: Journal
) -> None:
    step = Step("update_properties", {"properties": {"com.cph.mainkeys": "1"}})
    _ = await lost(cph(emulator, step), emulator, session, journal)
    emulator.fault(Garble(), "cph.phones.show")

    findings = await reconcile(journal, "last", session)

    assert all(finding.reason.startswith("cph.phones.show: ") for finding in findings)
    assert not any(finding.is_settled for finding in findings)


async def test_properties_that_are_set_settle_their_update(
    emulator: Emulator, session: Session, journal: Journal
) -> None:
    step = Step("update_properties", {"properties": {"com.cph.mainkeys": "1"}})
    _ = await lost(cph(emulator, step, AFTER), emulator, session, journal)

    findings = await reconcile(journal, "last", session)

    assert findings[0].reason == "com.cph.mainkeys is 1"
    await check_settled(findings, session, journal)


async def test_what_nothing_shows_stays_unknown(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    _ = await lost(koophone(ids, AFTER), emulator, session, journal)

    findings = await reconcile(journal, "last", session)

    assert {(finding.is_settled, finding.reason) for finding in findings} == {
        (False, "nothing shows whether run was executed")
    }
    assert [outcome.state async for _, outcome in last_outcomes(journal, await journal.find("last"))] == [
        State.UNKNOWN
    ] * 6


async def test_a_rule_that_was_reached_is_judged_anew(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    stopped = koophone(ids, Step("install", SHOP), AFTER, stop="unknown=3")
    rollout = await lost(stopped, emulator, session, journal)
    assert rollout.state is RolloutState.STOPPED
    await reconcile(journal, "last", session)

    resumed = Rollout.resume("last", journal, session, judges_anew=True)
    await resumed

    assert resumed.state is RolloutState.FINISHED
    assert (await journal.find("last")).counts == {"succeeded": 6}


async def test_a_rule_that_is_still_reached_stops_again(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    _ = await lost(koophone(ids, AFTER, AFTER, stop="unknown=3"), emulator, session, journal)
    await reconcile(journal, "last", session)
    before = emulator.ledger.executions("koophone.commands.run")

    resumed = Rollout.resume("last", journal, session, judges_anew=True)
    await resumed

    assert resumed.state is RolloutState.STOPPED
    assert emulator.ledger.executions("koophone.commands.run") == before


async def test_an_expectation_that_cannot_be_judged_leaves_it_unknown(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    step = Step("install", SHOP, expect=Expect(seconds=30))
    _ = await lost(koophone(ids, step), emulator, session, journal)

    assert {finding.is_settled for finding in await reconcile(journal, "last", session)} == {False}


async def test_it_is_written_to_the_log(
    emulator: Emulator, session: Session, journal: Journal, ids: list[str]
) -> None:
    rollout = await lost(koophone(ids, Step("install", SHOP)), emulator, session, journal)
    await reconcile(journal, "last", session)

    (entry,) = [entry for entry in await journal.read_log(rollout.id or "") if entry.what == "reconcile"]
    assert entry.details == {"unknown": 6, "settled": 6}


def test_reconcilers_are_for_operations_that_are_there() -> None:
    assert all(len(name.split(".")) == 3 for name in RECONCILERS)


async def test_what_was_found_is_printed_with_its_reason(
    emulator: Emulator,
    session: Session,
    journal: Journal,
    ids: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _ = await lost(koophone(ids, Step("install", SHOP)), emulator, session, journal)

    await print_findings("last", journal, session)

    reason = "com.shop is installed in version 2.4"
    assert f"step 1 (install) has succeeded on phone[0001-0006]: {reason}" in capsys.readouterr().err
