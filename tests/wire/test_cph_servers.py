"""The documents' own bodies for servers and what belongs to them, read and written without loss.

`examples-cph/` has them as printed, one file a body: document, section, operation, direction.
003 is the document of 2020-07-30, 004 that of 2025-02-08.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async import Edition, wire
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.cph import (
    bandwidths,
    buying,
    encoding_servers,
    keypairs,
    scheduled_events,
    server_changes,
    server_models,
    servers,
    shared_apps,
    shared_files,
    shared_filesystems,
    tags,
)

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

EXAMPLES: Final = Path(__file__).parent / "examples-cph"
SECTIONS: Final = (
    *("003__4.1.", "003__4.2.", "003__4.5.", "003__4.6."),
    *("004__5.1.", "004__5.2.", "004__5.5.", "004__5.6.", "004__5.8."),
)
Json = dict[str, Any]

SERVER: Final = {"server_id": "1234567b8bab40ffb711234cb80d0234"}
RESOURCE: Final = {"resource_id": SERVER["server_id"], "resource_type": "cph-server"}

REQUESTS: Final[dict[str, tuple[AnyOperation, dict[str, str]]]] = {
    "003__4.1.4__create_cloud_phone_server": (buying.BUY_V1, {}),
    "003__4.1.5__restart_cloud_phone_server": (servers.RESTART, {}),
    "003__4.1.6__push_share_files": (shared_files.PUSH, {}),
    "003__4.1.8__delete_share_files": (shared_files.DELETE, {}),
    "003__4.2.2__update_bandwidth": (bandwidths.UPDATE, {"band_width_id": "b1"}),
    "003__4.5.1__update_keypair": (keypairs.UPDATE, {}),
    "003__4.6.2__restart_encode_server": (encoding_servers.RESTART, {}),
    "004__5.1.4__create_cloud_phone_server_v2": (buying.BUY, {}),
    "004__5.1.5__restart_cloud_phone_server": (servers.RESTART, {}),
    "004__5.1.6__change_cloud_phone_server": (server_changes.CHANGE, SERVER),
    "004__5.1.7__push_share_files": (shared_files.PUSH, {}),
    "004__5.1.9__delete_share_files": (shared_files.DELETE, {}),
    "004__5.1.10__push_share_apps": (shared_apps.PUSH, {}),
    "004__5.1.11__delete_share_apps": (shared_apps.DELETE, {}),
    "004__5.1.12__change_server_model": (server_changes.CHANGE_MODEL, {}),
    "004__5.1.13__update_server_name": (servers.RENAME, SERVER),
    "004__5.2.2__update_bandwidth": (bandwidths.UPDATE, {"band_width_id": "b1"}),
    "004__5.5.1__update_keypair": (keypairs.UPDATE, {}),
    "004__5.6.2__restart_encode_server": (encoding_servers.RESTART, {}),
    "004__5.8.3__count_resource_instances": (tags.COUNT, {"resource_type": "cph-server"}),
    "004__5.8.3__list_resource_instances": (tags.FIND, {"resource_type": "cph-server"}),
    "004__5.8.4__batch_create_tags": (tags.ADD, RESOURCE),
    "004__5.8.5__batch_delete_tags": (tags.REMOVE, RESOURCE),
}
"""Each printed request: its operation, and the values of its path."""

ANSWERS: Final[dict[str, AnyOperation]] = {
    "003__4.1.1__list_cloud_phone_servers": servers.LIST,
    "003__4.1.2__get_cloud_phone_server_detail": servers.SHOW,
    "003__4.1.3__get_cloud_phone_server_models": server_models.MODELS,
    "003__4.1.4__create_cloud_phone_server": buying.BUY_V1,
    "003__4.1.5__restart_cloud_phone_server": servers.RESTART,
    "003__4.1.8__delete_share_files": shared_files.DELETE,
    "003__4.2.2__update_bandwidth": bandwidths.UPDATE,
    "003__4.5.1__update_keypair": keypairs.UPDATE,
    "004__5.1.1__list_cloud_phone_servers": servers.LIST,
    "004__5.1.2__get_cloud_phone_server_detail": servers.SHOW,
    "004__5.1.3__get_cloud_phone_server_models": server_models.MODELS,
    "004__5.1.4__create_cloud_phone_server_v2": buying.BUY,
    "004__5.1.5__restart_cloud_phone_server": servers.RESTART,
    "004__5.1.6__change_cloud_phone_server": server_changes.CHANGE,
    "004__5.1.7__push_share_files": shared_files.PUSH,
    "004__5.1.8__list_share_files": shared_files.LIST,
    "004__5.1.9__delete_share_files": shared_files.DELETE,
    "004__5.1.10__push_share_apps": shared_apps.PUSH,
    "004__5.1.11__delete_share_apps": shared_apps.DELETE,
    "004__5.1.12__change_server_model": server_changes.CHANGE_MODEL,
    "004__5.1.13__update_server_name": servers.RENAME,
    "004__5.2.1__query_bandwidth": bandwidths.LIST,
    "004__5.2.2__update_bandwidth": bandwidths.UPDATE,
    "004__5.5.1__update_keypair": keypairs.UPDATE,
    "004__5.6.1__list_encode_servers": encoding_servers.LIST,
    "004__5.6.2__restart_encode_server": encoding_servers.RESTART,
    "004__5.8.1__list_project_tags": tags.LIST,
    "004__5.8.2__list_resource_tags": tags.SHOW,
    "004__5.8.3__list_resource_instances": tags.FIND,
}

UNPRINTED: Final[dict[str, tuple[AnyOperation, Json]]] = {
    "a server whose disks and bandwidths are shown": (
        servers.SHOW,
        {
            **SERVER,
            "metadata": {
                "probation_begin_time": "2020-07-30T00:00:00Z",
                "probation_end_time": "2020-08-30T00:00:00Z",
            },
            "band_widths": [{"band_width_id": "b1", "band_width_charge_mode": 1}],
            "volumes": [{"volume_id": "v1", "volume_size": 40, "create_time": "2025-02-08T00:00:00Z"}],
            "share_volume_info": {"volume_type": "GPSSD", "size": 100, "version": 1},
            "addresses": [],
        },
    ),
    "a server that is refused among those that restart": (
        servers.RESTART,
        {
            "request_id": "r1",
            "jobs": [
                {**SERVER, "job_id": "j1"},
                {"server_id": "s2", "error_code": "CPS.0158", "error_msg": "The server is not available."},
            ],
        },
    ),
    "servers that are deleted": (servers.DELETE, {"request_id": "r1", "job_id": "j1"}),
    "offerings": (
        server_models.OFFERINGS,
        {
            "count": 1,
            "models": [
                {
                    "available_zone": "cn-east-3a",
                    "model_name": "physical.rx1.xlarge",
                    "sell_status": "sellout",
                }
            ],
            "page_info": {"next_marker": "m2"},
        },
    ),
    "shared apps": (
        shared_apps.LIST,
        {
            "collect_time": "2026-01-01T02:00:00Z",
            "share_apps": [{"package_name": "com.example.game", "versions": ["1.0", "1.1"]}],
            "page_info": {"next_marker": "m2"},
        },
    ),
    "scheduled events": (
        scheduled_events.LIST,
        {
            "count": 1,
            "scheduled_events": [
                {
                    "event_id": "e1",
                    **SERVER,
                    "server_name": "shop-1",
                    "server_model_name": "physical.rx1.xlarge",
                    "server_state": 5,
                    "type": "localdisk-recovery",
                    "authorization_type": "redeploy",
                    "state": "inquiring",
                    "publish_time": "2026-01-01T00:00:00Z",
                    "not_before": "2026-01-02T00:00:00Z",
                    "not_after": "2026-01-02T04:00:00Z",
                    "not_before_deadline": "2026-01-09T00:00:00Z",
                    "description": "A disk is worn.",
                }
            ],
        },
    ),
    "a file system that is mounted": (
        shared_filesystems.ATTACH,
        {"request_id": "r1", "jobs": [{**SERVER, "job_id": "j1"}]},
    ),
}
"""Answers that no document prints, made by their tables and by the vendor's SDK."""


