"""Polls whose answer has another shape: it is described, and no wait takes it for an empty list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import frozen

from koophone_async import CloudPhone, KooPhone, State
from koophone_async.errors import UnreadableAnswer
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from koophone_async import Report, Session
    from tests.fake_server import ReceivedRequest

pytestmark = pytest.mark.virtual_time

Json = dict[str, Any]

JOB: Final = {"job_id": "j-a", "status": 2}


def koophone(session: Session) -> KooPhone:
    return KooPhone(session)


def cph(session: Session) -> CloudPhone:
    return CloudPhone(session, project_id="P", region="cn-north-4")


@frozen
class Poll:
    """A wait, and the answers of the service to it."""

    wait: Callable[[Session], Awaitable[Report]]
    path: str
    """The end of the path of its polls."""

    field: str
    row: Json
    started: Json
    edition: str = "china"

    @property
    def has_data(self) -> bool:
        """Whether the list is in `data`."""
        return "error_code" in self.started

    def answer(self, value: object) -> object:
        """Return the answer to a poll with a value in place of the list."""
        body = {self.field: value}
        return {"error_code": "0", "data": body} if self.has_data else body

    def server(self, *odd: object, forever: bool = False) -> FakeServer:
        """Return a server that answers polls oddly, for ever or until it has no more such answers."""
        left = list(odd)

        def reply(request: ReceivedRequest) -> Reply:
            if not request.path.endswith(self.path):
                return Reply(self.started)
            if left:
                return Reply(left[0] if forever else left.pop(0))
            return Reply(self.answer([self.row]))

        return FakeServer.handling(reply)


OK: Final[Json] = {"error_code": "0"}
POLLS: Final = {
    "task": Poll(
        lambda session: koophone(session).fleet(["a"]).run("id"),
        "/tasks/t1",
        "jobs",
        JOB,
        OK | {"data": {"task_id": "t1", "cmd_jobs": [{"instance_id": "a", "job_id": "j-a"}]}},
    ),
    "states": Poll(
        lambda session: koophone(session).fleet(["a"]).reboot(),
        "/batch-query-status",
        "status_results",
        {"instance_id": "a", "status": 2},
        OK,
    ),
    "list of instances": Poll(
        lambda session: koophone(session).fleet(["a"]).reboot(),
        "/batch-query",
        "result",
        {"instance_id": "a", "running_status": 2},
        OK,
        "international",
    ),
    "jobs": Poll(
        lambda session: cph(session).fleet(["a"]).run("id"),
        "/jobs",
        "jobs",
        JOB,
        {"request_id": "r1", "jobs": [{"phone_id": "a", "job_id": "j-a"}]},
    ),
    "deployment": Poll(
        lambda session: cph(session).gaming.fleet(["a"]).deploy(["v1"]),
        "/jobs",
        "jobs",
        JOB,
        {"request_id": "r1", "jobs": [{"server_id": "a", "job_id": "j-a"}]},
    ),
}

ODD_VALUES: Final[list[tuple[object, str]]] = [
    ("odd", "a text"),
    (7, "a number"),
    (True, "a boolean"),
    ({"a": 1}, "an object"),
]


def odd_answers(poll: Poll) -> list[tuple[object, str]]:
    """Return answers of another shape, and what is wrong with them."""
    lists = [(poll.answer(value), f"{poll.field} is {shown}, not a list") for value, shown in ODD_VALUES]
    bodies: list[tuple[object, str]] = [("odd", "it is a text"), ([poll.row], "it is a list")]
    data: list[tuple[object, str]] = [
        (OK | {"data": "odd"}, "data is a text, not an object"),
        (OK | {"data": 7}, "data is a number, not an object"),
        (OK | {"data": [7]}, "data is a list, not an object"),
        (OK | {"data": {"data": "odd"}}, "data is a text, not an object"),
    ]
    return lists + bodies + (data if poll.has_data else [])


CASES: Final = [(name, *case) for name, poll in POLLS.items() for case in odd_answers(poll)]


@pytest.mark.parametrize("name, answer, reason", CASES)
async def test_an_odd_answer_for_ever_is_the_reason(name: str, answer: object, reason: str) -> None:
    poll = POLLS[name]
    async with poll.server(answer, forever=True) as server, server.session(edition=poll.edition) as session:
        report = await poll.wait(session)

    assert [outcome.state for outcome in report] == [State.UNKNOWN]
    assert reason in (report["a"].error_message or "")


@pytest.mark.parametrize("name", POLLS)
async def test_a_few_odd_answers_end_no_wait(name: str) -> None:
    poll = POLLS[name]
    odd = [answer for answer, _ in odd_answers(poll)][:4]
    async with poll.server(*odd) as server, server.session(edition=poll.edition) as session:
        report = await poll.wait(session)

    assert report["a"].ok


BARE: Final[dict[str, Callable[[Session], Awaitable[Report]]]] = {
    "task": lambda session: koophone(session).jobs.wait("t1"),
    "jobs": lambda session: cph(session).jobs.wait("r1"),
    "deployment": lambda session: cph(session).gaming.deployments.wait("r1"),
}


@pytest.mark.parametrize("name, answer, reason", [case for case in CASES if case[0] in BARE])
async def test_a_bare_id_cannot_be_awaited_by_odd_answers(name: str, answer: object, reason: str) -> None:
    async with POLLS[name].server(answer, forever=True) as server, server.session() as session:
        with pytest.raises(UnreadableAnswer, match=reason):
            await BARE[name](session)


@pytest.mark.parametrize(
    "progress, reason",
    [
        ({"status": "odd"}, 'status is "odd", not an integer'),
        ("odd", "data is a text, not an object"),
    ],
)
async def test_an_odd_progress_is_described(progress: object, reason: str) -> None:
    def reply(request: ReceivedRequest) -> Reply:
        rows = [{"instance_id": "a", "status": 2}]
        data = {
            "prepare": {"status_list": [{"instance_id": "a", "status": 1}]},
            "batch-query-status": {"status_results": rows},
            "prepare-progress": progress,
        }
        return Reply(OK | {"data": data.get(request.path.rpartition("/")[2])})

    async with FakeServer.handling(reply) as server, server.session() as session:
        report = await koophone(session).fleet(["a"], deadline=900).prepare("user")

    assert report["a"].state is State.UNFINISHED
    assert reason in (report["a"].error_message or "")
