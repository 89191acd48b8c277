"""The documents' own bodies for phones, images, commands and jobs, read and written without loss.

`examples-cph/` has them as printed, one file a body: document, section, operation, direction.
003 is the document of 2020-07-30, 004 that of 2025-02-08.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

from koophone_async import Edition, wire
from koophone_async.errors import UnreadableAnswer
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.cph import (
    commands,
    connections,
    images,
    jobs,
    migration,
    phone,
    phone_images,
    phone_models,
    phones,
    undocumented,
)
from tests.wire.documented import by_document

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

EXAMPLES: Final = Path(__file__).parent / "examples-cph"
SECTIONS: Final = (
    *("003__3__", "003__4.3.", "003__4.4.", "003__4.7."),
    *("004__4__", "004__5.3.", "004__5.4.", "004__5.7.", "004__5.9.", "004__6.1__"),
)
Json = dict[str, Any]
Body: TypeAlias = "dict[str, Body] | list[Body] | str | float | bool | None"

OPERATIONS: Final = by_document("cph")
"""The documents' operations and ours."""

PATHS: Final[dict[str, Json]] = {
    "update_phone_number": {"phone_id": "p1"},
    "add_image_member": {"image_id": "i1"},
}

EXPIRED: Final = {
    "device_ip": "phone_ip",
    "intranet_ip": "server_ip",
    "access_ip": "public_ip",
    "node_id": "server_id",
}
"""Names that the service still sends beside those that took their place, with the same values."""

UNPRINTED: Final[dict[str, tuple[AnyOperation, Json]]] = {
    "commands that were waited for": (
        commands.RUN_SYNC,
        {
            "request_id": "r1",
            "jobs": [
                {
                    "phone_id": "p1",
                    "job_id": "j1",
                    "status": -1,
                    "error_code": "CPS.0191",
                    "error_msg": "Run command failed.",
                    "execute_msg": "ls: cannot access '/system': No such file or directory",
                },
                {"phone_id": "p2", "job_id": "j2", "status": 2, "execute_msg": "xxxxx"},
            ],
        },
    ),
    "a phone with all that the tables have": (
        phones.SHOW,
        {
            "phone_id": "p1",
            "vnc_enable": "false",
            "has_encrypt": True,
            "metadata": {
                "probation_begin_time": "2020-07-30T00:00:00Z",
                "probation_end_time": "2020-08-30T00:00:00Z",
            },
            "property": '{"com.cph.mainkeys":"1"}',
            "custom_property": {"shop": "7"},
            "access_infos": [],
        },
    ),
    "phones that are migrated": (
        migration.MIGRATE,
        {"request_id": "r1", "jobs": [{"phone_id": "p1", "job_id": "j1"}]},
    ),
    "phones with a total": (phones.LIST, {"phones": [{"phone_id": "p1", "status": -9}], "count": 1}),
    "images with a next page": (
        phone_images.LIST,
        {
            "phone_images": [{"image_id": "i1", "is_support_encrypt": True, "receive_status": 0}],
            "page_info": {"next_marker": "m2"},
        },
    ),
    "an image that another account shares": (
        images.LIST,
        {"image_infos": [{"image_id": "i1", "image_type": "share", "src_project_id": "p2"}], "total": 1},
    ),
}
"""Answers that are printed outside of JSON or not at all, by the tables and the vendor's SDK."""


def files(direction: str) -> list[Path]:
    return sorted(file for file in EXAMPLES.glob(f"*__{direction}*.json") if file.name.startswith(SECTIONS))


def operation_of(file: Path) -> AnyOperation:
    return OPERATIONS[file.name.split("__")[2]]


def plain(value: Body) -> Body:
    """Return a body without nulls and expired names, and with JSON strings decoded."""
    if isinstance(value, list):
        return [plain(row) for row in value]
    if not isinstance(value, dict):
        return value
    fields = {k: v for k, v in value.items() if v is not None and EXPIRED.get(k) not in value}
    return {k: json.loads(str(v)) if k == "property" else plain(v) for k, v in fields.items()}


def answered(operation: AnyOperation, body: Json) -> Json:
    received = RawResponse(200, {}, json.dumps(body).encode())
    written: Json = wire.to_wire(read(operation, received, Edition.CHINA, None))
    return written


@pytest.mark.parametrize("file", files("request"), ids=lambda file: file.stem)
def test_a_documented_request_is_read_and_written_without_loss(file: Path) -> None:
    operation, body = operation_of(file), json.loads(file.read_text("utf-8"))

    request = wire.from_wire(operation.request, body | PATHS.get(file.name.split("__")[2], {}))
    placed = wire.encode_request(operation, request, project_id="p1")

    assert placed.body is not None
    assert plain(json.loads(placed.body)) == plain(body)
    assert not placed.query


