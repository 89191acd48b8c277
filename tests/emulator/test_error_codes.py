"""CPH's error codes follow from the field and the rule that it breaks, and from no wording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async import Edition
from koophone_async.emulator.server import errors
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
    jobs,
    migration,
    phones,
    properties,
    scheduled_events,
    server_changes,
    servers,
    shared_files,
    storage,
    tags,
)
from koophone_async.services.gaming import applications, deployments
from koophone_async.services.koophone import commands as koophone_commands

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

DOCUMENTED: Final = Path(__file__).with_name("documented-errors.json")
"""Statuses and messages of each code in the documents' tables, which the package does not have."""

IN_CHINA: Final = Path(__file__).with_name("documented-errors-china.json")
"""The same of the China edition (KooPhone 5.2 of 2025-08-27), without the spaces at which columns break."""

OURS: Final = {
    "APIGW.0101": "the gateway's, in no document",
    "APIGW.0301": "the gateway's, in no document",
    "CPS.0191": "from the page of a command; the table uses it for subnets",
}

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

PORT: Final = {"name": "game", "listen_port": 10_001}


def ordered(*ports: dict[str, Any]) -> dict[str, Any]:
    return {**ORDER, "ports": [PORT | port for port in ports]}


def searched(tags: int = 0, values: int = 0, **match: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    keys = [{"key": f"k{n}", "values": [str(value) for value in range(values)]} for n in range(tags)]
    return {"action": "filter", "tags": keys, "matches": [match] if match else []}


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
    (phones.STOP, {"phone_ids": [1, 2]}, "CPS.0080"),
    (phones.STOP, {"phone_ids": [ID, True]}, "CPS.0080"),
    (phones.STOP, {"phone_ids": [1.5]}, "CPS.0080"),
    (phones.STOP, {"phone_ids": [None]}, "CPS.0080"),
    (phones.STOP, {"phone_ids": [{}]}, "CPS.0080"),
    (servers.RESTART, {"server_ids": [7]}, "CPS.0094"),
    (encoding_servers.RESTART, {"encode_server_ids": [7]}, "CPS.0122"),
    (properties.UPDATE_PROPERTIES, {"phones": [{"phone_id": 7, "property": "{}"}]}, "CPS.0004"),
    (migration.MIGRATE, {"migrate_infos": [PAIR | {"source_phone_id": 7}]}, "CPS.0232"),
    (koophone_commands.RUN, {"instance_ids": [1], "command": "id"}, "KOOPHONE.API.1000"),
    (servers.LIST, {"limit": "abc"}, "CPS.0002"),
    (jobs.LIST, {"request_ids": "a", "offset": "-1"}, "CPS.0002"),
    (scheduled_events.LIST, {"limit": "1e3"}, "CPS.0002"),
    (tags.FIND, {"action": "filter", "limit": "abc"}, "CPS.0002"),
    (tags.FIND, searched(key="resource_name", value=7), "CPS.0314"),
    (buying.BUY, ordered({"name": 7}), "CPS.0038"),
    (buying.BUY, ordered({"listen_port": "many"}), "CPS.0040"),
    # None of the listed values
    (servers.LIST, {"network_version": "v3"}, "CPS.0240"),
    (tags.FIND, searched(key="name", value="a"), "CPS.0313"),
    (tags.COUNT, searched(key="name", value="a") | {"action": "count"}, "CPS.0313"),
    (buying.BUY, ordered({"name": "adb"}), "CPS.0038"),
    (buying.BUY, ordered({"name": "vnc"}), "CPS.0038"),
    (server_changes.CHANGE, ordered({"name": "adb"}), "CPS.0038"),
    (buying.BUY_V1, ordered({"name": "adb"}), "CPS.0038"),
    (commands.RUN, {"command": "reboot", "content": "id", "phone_ids": [ID]}, "CPS.0117"),
    (tags.ADD, {"action": "paint", "tags": [{"key": "a", "value": "b"}]}, "CPS.0047"),
    (connections.CONNECTIONS, {"phone_ids": [ID], "client_type": "tv"}, "CPS.0358"),
    # Bad format
    (shared_files.LIST, {"server_ids": ID, "path": "../etc"}, "CPS.0199"),
    (storage.EXPORT, {"storage_infos": [{"phone_id": ID, "bucket_name": "A"}]}, "CPS.0168"),
    # Out of range
    (bandwidths.UPDATE, {"band_width_size": 301}, "CPS.0036"),
    (storage.EXPAND, {"phones": [{"phone_id": ID, "new_size": 0}]}, "CPS.0347"),
    (buying.BUY, ordered({"listen_port": 9_999}), "CPS.0040"),
    # Too short and too long
    (buying.BUY, ordered({"name": ""}), "CPS.0038"),
    (buying.BUY, ordered({"name": "x" * 17}), "CPS.0038"),
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
    (tags.FIND, searched(tags=11), "CPS.0309"),
    (tags.COUNT, searched(tags=11) | {"action": "count"}, "CPS.0309"),
    (tags.FIND, searched(tags=1, values=11), "CPS.0310"),
    # Not unique
    (buying.BUY, ordered({}, {"listen_port": 10_002}), "CPS.0039"),
    (buying.BUY, ordered({}, {"name": "chat"}), "CPS.0041"),
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


def test_every_code_has_its_documented_status_and_message() -> None:
    documented = json.loads(DOCUMENTED.read_text("utf-8"))
    known = {name: (status, message) for name, (status, message) in errors.ERRORS.items() if name not in OURS}

    assert known.keys() - documented.keys() == set()
    for name, (status, message) in known.items():
        # A code without a status in the documents is a bad request like its neighbours.
        rows = [(statuses or [400], _words(text)) for statuses, text in documented[name]]
        assert any(status in statuses and _words(message) == text for statuses, text in rows), name


def test_messages_in_china_are_those_of_its_document() -> None:
    in_china: dict[str, list[tuple[list[int], str]]] = json.loads(IN_CHINA.read_text("utf-8"))
    served = [code for code in errors.ERRORS if code.startswith("KOOPHONE.")]
    # The pages of operations list these; the table of the China edition lacks them.
    assert {*served} - in_china.keys() == {f"KOOPHONE.API.{n}" for n in (1323, 2210, 5002, 5004, 5005)}
    for code in served:
        status, message = errors.ERRORS[code][0], errors.message_of(code, Edition.CHINA)
        rows = in_china.get(code, [([status], errors.message_of(code))])
        assert any(status in statuses and _letters(message) == _letters(text) for statuses, text in rows), (
            code
        )


def _letters(message: str) -> str:
    return "".join(message.split())


def _words(message: str) -> str:
    return " ".join(message.casefold().split()).rstrip(".")


@pytest.mark.parametrize("operation, body, code", CASES)
def test_a_refusal_has_a_documented_code(operation: AnyOperation, body: object, code: str) -> None:
    documented = json.loads(DOCUMENTED.read_text("utf-8"))
    refusal = refused(operation, body)

    assert any(refusal.status in statuses for statuses, _ in documented[code])
    assert code in errors.ERRORS


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
    # Codes that follow from the fields on the wire have no reason.
    assert {refusal.reason.partition(": ")[2] for refusal in refusals} == {"is wrong", ""}


def test_a_limit_is_in_the_message_of_the_service() -> None:
    refusal = refused(servers.DELETE, {"server_ids": ["a"] * 11})

    assert refusal.message == "The number of servers to be deleted is more than 10."