def printed(example: str, direction: str) -> str:
    (file,) = EXAMPLES.glob(f"{example}__{direction}*.json")
    # The tables allow small letters only in a bucket's name, and their example has a large one.
    return file.read_text("utf-8").replace("bucketA", "bucket-a")


def without_nulls(pairs: list[tuple[str, Any]]) -> Json:
    return {key: value for key, value in pairs if value is not None}


def answered(operation: AnyOperation, body: str) -> Json:
    """Decode an answer and encode it again, with the request id, which most models do not keep."""
    answer = read(operation, RawResponse(200, {}, body.encode()), Edition.CHINA, None)
    kept: Json = {key: value for key, value in json.loads(body).items() if key == "request_id"}
    written: Json = wire.to_wire(answer)
    return kept | written


@pytest.mark.parametrize("example", REQUESTS)
def test_a_documented_request_is_read_and_written_without_loss(example: str) -> None:
    operation, path = REQUESTS[example]
    body = json.loads(printed(example, "request"))

    request = wire.from_wire(operation.request, body | path)
    placed = wire.encode_request(operation, request, project_id="p1")

    assert placed.body is not None
    assert json.loads(placed.body) == body
    assert not placed.query


@pytest.mark.parametrize("example", ANSWERS)
def test_a_documented_answer_is_read_and_written_without_loss(example: str) -> None:
    body = printed(example, "response")

    assert answered(ANSWERS[example], body) == json.loads(body, object_pairs_hook=without_nulls)


@pytest.mark.parametrize("name", UNPRINTED)
def test_an_answer_from_the_tables_is_read_without_loss(name: str) -> None:
    operation, body = UNPRINTED[name]

    assert answered(operation, json.dumps(body)) == body


def printed_here(direction: str) -> set[str]:
    files = (file.name for file in EXAMPLES.glob(f"*__{direction}*.json"))
    return {name.split(f"__{direction}")[0] for name in files if name.startswith(SECTIONS)}


def test_every_documented_body_is_tested() -> None:
    assert printed_here("request") == set(REQUESTS)
    assert printed_here("response") == set(ANSWERS)
