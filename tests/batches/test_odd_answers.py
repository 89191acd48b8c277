"""Runs whose answers have rows that no document describes: every run ends, and the other ids end rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async import CloudPhone, KooPhone, State
from koophone_async.cph import ClientType
from koophone_async.virtual_time import run_virtually
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from koophone_async import Report
    from tests.fake_server import ReceivedRequest

pytestmark = pytest.mark.virtual_time

Json = dict[str, Any]

IDS: Final = ["a", "b", "c"]
STARTED: Final = [{"instance_id": id, "job_id": f"j-{id}"} for id in IDS]
GOOD: Final = [{"job_id": f"j-{id}", "status": 2, "execute_msg": id} for id in "ac"]
SUCCEEDED: Final = {"a": State.SUCCEEDED, "c": State.SUCCEEDED}


async def run_on_instances(started: object, jobs: list[Any], task: object = "t1") -> Report:
    """Run a command on a, b and c, and return the report."""

    def reply(request: ReceivedRequest) -> Reply:
        data = {"jobs": jobs} if request.method == "GET" else {"task_id": task, "cmd_jobs": started}
        return Reply({"error_code": "0", "data": data})

    async with FakeServer.handling(reply) as server, server.session() as session:
        return await KooPhone(session).fleet(IDS, deadline=600).run("id")


async def run_on_phones(started: object, jobs: list[Any], request_id: object = "r1") -> Report:
    """Run a command on a, b and c, and return the report."""

    def reply(request: ReceivedRequest) -> Reply:
        return Reply(
            {"jobs": jobs} if request.method == "GET" else {"request_id": request_id, "jobs": started}
        )

    async with FakeServer.handling(reply) as server, server.session() as session:
        cph = CloudPhone(session, project_id="P", region="cn-north-4")
        return await cph.fleet(IDS, deadline=600).run("id")


def states(report: Report) -> Mapping[str, State]:
    return {outcome.id: outcome.state for outcome in report}


ODD_JOBS: Final[list[tuple[Any, str]]] = [
    ({"job_id": None, "status": 2}, "job_id is null"),
    ({"status": 2}, "job_id is missing"),
    ({"job_id": "j-b", "status": None}, "status is null (id j-b)"),
    ({"job_id": "j-b"}, "status is missing (id j-b)"),
    ({"job_id": "j-b", "status": "ended"}, 'status is "ended", not an integer (id j-b)'),
    (None, "a row is null"),
]
"""Rows for the job of b, and what is wrong with them."""


@pytest.mark.parametrize("row, reason", ODD_JOBS)
async def test_an_odd_row_of_a_task_ends_its_job_alone(row: Json, reason: str) -> None:
    report = await run_on_instances(STARTED, [GOOD[0], row, GOOD[1]])

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}
    assert report["b"].error_message == f"its job cannot be read: {reason}"
    assert report["b"].job_id == "j-b"


@pytest.mark.parametrize("row, reason", ODD_JOBS)
async def test_an_odd_row_of_the_list_of_jobs_ends_its_job_alone(row: Json, reason: str) -> None:
    phones = [{"phone_id": entry["instance_id"], "job_id": entry["job_id"]} for entry in STARTED]

    report = await run_on_phones(phones, [GOOD[0], row, GOOD[1]])

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}
    assert report["b"].error_message == f"its job cannot be read: {reason}"


async def test_a_job_without_id_is_lost_among_others_that_are_missing() -> None:
    report = await run_on_instances(STARTED, [GOOD[0], {"job_id": None, "status": 2}])

    assert states(report) == {"a": State.SUCCEEDED, "b": State.UNKNOWN, "c": State.UNKNOWN}
    assert report["b"].error_message == "the service does not know its job any more"


async def test_an_odd_time_of_a_job_changes_nothing() -> None:
    phones = [{"phone_id": id, "job_id": f"j-{id}"} for id in "ac"]
    jobs = [row | {"begin_time": "yesterday", "end_time": 10**20} for row in GOOD]

    report = await run_on_phones(phones, jobs)

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}


@pytest.mark.parametrize("job", [None, {}, "null", 10**400], ids=["null", "object", "text", "number"])
async def test_a_started_job_without_id_keeps_the_others_and_the_task(job: object) -> None:
    started = [STARTED[0], {"instance_id": "b", "job_id": job}, STARTED[2]]

    report = await run_on_instances(started, GOOD)

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}
    if not isinstance(job, int):
        assert "the answer has task t1" in str(report["b"].error_message)


@pytest.mark.parametrize("started", [None, "none", [], [None]])
async def test_a_task_without_jobs_is_in_every_outcome(started: object) -> None:
    report = await run_on_instances(started, GOOD)

    assert set(states(report).values()) == {State.UNKNOWN}
    assert all("the answer has task t1" in str(outcome.error_message) for outcome in report)


@pytest.mark.parametrize("task", [None, "null", {}])
async def test_jobs_without_a_task_are_in_their_outcomes(task: object) -> None:
    report = await run_on_instances(STARTED, GOOD, task)

    assert {outcome.id: outcome.job_id for outcome in report} == {id: f"j-{id}" for id in IDS}
    assert set(states(report).values()) == {State.UNKNOWN}


@pytest.mark.parametrize("request_id", [None, "null", {}])
async def test_jobs_without_a_request_are_in_their_outcomes(request_id: object) -> None:
    phones = [{"phone_id": id, "job_id": f"j-{id}"} for id in IDS]

    report = await run_on_phones(phones, GOOD, request_id)

    assert {outcome.id: outcome.job_id for outcome in report} == {id: f"j-{id}" for id in IDS}
    assert set(states(report).values()) == {State.UNKNOWN}


async def test_an_entry_without_job_and_error_is_unknown() -> None:
    phones = [{"phone_id": id, "job_id": f"j-{id}"} for id in "ac"]
    odd = {"phone_id": "b", "job_id": "null", "error_code": "0"}

    report = await run_on_phones([*phones, odd], GOOD)

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}


@pytest.mark.parametrize(
    "row, reason",
    [
        ({"instance_id": "b", "status": None}, "status is null (id b)"),
        ({"instance_id": None, "status": 2}, "instance_id is null"),
        ("odd", "a row is a text, not an object"),
    ],
)
async def test_an_odd_result_of_a_synchronous_command_spoils_itself_alone(row: object, reason: str) -> None:
    good = [{"instance_id": id, "status": 2, "execute_msg": "fine"} for id in "ac"]
    body = {"error_code": "0", "data": {"cmd_results": [good[0], row, good[1]]}}

    async with FakeServer.handling(lambda _: Reply(body)) as server, server.session() as session:
        report = await KooPhone(session).fleet(IDS).run_sync("id")

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}
    assert report["b"].error_message == f"its row in the answer cannot be read: {reason}"


async def test_a_synchronous_result_of_an_unknown_status_names_it() -> None:
    rows = [{"instance_id": id, "status": 9} for id in IDS]
    body = {"error_code": "0", "data": {"cmd_results": rows}}

    async with FakeServer.handling(lambda _: Reply(body)) as server, server.session() as session:
        report = await KooPhone(session).fleet(IDS).run_sync("id")

    assert {outcome.error_message for outcome in report} == {"its status is 9, which no document describes"}


@pytest.mark.parametrize(
    "status, reason", [(9, "its status is 9, which no document describes"), (None, "it has no status")]
)
async def test_a_synchronous_result_of_a_phone_without_status_says_so(status: object, reason: str) -> None:
    rows = [{"phone_id": id, "job_id": f"j-{id}", "status": status} for id in IDS]

    async with FakeServer.handling(lambda _: Reply({"jobs": rows})) as server, server.session() as session:
        cph = CloudPhone(session, project_id="P", region="cn-north-4")
        report = await cph.fleet(IDS).run_sync("id")

    assert {(outcome.state, outcome.error_message) for outcome in report} == {(State.UNKNOWN, reason)}


async def test_an_odd_status_of_an_instance_spoils_itself_alone() -> None:
    rows: list[Json] = [
        {"instance_id": "a", "status": 2},
        {"instance_id": "b", "status": "odd"},
        {"instance_id": "c", "status": 2},
    ]
    body = {"error_code": "0", "data": {"status_results": rows}}

    async with FakeServer.handling(lambda _: Reply(body)) as server, server.session() as session:
        report = await KooPhone(session).fleet(IDS).status()

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}


async def test_an_odd_connection_spoils_itself_alone() -> None:
    rows = [{"phone_id": id, "access_info": {"ticket": "t"}} for id in "ac"]
    body = {"connect_infos": [*rows, {"phone_id": "b", "access_info": None}], "errors": None}

    async with FakeServer.handling(lambda _: Reply(body)) as server, server.session() as session:
        cph = CloudPhone(session, project_id="P", region="cn-north-4")
        report = await cph.fleet(IDS).connections(ClientType.ANDROID)

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}
    assert "access_info is null (id b)" in str(report["b"].error_message)


async def test_a_list_yields_the_other_rows_and_reports_the_odd_one() -> None:
    """The odd row counts as one of the page: the next page begins after it."""
    rows: list[Json] = [{"phone_id": f"p{n}"} for n in range(150)]
    rows[3] = {"phone_id": None, "phone_name": "odd"}
    rows[120] = {"phone_id": "p120", "create_time": "yesterday"}

    def reply(request: ReceivedRequest) -> Reply:
        offset, limit = (int(request.query[name]) for name in ("offset", "limit"))
        return Reply({"phones": rows[offset : offset + limit], "count": len(rows)})

    async with FakeServer.handling(reply) as server, server.session() as session:
        phones = CloudPhone(session, project_id="P", region="cn-north-4").phones.list()
        ids = [phone.id async for phone in phones]

    assert ids == [f"p{n}" for n in range(150) if n != 3]
    assert [str(value) for value in phones.unreadable] == [
        "phone_id is null",
        'create_time is "yesterday", not a time (id p120)',
    ]
    assert len(server.received) == 2


async def test_a_list_can_be_left_early() -> None:
    body = {"error_code": "0", "data": {"result": [{"instance_id": "a"}, {"instance_id": "b"}]}}

    async with FakeServer.handling(lambda _: Reply(body)) as server, server.session() as session:
        instances = KooPhone(session).instances.list()
        first = await anext(instances)
        await instances.aclose()

        assert (first.id, [one async for one in instances]) == ("a", [])


async def deploy(started: list[Json], jobs: list[Any]) -> Report:
    """Deploy a version to servers a, b and c, and return the report."""

    def reply(request: ReceivedRequest) -> Reply:
        answer = {"request_id": "r1", "jobs": started}
        return Reply({"jobs": jobs} if request.method == "GET" else answer)

    async with FakeServer.handling(reply) as server, server.session() as session:
        gaming = CloudPhone(session, project_id="P", region="cn-north-4").gaming
        return await gaming.fleet(IDS).deploy(["v1"])


async def test_an_odd_job_of_a_deployment_makes_its_server_unknown() -> None:
    started = [{"server_id": id, "job_id": f"j-{id}"} for id in IDS]

    report = await deploy(started, [GOOD[0], {"job_id": "j-b", "status": None}, GOOD[1]])

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}
    assert report["b"].error_message == "its job cannot be read: status is null (id j-b)"


async def test_a_failed_job_of_a_deployment_goes_before_an_odd_one() -> None:
    started = [{"server_id": "a", "job_id": "j-a"}, *({"server_id": "b", "job_id": f"j-b{n}"} for n in "12")]
    jobs = [GOOD[0], {"job_id": "j-b1", "status": "odd"}, {"job_id": "j-b2", "status": -1, "error_code": "X"}]

    report = await deploy(started, jobs)

    assert states(report) == {"a": State.SUCCEEDED, "b": State.FAILED, "c": State.UNKNOWN}
    assert report["b"].error_code == "X"


@pytest.mark.parametrize("job", [None, "null", {}, [1]], ids=repr)
async def test_a_server_without_job_and_error_is_unknown(job: object) -> None:
    started = [{"server_id": id, "job_id": f"j-{id}"} for id in "ac"]
    odd = {"server_id": "b", "job_id": job, "error_code": "0"}

    report = await deploy([*started, odd], GOOD)

    assert states(report) == SUCCEEDED | {"b": State.UNKNOWN}
    assert report["b"].error_message == "the answer has neither a job nor an error"


ODD: Final = st.sampled_from(
    [
        None,
        "null",
        "",
        "odd",
        "yesterday",
        "\x1b",
        0,
        7,
        -1,
        1.5,
        1e300,
        10**30,
        True,
        [],
        {},
        [None],
        {"a": 1},
    ]
)


@pytest.mark.parametrize("run", [run_on_instances, run_on_phones])
@settings(max_examples=25, deadline=None)
@given(
    odd=ODD, is_started=st.booleans(), name=st.sampled_from(["id", "job_id", "status", "execute_msg", "more"])
)
def test_a_run_with_one_odd_value_ends_rightly_for_the_others(
    run: Callable[..., Coroutine[Any, Any, Report]], odd: object, *, is_started: bool, name: str
) -> None:
    jobs: list[Json] = [{"job_id": f"j-{id}", "status": 2, "execute_msg": id} for id in IDS]
    started: list[Json] = [{"instance_id": id, "phone_id": id, "job_id": f"j-{id}"} for id in IDS]
    rows = started if is_started else jobs
    rows[1] |= {"instance_id": odd, "phone_id": odd} if name == "id" else {name: odd}

    report = run_virtually(run(started, [*jobs]))

    assert states(report).items() >= SUCCEEDED.items()
    assert report["b"].state not in {State.ACCEPTED, State.REFUSED, State.NOT_SENT}
