"""Waits for gaming jobs: all jobs of a server or phone end in one outcome."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from koophone_async import ResumeToken, State
from koophone_async.errors import InvalidRequest, NotFound, Refused
from koophone_async.gaming import Deployment, JobKind, RefusedServer, Started, StartedJob
from koophone_async.services.gaming.completion import refusals

if TYPE_CHECKING:
    from koophone_async import Report, Run
    from koophone_async.gaming import Fleet, Gaming
    from tests.gaming.gaming_service import GameService

pytestmark = pytest.mark.virtual_time

SERVERS = [f"s{n}" for n in range(250)]


def states(report: Report) -> dict[str, int]:
    return {state.value: count for state, count in report.counts.items() if count}


async def test_a_deployment_ends_when_all_its_jobs_have_ended(gaming: Gaming) -> None:
    started = await gaming.deployments.deploy(["s1", "s2"], ["v1", "v2"])

    report = await gaming.deployments.wait(started)

    assert states(report) == {"succeeded": 2}
    assert all(40 <= outcome.seconds < 80 for outcome in report)  # the server's own jobs took 5 and 10
    value = report["s1"].value
    assert isinstance(value, Deployment)
    assert [result.started.kind for result in value.results] == [30, 31, 32, 32, 31, 32, 32]


@pytest.mark.parametrize("seconds", [*permutations([5, 60, 120])], ids=str)
async def test_a_deployment_waits_for_its_last_job(
    service: GameService, gaming: Gaming, seconds: tuple[int, ...]
) -> None:
    service.seconds = dict(zip((30, 31, 32), seconds, strict=True))

    report = await gaming.fleet(SERVERS[:3]).deploy(["v1", "v2"])

    assert states(report) == {"succeeded": 3}
    assert all(120 <= outcome.seconds < 180 for outcome in report)


async def test_a_failure_names_its_phone_and_version(service: GameService, gaming: Gaming) -> None:
    service.failing = {"s1-b"}

    report = await gaming.deployments.wait(await gaming.deployments.undeploy(["s1", "s2"], ["v1"]))

    assert states(report) == {"failed": 1, "succeeded": 1}
    failed = report["s1"]
    assert failed.error_code == "CPS.0061"
    assert failed.error_message == "phone s1-b, version v1: No space. (1 of 4 jobs failed)"
    assert isinstance(failed.value, Deployment)
    assert [result.started.kind for result in failed.value.failed] == [JobKind.UNINSTALL]


async def test_an_update_has_the_outcome_of_its_phone(gaming: Gaming) -> None:
    started = await gaming.deployments.update("p1", ["v1", "v2"])

    report = await gaming.deployments.wait(started)

    assert [outcome.id for outcome in report] == ["p1"]
    assert report["p1"].state is State.SUCCEEDED


async def test_two_jobs_of_one_id_are_both_awaited(gaming: Gaming) -> None:
    started = await gaming.deployments.push(["s1"], ["v1"])
    (push,) = started.jobs
    install = StartedJob(JobKind.INSTALL, push.id, "s1", "p1", "v1")

    report = await gaming.deployments.wait(Started(started.request, (push, install)))

    value = report["s1"].value
    assert isinstance(value, Deployment)
    assert [result.succeeded for result in value.results] == [True, True]
    assert report["s1"].job_id == push.id


async def test_servers_in_failures_are_refused(service: GameService, gaming: Gaming) -> None:
    service.refused = {"s2"}

    report = await gaming.deployments.wait(await gaming.deployments.push(["s1", "s2"], ["v1"]))

    assert states(report) == {"succeeded": 1, "refused": 1}
    assert (report["s2"].error_code, report["s2"].error_message) == ("CPS.1028", "Server is frozen.")


async def test_a_refused_server_with_jobs_has_one_outcome(gaming: Gaming) -> None:
    started = await gaming.deployments.push(["s1"], ["v1"])
    refused = RefusedServer("s1", "CPS.1028", "Server is frozen.")

    report = await gaming.deployments.wait(evolve(started, failures=(refused,)))

    assert states(report) == {"refused": 1}
    assert report["s1"].state is State.REFUSED


async def test_jobs_without_a_target_are_awaited_too(gaming: Gaming) -> None:
    started = await gaming.deployments.push(["s1"], ["v1"])
    (job,) = started.jobs

    report = await gaming.deployments.wait(evolve(started, jobs=(evolve(job, server=None),)))

    assert [(outcome.id, outcome.state) for outcome in report] == [("", State.SUCCEEDED)]


async def test_phone_jobs_without_a_server_are_awaited_too(gaming: Gaming) -> None:
    started = await gaming.deployments.deploy(["s1"], ["v1"])
    jobs = [evolve(job, server=None) if job.phone == "s1-b" else job for job in started.jobs]

    report = await gaming.deployments.wait(evolve(started, jobs=tuple(jobs)))

    assert [(outcome.id, outcome.state) for outcome in report] == [
        ("s1", State.SUCCEEDED),
        ("s1-b", State.SUCCEEDED),
    ]


async def test_a_server_without_a_started_job_has_failed(gaming: Gaming) -> None:
    refused = StartedJob(JobKind.PUSH, None, "s1", None, "v1", "CPS.9999", "odd")
    started = await gaming.deployments.push(["s2"], ["v1"])

    report = await gaming.deployments.wait(Started(started.request, (refused, *started.jobs)))

    assert report["s1"].state is State.FAILED
    assert report["s1"].error_code == "CPS.9999"
    assert report["s2"].state is State.SUCCEEDED


async def test_one_job_that_was_not_started_fails_the_server(gaming: Gaming) -> None:
    started = await gaming.deployments.push(["s1"], ["v1"])
    refused = StartedJob(JobKind.PUSH, None, "s1", None, "v2")

    report = await gaming.deployments.wait(Started(started.request, (*started.jobs, refused)))

    assert report["s1"].state is State.FAILED
    assert report["s1"].error_message == (
        "server s1, version v2: the service gives no reason (1 of 2 jobs failed)"
    )


async def test_a_lost_job_leaves_its_server_unknown(service: GameService, gaming: Gaming) -> None:
    service.forgotten = {"s1-a"}

    report = await gaming.deployments.wait(await gaming.deployments.deploy(["s1", "s2"], ["v1"]))

    assert states(report) == {"unknown": 1, "succeeded": 1}
    assert report["s1"].state is State.UNKNOWN


async def test_a_wait_is_resumed_by_its_resume_token(gaming: Gaming) -> None:
    started = await gaming.deployments.deploy(["s1"], ["v1"])

    early = await gaming.deployments.wait(started, timeout=15)
    resume_token = early["s1"].resume_token
    assert early["s1"].state is State.UNFINISHED
    assert resume_token is not None
    again = await gaming.deployments.wait(resume_token, timeout=1)
    starts = {ResumeToken.parse(report["s1"].resume_token or "").started_at for report in (early, again)}
    assert len(starts - {None}) == 1
    late = await gaming.deployments.wait(resume_token)

    assert late["s1"].state is State.SUCCEEDED
    assert late["s1"].job_id == early["s1"].job_id == "j0,j1,j2,j3"


async def test_a_bare_request_id_is_awaited(service: GameService, gaming: Gaming) -> None:
    service.failing = {"s2-b"}
    started = await gaming.deployments.deploy(["s1", "s2"], ["v1"])

    report = await gaming.deployments.wait(started.request or "")

    assert {outcome.id: outcome.state for outcome in report} == {"s1": State.SUCCEEDED, "s2": State.FAILED}
    assert isinstance(report["s2"].value, Deployment)
    assert len(report["s2"].value.failed) == 1
    assert report["s1"].job_id == "j0,j1,j2,j3"


@pytest.mark.parametrize("fails", [False, True])
async def test_a_bare_job_id_is_awaited_and_resumed(
    service: GameService, gaming: Gaming, *, fails: bool
) -> None:
    service.failing = {"p1"} if fails else set()
    job = (await gaming.deployments.update("p1", ["v1", "v2"])).jobs[1].id or ""

    early = await gaming.deployments.wait(job, timeout=10)
    late = await gaming.deployments.wait(early["p1"].resume_token or "")

    assert (early["p1"].state, early["p1"].job_id) == (State.UNFINISHED, job)
    assert (late["p1"].state, late["p1"].job_id) == (State.FAILED if fails else State.SUCCEEDED, job)
    assert isinstance(late["p1"].value, Deployment)
    assert late["p1"].value.succeeded is not fails


async def test_an_unknown_bare_id_is_not_found(gaming: Gaming) -> None:
    with pytest.raises(NotFound, match=r"CPS\.0011"):
        await gaming.deployments.wait("6837531f")


async def test_a_cancelled_wait_stops_polling_and_the_jobs_go_on(
    service: GameService, gaming: Gaming
) -> None:
    started = await gaming.deployments.deploy(["s1"], ["v1"])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(15):
            await gaming.deployments.wait(started)

    polls = len(service.calls("/jobs"))
    await asyncio.sleep(600)

    assert len(service.calls("/jobs")) == polls > 0
    assert (await gaming.deployments.wait(started)).ok


async def test_waits_share_their_polls(service: GameService, gaming: Gaming) -> None:
    started = [await gaming.deployments.deploy([server], ["v1"]) for server in SERVERS[:60]]

    reports = await asyncio.gather(*map(gaming.deployments.wait, started))

    assert [list(report.outcomes) for report in reports] == [[server] for server in SERVERS[:60]]
    assert all(report.ok for report in reports)
    polls = [query["request_ids"].split(",") for *_, query, _ in service.calls("/jobs")]
    assert len(polls) < 30
    assert max(len(poll) for poll in polls) == 20


async def test_waits_for_one_call_end_independently(gaming: Gaming) -> None:
    started = await gaming.deployments.deploy(["s1", "s2"], ["v1"])
    early = await gaming.deployments.wait(started, timeout=15)
    of_one = asyncio.create_task(gaming.deployments.wait(early["s1"].resume_token or ""))
    cancelled = asyncio.create_task(gaming.deployments.wait(early["s2"].resume_token or ""))
    of_both = asyncio.create_task(gaming.deployments.wait(started))
    await asyncio.sleep(5)
    cancelled.cancel()

    assert list((await of_one).outcomes) == ["s1"]
    assert states(await of_both) == {"succeeded": 2}
    assert states(await gaming.deployments.wait(started)) == {"succeeded": 2}


async def test_an_answer_without_a_request_id_cannot_be_awaited(gaming: Gaming) -> None:
    with pytest.raises(InvalidRequest, match="no request id"):
        await gaming.deployments.wait(Started(None, (StartedJob(JobKind.PUSH, "j1", "s1"),)))


async def test_a_wait_for_no_jobs_ends_at_once(service: GameService, gaming: Gaming) -> None:
    assert (await gaming.deployments.wait(Started("r1"))).total == 0
    assert not service.received


async def test_unnamed_servers_of_a_refused_call_have_its_code(gaming: Gaming) -> None:
    named = RefusedServer("s1", "CPS.1028", "Server is frozen.")
    started = await gaming.deployments.push(["s2"], ["v1"])

    outcomes = list(refusals(Started("r1", started.jobs, (named,), "CPS.1040", "No."), ["s1", "s2", "s3"]))

    assert [(outcome.id, outcome.error_code) for outcome in outcomes] == [
        ("s1", "CPS.1028"),
        ("s3", "CPS.1040"),
    ]


async def test_an_invalid_resume_token_is_refused(gaming: Gaming) -> None:
    with pytest.raises(InvalidRequest, match="resume"):
        await gaming.deployments.wait("kp1.damaged")


VERBS = {
    "deploy": "batch_deploy_app_version",
    "push": "batch_push_app_version",
    "remove": "batch_remove_app_version",
    "undeploy": "batch_undeploy_app_version",
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_fleet_deploys_once_to_every_server(service: GameService, gaming: Gaming, verb: str) -> None:
    fleet: Fleet = gaming.fleet([*SERVERS, *SERVERS])
    run: Run[Any, Started] = getattr(fleet, verb)(iter(["v1"]))

    report = await run

    assert [outcome.id for outcome in report] == SERVERS
    assert states(report) == {"succeeded": 250}
    bodies = [body[VERBS[verb]] for *_, body in service.calls("/servers/action")]
    assert sorted(len(body["server_ids"]) for body in bodies) == [50, 100, 100]
    assert {tuple(body["app_version_ids"]) for body in bodies} == {("v1",)}
    assert sorted(server for body in bodies for server in body["server_ids"]) == sorted(SERVERS)


async def test_a_fleet_reports_each_server_as_it_ends(service: GameService, gaming: Gaming) -> None:
    service.failing, service.refused = {"s7-a"}, {"s8"}

    run = gaming.fleet(SERVERS[:10]).deploy(["v1"])
    outcomes = {outcome.id: outcome async for outcome in run}

    assert states(run.report) == {"succeeded": 8, "failed": 1, "refused": 1}
    assert isinstance(outcomes["s7"].value, Deployment)
    assert outcomes["s7"].error_message == "phone s7-a, version v1: No space. (1 of 4 jobs failed)"
    assert outcomes["s8"].error_code == "CPS.1028"
    assert outcomes["s1"].seconds >= 40 > outcomes["s8"].seconds


async def test_updates_take_one_phone_a_call_and_20_calls_a_poll(
    service: GameService, gaming: Gaming
) -> None:
    phones = [f"p{n}" for n in range(60)]

    report = await gaming.fleet(phones).update(["v1"])

    assert states(report) == {"succeeded": 60}
    assert len(service.calls("/action")) == 60
    polls = [query["request_ids"].split(",") for *_, query, _ in service.calls("/jobs")]
    assert len(polls) < 30
    assert max(len(poll) for poll in polls) == 20


async def test_an_unfinished_fleet_is_resumed_by_its_token(gaming: Gaming) -> None:
    report = await gaming.fleet(["s1", "s2"], deadline=20).deploy(["v1"])

    assert states(report) == {"unfinished": 2}
    for outcome in report:
        assert outcome.resume_token is not None
        late = await gaming.deployments.wait(outcome.resume_token)
        assert [(end.id, end.state) for end in late] == [(outcome.id, State.SUCCEEDED)]


async def test_an_update_that_names_only_another_phone_is_unknown(
    service: GameService, gaming: Gaming
) -> None:
    service.answer = {"request_id": "r1", "jobs": [{"job_type": 32, "job_id": "j1", "phone_id": "p2"}]}

    report = await gaming.fleet(["p1"]).update(["v1"])

    assert report["p1"].state is State.UNKNOWN


async def test_a_fleet_without_versions_is_refused_before_it_starts(gaming: Gaming) -> None:
    with pytest.raises(InvalidRequest, match="versions: has 0 items"):
        await gaming.fleet(SERVERS).deploy([])


async def test_a_refusal_of_the_whole_call_is_an_error(service: GameService, gaming: Gaming) -> None:
    service.status = 400
    service.answer = {"request_id": "r1", "error_code": "CPS.1040", "error_msg": "App pool cannot be scaled."}

    with pytest.raises(Refused) as raised:
        await gaming.deployments.deploy(["s1"], ["v1"])

    assert raised.value.code == "CPS.1040"
