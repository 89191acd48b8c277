"""KooPhone: its service methods and fleets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, assert_type

from koophone_async import Edition, Items, KooPhone, Outcome, Report, Session, State
from koophone_async.koophone import (
    Accepted,
    App,
    AppType,
    BuyInstances,
    CommandResults,
    Instance,
    InstanceQuery,
    InstanceStatuses,
    Order,
    Package,
    PreparedInstances,
    PrepareProgress,
    Skus,
    StartedTask,
    StreamAccess,
    Task,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


def a_client(session: Session) -> None:
    assert_type(KooPhone(session), KooPhone)
    assert_type(KooPhone(session, edition="international").edition, Edition)


async def lists_are_async_iterators_of_items(koophone: KooPhone) -> None:
    assert_type(koophone.instances.list(), Items[Instance])
    async for instance in koophone.instances.list(InstanceQuery(name="shop")):
        assert_type(instance, Instance)
        assert_type(instance.id, str)
    async for app in koophone.apps.list("phone0001", AppType.THIRD_PARTY):
        assert_type(app, App)


async def a_method_is_one_request(koophone: KooPhone, ids: Iterable[str], package: Package) -> None:
    assert_type(await koophone.commands.run(ids, "id"), StartedTask)
    assert_type(await koophone.commands.run_sync(ids, "id"), CommandResults)
    assert_type(await koophone.apps.install(ids, package), StartedTask)
    assert_type(await koophone.instances.status(ids), InstanceStatuses)
    assert_type(await koophone.instances.reset(ids), StartedTask)
    assert_type(await koophone.instances.reboot(ids), Accepted)
    assert_type(await koophone.jobs.list("task"), Task)


async def orders_and_streams(koophone: KooPhone, order: BuyInstances) -> None:
    assert_type(await koophone.orders.skus(), Skus)
    assert_type(await koophone.orders.buy(order), Order)
    assert_type(await koophone.streaming.prepare("user", ["phone0001"]), PreparedInstances)
    assert_type(await koophone.streaming.progress("user", "phone0001"), PrepareProgress)
    assert_type(await koophone.streaming.authorize("phone0001"), StreamAccess)


async def a_wait_returns_a_report(koophone: KooPhone, started: StartedTask) -> None:
    report = await koophone.jobs.wait(started.task, timeout=60)
    assert_type(report, Report)
    assert_type(report.counts[State.SUCCEEDED], int)


async def a_fleet_takes_any_source_of_ids(koophone: KooPhone, more: AsyncIterator[str]) -> None:
    assert_type(await koophone.fleet(["a", "b"]).run("id"), Report)
    assert_type(await koophone.fleet(id for id in ("a", "b")).run("id"), Report)
    assert_type(await koophone.fleet(more).run("id"), Report)
    assert_type(await koophone.fleet(koophone.instances.list()).reboot(), Report)


async def a_run_is_iterated_or_awaited(koophone: KooPhone) -> None:
    run = koophone.fleet(["a"], concurrency=4, deadline=60).run("id")
    assert_type(run.estimate().seconds, float)
    async for outcome in run:
        assert_type(outcome, Outcome)
    async with koophone.fleet(["a"]).run_sync("id") as run_sync:
        async for outcome in run_sync:
            assert_type(outcome.state, State)
    assert_type(await run, Report)
    assert_type(await run.cancel(), None)


def a_report_is_a_collection_of_outcomes(report: Report) -> None:
    assert_type(iter(report), Iterator[Outcome])
    assert_type([outcome.output for outcome in report], list[str | None])
    assert_type(report["phone0001"], Outcome)
    assert_type(len(report), int)
    assert_type(report.failed(), dict[str, Outcome])
    assert_type(report.to_rows(), list[dict[str, object]])
    assert_type(report.raise_for_failures(), None)
    assert_type(report.one(), Outcome)
    assert_type(report.ok, bool)


def an_outcome_has_plain_fields(outcome: Outcome) -> None:
    assert_type(outcome.id, str)
    assert_type(outcome.error_code, str | None)
    assert_type(outcome.seconds, float)
    assert_type(outcome.value, object)
    assert_type(outcome.resume_token, str | None)
    assert_type(outcome.to_row(), dict[str, object])


async def wrong_arguments_are_refused(koophone: KooPhone) -> None:
    await koophone.commands.run(7, "id")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    koophone.fleet([1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
