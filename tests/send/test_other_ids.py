"""An answer about other ids than those of the request belongs to another request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async import CloudPhone, KooPhone, Session
from koophone_async.catalogue import OPERATIONS
from koophone_async.errors import UnreadableAnswer
from koophone_async.services.cph import connections, jobs, phones, servers
from koophone_async.services.gaming import versions
from koophone_async.services.koophone import instances, streaming
from tests.fake_server import FakeServer, Reply, handled_by, replies_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.operation import AnyOperation

SECRET: Final = "device-token-of-another-phone"
Case = tuple["AnyOperation", object, "Callable[[str], Any]"]


def _koophone(data: object) -> dict[str, object]:
    return {"error_code": "0", "error_msg": "ok", "data": data}


def _access(phone: str) -> dict[str, object]:
    return {"phone_id": phone, "access_info": {"access_ip": "192.0.2.1", "ticket": SECRET}}


CASES: Final[tuple[Case, ...]] = (
    (
        streaming.AUTHORIZE,
        streaming.InstanceRequest("asked"),
        lambda id: _koophone({"device_token": SECRET, "resource": {"kp_id": id}}),
    ),
    (
        streaming.PREPARE,
        streaming.PrepareInstances("user", ["asked", "too"]),
        lambda id: _koophone({"status_list": [{"instance_id": id, "status": 0}]}),
    ),
    (
        instances.STATUS,
        instances.InstancesRequest(["asked", "too"]),
        lambda id: _koophone({"status_results": [{"instance_id": id, "status": 0}]}),
    ),
    (
        connections.CONNECTIONS,
        connections.ConnectionRequest(["asked", "too"], connections.ClientType.ANDROID),
        lambda id: {"request_id": "r", "connect_infos": [_access(id)]},
    ),
    (
        phones.SHOW,
        phones.PhoneRequest("asked"),
        lambda id: {"phone_id": id, "phone_name": "n", "server_id": "s", "status": 2},
    ),
    (
        servers.SHOW,
        servers.ServerRequest("asked"),
        lambda id: {"server_id": id, "server_name": "n", "status": 5},
    ),
    (jobs.SHOW, jobs.JobRequest("asked"), lambda id: {"job_id": id, "status": 2, "phone_id": "p"}),
    (versions.SHOW, versions.VersionRequest("asked"), lambda id: {"app_version_id": id}),
)
IDS: Final = [case[0].name for case in CASES]


async def send(session: Session, operation: AnyOperation, request: object) -> object:
    return await session.send(operation, request, project_id="project")


def test_every_operation_whose_answer_names_ids_is_tried() -> None:
    assert set(IDS) == {operation.name for operation in OPERATIONS.values() if operation.answer_ids}


@pytest.mark.parametrize("operation, request_, body", CASES, ids=IDS)
async def test_an_answer_about_the_ids_of_the_request_is_read(
    operation: AnyOperation, request_: object, body: Callable[[str], Any]
) -> None:
    async with FakeServer(default=replies_with(Reply(body("asked")))) as server, server.session() as session:
        answer = await send(session, operation, request_)

    assert "asked" in operation.answer_ids(answer)  # type: ignore[misc]  # every case has it


@pytest.mark.parametrize("operation, request_, body", CASES, ids=IDS)
async def test_an_answer_about_other_ids_is_unreadable(
    operation: AnyOperation, request_: object, body: Callable[[str], Any]
) -> None:
    async with FakeServer(default=replies_with(Reply(body("other")))) as server, server.session() as session:
        with pytest.raises(UnreadableAnswer, match="it is about other ids") as caught:
            await send(session, operation, request_)

    assert SECRET.encode() not in caught.value.answer
    # Each on a connection of its own: what else comes over the old one belongs to yet another request.
    assert len(server.connections) == server.request_count == (3 if operation.repeatable else 1)


async def test_a_batch_with_an_unknown_row_is_read() -> None:
    rows = [{"instance_id": "asked", "status": 0}, {"instance_id": "other", "status": 0}]
    async with (
        FakeServer(default=replies_with(Reply(_koophone({"status_results": rows})))) as server,
        server.session() as session,
    ):
        answer = await KooPhone(session).instances.status(["asked"])

    assert [status.instance for status in answer.statuses] == ["asked", "other"]


async def test_a_fleet_gives_no_phone_the_stream_keys_of_another() -> None:
    def shift(received: Any) -> Reply:  # noqa: ANN401 - a received request
        phone = received.path.split("/")[3]
        return Reply(_koophone({"device_token": f"of-{phone}", "resource": {"kp_id": late.pop()}}))

    late = ["p2", "p1", "p1"]
    async with FakeServer(default=handled_by(shift)) as server, server.session() as session:
        report = await KooPhone(session).fleet(["p1", "p2", "p3"], concurrency=1).authorize()

    states = {id: outcome.state for id, outcome in report.outcomes.items()}
    assert states == {"p1": "succeeded", "p2": "unknown", "p3": "unknown"}


async def test_a_fleet_gives_no_phone_the_connection_of_another() -> None:
    body = {"request_id": "r", "connect_infos": [_access("p3")]}
    async with FakeServer(default=replies_with(Reply(body))) as server, server.session() as session:
        fleet = CloudPhone(session, project_id="project").fleet(["p1", "p2"])
        report = await fleet.connections(connections.ClientType.ANDROID)

    assert report.counts == {"unknown": 2}
    assert SECRET not in str(report.outcomes)
