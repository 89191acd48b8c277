"""The document's own bodies (CPH 5, 2020-07-30), read and written without loss.

They are kept as printed, one file a body: document, section, operation, direction.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async import Edition, wire
from koophone_async.gaming import JobKind, Started, StartedJob
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.gaming import applications
from tests.wire.documented import by_document

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

EXAMPLES: Final = Path(__file__).parent.parent / "wire" / "examples-gaming"
Json = dict[str, Any]

OPERATIONS: Final = by_document("gaming")
"""The document's operations and ours."""

UNPRINTED: Final[dict[str, Json]] = {
    "list_apps": {
        "apps": [
            {
                "name": "app_name",
                "package_name": "com.game.package",
                "launch_activity": "com.game.package.main_activity",
                "app_id": "1564567b8bab40f34711234cb80d0123",
                "description": "app_description",
                "create_time": "2020-01-01T00:00:00Z",
                "update_time": "2020-01-03T00:00:00Z",
            }
        ]
    },
    "create_app": {"request_id": "r1", "app_id": "1564567b8bab40f34711234cb80d0123"},
    "create_app_version": {"request_id": "r1", "app_version_id": "1564567b8bab40f34711234cb80d0123"},
    "query_phone_apps_detail": {"apps": [{"app_id": "a1", "app_version_id": "v1", "launch_activity": "x"}]},
    "deploy_app_version_to_server": {
        "request_id": "r1",
        "jobs": [{"job_type": 30, "server_id": "s1", "job_id": "j1"}],
        "failures": [
            {"server_id": "s2", "error_code": "CPS.1027", "error_msg": "Server is being scaled up."}
        ],
    },
}
"""Answers that are in no file, by the pages and the tables."""


def files(direction: str) -> list[Path]:
    return sorted(EXAMPLES.glob(f"*__{direction}.json"))


def operation_of(file: Path) -> AnyOperation:
    return OPERATIONS[file.name.split("__")[2]]


def with_documented_spelling(text: str) -> Any:  # noqa: ANN401 - what JSON holds
    """Decode a body, with the id of a version as most tables spell it."""
    return json.loads(text.replace("app_verison_id", "app_version_id"))


def answered(operation: AnyOperation, body: Json) -> Json:
    answer = read(operation, RawResponse(201, {}, json.dumps(body).encode()), Edition.CHINA, None)
    written: Json = wire.to_wire(answer)
    return {name: value for name, value in written.items() if value != []}


@pytest.mark.parametrize("file", files("request"), ids=lambda file: file.stem)
def test_a_documented_request_is_read_and_written_without_loss(file: Path) -> None:
    operation, body = operation_of(file), json.loads(file.read_text("utf-8"))
    if body.get("bucket_name") == "":  # printed empty; its table has at least 3 characters
        body["bucket_name"] = "bucket"

    around = {"phone_id": "p1"} if "{phone_id}" in operation.path else {}

    request = wire.from_wire(operation.request, body | around)
    placed = wire.encode_request(operation, request, project_id="p1")

    assert json.loads(placed.body or b"") == body
    assert not placed.query


@pytest.mark.parametrize("file", files("response"), ids=lambda file: file.stem)
def test_a_documented_answer_is_read_and_written_without_loss(file: Path) -> None:
    text = file.read_text("utf-8")
    body = with_documented_spelling(text)

    written = answered(operation_of(file), json.loads(text))

    assert {"request_id": body["request_id"]} | written == body


@pytest.mark.parametrize("name", UNPRINTED)
def test_an_answer_from_the_tables_is_read_without_loss(name: str) -> None:
    assert answered(OPERATIONS[name], UNPRINTED[name]) == UNPRINTED[name]


def test_a_version_id_is_read_in_both_spellings() -> None:
    rows = [{"server_id": "s1", "app_verison_id": "v1"}, {"server_id": "s2", "app_version_id": "v2"}]

    page = wire.from_wire(applications.ServerDeploymentPage, {"servers": rows})

    assert [row.version for row in page.items] == ["v1", "v2"]


def test_jobs_are_grouped_by_their_targets() -> None:
    body = (EXAMPLES / "003__5.3.2__deploy_app_version_to_server__response.json").read_text("utf-8")

    started = wire.from_wire(Started, json.loads(body))

    assert [job.kind for job in started.jobs] == [JobKind.DEPLOY, JobKind.PUSH, *[JobKind.INSTALL] * 2]
    first, second = started.targets
    assert [len(started.jobs_for(server)) for server in (first, second)] == [1, 3]
    assert started.jobs_for("1564567b8bab40f34711234cb80d0188") == started.jobs[3:]


def test_the_targets_of_an_update_are_its_phones() -> None:
    body = (EXAMPLES / "003__5.3.7__update_app_version_of_phone__response.json").read_text("utf-8")

    started = wire.from_wire(Started, json.loads(body))

    assert started.targets == ("1564567b8bab40f34711234cb80d0124", "1564567b8bab40f34711234cb80d0188")
    assert started.jobs_for(started.targets[0]) == started.jobs[:1]


def test_a_job_without_a_target_is_for_all() -> None:
    job = StartedJob(JobKind.PUSH, "j1")

    assert Started("r1", (job,)).jobs_for("s1") == (job,)
    assert Started("r1", (job,)).targets == ("",)


@pytest.mark.parametrize(
    "job, owner",
    [
        (StartedJob(JobKind.INSTALL, "j", "s1", "p1", "v1"), "phone p1, version v1"),
        (StartedJob(JobKind.PUSH, "j", "s1", None, "v1"), "server s1, version v1"),
        (StartedJob(JobKind.DEPLOY, "j", "s1"), "server s1"),
        (StartedJob(99, "j"), ""),
    ],
    ids=str,
)
def test_a_target_is_described_as_text(job: StartedJob, owner: str) -> None:
    assert job.description == owner