@pytest.mark.parametrize("file", files("response"), ids=lambda file: file.stem)
def test_a_documented_answer_is_read_and_written_without_loss(file: Path) -> None:
    body = json.loads(file.read_text("utf-8"))
    if "imei" in body:  # a number here, text by its table
        body["imei"] = str(body["imei"])

    written = answered(operation_of(file), body)

    assert plain({"request_id": body.get("request_id")} | written) == plain(body)


@pytest.mark.parametrize("name", UNPRINTED)
def test_an_answer_from_the_tables_is_read_without_loss(name: str) -> None:
    operation, body = UNPRINTED[name]

    assert answered(operation, body) == body


def test_properties_are_read_from_a_plain_object_too() -> None:
    details = wire.from_wire(phone.PhoneDetails, {"phone_id": "p1", "property": {"imsi": "46", "n": 7}})

    assert details.properties == {"imsi": "46", "n": "7"}


@pytest.mark.parametrize("text", ["", "{", "[]", None])
def test_odd_properties_do_not_spoil_a_phone(text: str | None) -> None:
    assert wire.from_wire(phone.PhoneDetails, {"phone_id": "p1", "property": text}).properties == {}


def test_addresses_are_read_from_their_former_names() -> None:
    old = {"phone_id": "p1", "access_infos": [{"device_ip": "a", "intranet_ip": "b", "access_ip": "c"}]}

    (port,) = wire.from_wire(phone.PhoneDetails, old).ports

    assert (port.phone_ip, port.server_ip, port.public_ip) == ("a", "b", "c")


def test_models_are_read_by_the_name_of_2020_too() -> None:
    page = wire.from_wire(
        phone_models.PhoneModelPage, {"phone_model": [{"phone_model_name": "m", "cpu": 2.0}]}
    )

    assert [(model.name, model.cpu) for model in page.items] == [("m", 2)]


def test_an_unknown_state_stays_a_number() -> None:
    assert wire.from_wire(phone.Phone, {"phone_id": "p1", "status": 99}).state == 99


def test_an_access_ticket_is_in_no_repr() -> None:
    body = {"phone_id": "p1", "access_info": {"ticket": "s3cret"}}

    connection = wire.from_wire(connections.Connection, body)

    assert connection.access.ticket == "s3cret"
    assert "s3cret" not in repr(connection)


def test_job_requests_are_joined_by_commas_in_the_query() -> None:
    placed = wire.encode_request(jobs.LIST, jobs.JobQuery(["r1", "r2"]), project_id="p1")

    assert placed.path == "/v1/p1/cloud-phone/jobs"
    assert placed.query == [("request_ids", "r1,r2"), ("offset", "0"), ("limit", "100")]
    assert wire.from_wire(jobs.JobQuery, {"request_ids": ["r1,r2"]}).requests == ("r1", "r2")


def test_times_of_a_query_are_milliseconds() -> None:
    query = wire.from_wire(images.ImageQuery, {"create_since": 1713320018058})

    assert wire.encode_request(images.LIST, query, project_id="p1").query[0] == (
        "create_since",
        "1713320018058",
    )


def test_a_raw_request_has_query_and_body() -> None:
    request = undocumented.RawRequest.of({"vpc_id": "v 1"}, {"peering_id": "x", "routes": [{"a": 1}]})

    placed = wire.encode_request(undocumented.DELETE_PEERING_ROUTES, request, project_id="p1")

    assert placed.path == "/v1/p1/cloud-phone/peering-routes"
    assert placed.query == [("vpc_id", "v 1")]
    assert placed.body is not None
    assert json.loads(placed.body) == {"peering_id": "x", "routes": [{"a": 1}]}


def test_an_empty_raw_request_has_neither_query_nor_body() -> None:
    placed = wire.encode_request(undocumented.CREATE_AGENCY, undocumented.RawRequest.of(), project_id="p1")

    assert (placed.path, placed.query, placed.body) == ("/v1/p1/agencies", [], None)


@pytest.mark.parametrize("name", [name for name, o in OPERATIONS.items() if o.source == undocumented.SOURCE])
def test_an_undocumented_answer_is_returned_unchanged(name: str) -> None:
    body = b'{"request_id":"r1","rows":[{"a":1.5}]}'

    answer: undocumented.RawAnswer = read(OPERATIONS[name], RawResponse(200, {}, body), Edition.CHINA, None)

    assert bytes(answer) == body
    assert answer.value == {"request_id": "r1", "rows": [{"a": 1.5}]}


def test_an_error_keeps_an_answer_that_is_a_file() -> None:
    with pytest.raises(UnreadableAnswer) as raised:
        read(undocumented.EXPORT_PHONE_DETAILS, RawResponse(200, {}, b"PK\x03"), Edition.CHINA, None)

    assert raised.value.answer == b"PK\x03"
