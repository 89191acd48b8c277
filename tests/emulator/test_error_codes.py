"""CPH's error codes follow from the field and the rule that it breaks, and from no wording."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async import Edition
from koophone_async.emulator.server.errors import Refusal
from koophone_async.emulator.server.request_parsing import HttpRequest, parse_request
from koophone_async.errors import InvalidRequest
from koophone_async.services.cph import (
    bandwidths,
    buying,
    commands,
    connections,
    encoding_servers,
    images,
    migration,
    phones,
    properties,
    scheduled_events,
    servers,
    shared_files,
    storage,
    tags,
)
from koophone_async.services.gaming import applications, deployments
from koophone_async.services.koophone import commands as koophone_commands

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

ID: Final = "0" * 32
PAIR: Final = {"source_phone_id": ID, "target_phone_id": "1" * 32}
SUBNET: Final = "fca063f6-b942-42a8-9004-e5545f58d6a2"
BANDWIDTH: Final = {"band_width_share_type": 0, "band_width_charge_mode": 1, "band_width_size": 5}
ORDER: Final = {
    "server_name": "farm",
    "server_model_name": "physical.rx1.xlarge",
    "phone_model_name": "rx1.cp.c15.d32.e1v1",
    "image_id": "1",
    "tenant_vpc_id": SUBNET,
    "nics": [{"subnet_id": SUBNET}],
    "public_ip": {"ids": ["a"]},
    "band_width": BANDWIDTH,
    "extend_param": {"period_type": 2, "period_num": 1},
}

CASES: Final[list[tuple[AnyOperation, Any, str]]] = [
    # Missing
    (commands.RUN, {"command": "shell", "phone_ids": [ID]}, "CPS.0118"),
    (properties.UPDATE_PROPERTIES, {}, "CPS.0077"),
    (buying.BUY, {**ORDER, "nics": [{}]}, "CPS.0226"),
    (buying.BUY, {**ORDER, "band_width": {**BANDWIDTH, "band_width_share_type": 1}}, "CPS.0033"),
    # One of two fields, or not both
    (commands.RUN, {"command": "shell", "content": "id"}, "CPS.0081"),
    (buying.BUY, {**ORDER, "count": 2}, "CPS.0251"),
    (
        scheduled_events.AUTHORIZE,
        {"authorization_type": "redeploy", "not_before": "2026-01-01T00:00:00Z"},
        "CPS.0174",
    ),
    (migration.MIGRATE, {"migrate_infos": [PAIR | {"target_phone_id": PAIR["source_phone_id"]}]}, "CPS.0231"),
    # Wrong type
    (migration.MIGRATE, {"migrate_infos": [PAIR | {"source_phone_id": {}}]}, "CPS.0232"),
    (migration.MIGRATE, {"migrate_infos": [PAIR | {"is_migrate_property": "maybe"}]}, "CPS.0235"),
    (commands.RUN, {"command": "shell", "content": "id", "phone_ids": ID}, "CPS.0080"),
    (phones.RENAME, {"phone_name": {}}, "CPS.0025"),
    (phones.STOP, [], "CPS.0078"),
    (phones.LIST, {"limit": "many"}, "CPS.0002"),
    (images.LIST, {"image_id": "x" * 100}, "CPS.0030"),
    # None of the listed values
    (commands.RUN, {"command": "reboot", "content": "id", "phone_ids": [ID]}, "CPS.0117"),
    (tags.ADD, {"action": "paint", "tags": [{"key": "a", "value": "b"}]}, "CPS.0047"),
    (connections.CONNECTIONS, {"phone_ids": [ID], "client_type": "tv"}, "CPS.0358"),
    # Bad format
    (shared_files.LIST, {"server_ids": ID, "path": "../etc"}, "CPS.0199"),
    (storage.EXPORT, {"storage_infos": [{"phone_id": ID, "bucket_name": "A"}]}, "CPS.0168"),
    # Out of range
    (bandwidths.UPDATE, {"band_width_size": 301}, "CPS.0036"),
    (storage.EXPAND, {"phones": [{"phone_id": ID, "new_size": 0}]}, "CPS.0347"),
    # Too short and too long
    (phones.RENAME, {"phone_name": ""}, "CPS.0025"),
    (tags.ADD, {"action": "create", "tags": [{"key": "k" * 200, "value": "b"}]}, "CPS.0304"),
    (applications.CREATE, {"name": "x" * 1000, "package_name": "a.b"}, "CPS.0078"),
    # Too few and too many
    (phones.STOP, {"phone_ids": []}, "CPS.0080"),
    (phones.STOP, {"phone_ids": ["a"] * 1001}, "CPS.0190"),
    (shared_files.DELETE, {"server_ids": ["a"] * 1001, "file_paths": ["/a"]}, "CPS.0096"),
    (encoding_servers.RESTART, {"encode_server_ids": ["a"] * 101}, "CPS.0122"),
    (servers.DELETE, {"server_ids": ["a"] * 101}, "CPS.0325"),
    (servers.RESTART, {"server_ids": ["a"] * 101}, "CPS.0096"),
    (connections.CONNECTIONS, {"phone_ids": ["a"] * 101, "client_type": "ANDROID"}, "CPS.0359"),
    (
        deployments.UNDEPLOY,
        {"batch_undeploy_app_version": {"app_version_ids": ["1"], "server_ids": ["a"] * 101}},
        "CPS.0096",
    ),
    (migration.MIGRATE, {"migrate_infos": [PAIR | {"target_phone_id": "x" * 33}]}, "CPS.0233"),
    # Not unique
    (migration.MIGRATE, {"migrate_infos": [PAIR, PAIR]}, "CPS.0234"),
    (tags.FIND, {"action": "filter", "tags": [{"key": "a", "values": ["b", "b"]}]}, "CPS.0315"),
    (koophone_commands.RUN, {"instance_ids": [], "command": "id"}, "KOOPHONE.API.1000"),
]


def refused(operation: AnyOperation, body: Any) -> Refusal:  # noqa: ANN401 - what JSON holds
    names = ("phone_id", "server_id", "resource_id", "band_width_id", "event_id", "app_id")
    path = {name: ID for name in names if f"{{{name}}}" in operation.path}
    path |= {"resource_type": "cph-server"} if "{resource_type}" in operation.path else {}
    is_query = operation.method == "GET"
    query: tuple[tuple[str, str], ...] = tuple(body.items()) if is_query else ()
    http = HttpRequest(path, query, b"" if is_query else json.dumps(body).encode(), "r1")
    with pytest.raises(Refusal) as caught:
        parse_request(operation, http, Edition.CHINA, strict=True)
    return caught.value


@pytest.mark.parametrize("operation, body, code", CASES)
def test_a_code_follows_from_field_and_rule(operation: AnyOperation, body: object, code: str) -> None:
    assert refused(operation, body).code == code


def test_rewording_every_message_changes_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    init = InvalidRequest.__init__

    def reworded(error: InvalidRequest, operation: str, field: str, _: str, *rest: Any) -> None:  # noqa: ANN401
        init(error, operation, field, "is wrong", *rest)

    monkeypatch.setattr(InvalidRequest, "__init__", reworded)
    refusals = [refused(operation, body) for operation, body, _ in CASES]

    assert [refusal.code for refusal in refusals] == [code for *_, code in CASES]
    assert {refusal.reason.partition(": ")[2] for refusal in refusals} == {"is wrong"}


def test_a_limit_is_in_the_message_of_the_service() -> None:
    refusal = refused(servers.DELETE, {"server_ids": ["a"] * 11})

    assert refusal.message == "The number of servers to be deleted is more than 10."
