"""The documents' own example bodies, read and written by the models without loss.

`examples/` has them as the documents print them, one file a body: document, section, operation, direction.
001 is the edition of China (2025-08-27), 002 the international one (2025-12-31).
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest
from attrs import frozen

from koophone_async import Edition, wire
from koophone_async.errors import Refused
from koophone_async.koophone import ContentState, RunningState
from koophone_async.protocol.dialect import DIALECTS
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.koophone.instances import STATUS
from tests.wire.documented import by_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from enum import IntEnum

    from koophone_async.operation import AnyOperation
    from koophone_async.wire import Json

EXAMPLES: Final = Path(__file__).parent / "examples"
EDITIONS: Final = {"001": Edition.CHINA, "002": Edition.INTERNATIONAL}

BY_DOCUMENT: Final = by_document("iam", "koophone")
"""The documents' operations and ours."""


def scope_belongs_to_auth(body: Json) -> None:
    body["auth"]["scope"] = body.pop("scope")


def users_are_text(body: Json) -> None:
    for pair in body["user_instances"]:
        assert isinstance(pair["user_id"], int)
        pair["user_id"] = str(pair["user_id"])


def ids_are_a_list(body: Json) -> None:
    del body["user_id"]
    body["instance_ids"] = [body.pop("instance_id")]


def an_i_was_read_as_an_l(body: Json) -> None:
    for name in ("instanceSkuId", "bandSkuId"):
        body[name] = body.pop(name.replace("SkuId", "Skuld"))


def three_settings_are_left_out(body: Json) -> None:
    settings = body["instance_settings"]
    assert len(settings) == 3
    groups = settings[0]["video_spec_groups"]
    settings[2]["video_spec_groups"] = groups
    missing = [("WIFI", "H265"), ("WIRED", "H264"), ("WIRED", "H265")]
    settings += [{"network_type": n, "encoding_type": e, "video_spec_groups": groups} for n, e in missing]


def endpoints_are_not_read(body: Json) -> None:
    del body["token"]["catalog"]


MISPRINTS: Final[dict[str, tuple[str, Callable[[Json], None]]]] = {
    "002__3.1__obtain_user_token__request": (
        "prints scope beside auth; its table has it within",
        scope_belongs_to_auth,
    ),
    "001__4.1.9__unassign_instance__request": ("prints a number; its table has a string", users_are_text),
    "002__4.1.9__unassign_instance__request": ("prints a number; its table has a string", users_are_text),
    "001__4.3.3__backup_instances__request": (
        "prints the body of prepare-progress; its table a list",
        ids_are_a_list,
    ),
    "002__4.3.3__backup_instances__request": (
        "prints the body of prepare-progress; its table a list",
        ids_are_a_list,
    ),
    "002__4.2.2__create_instances__request": ("prints Skuld; its table has SkuId", an_i_was_read_as_an_l),
    "002__4.1.4__set_video_config__request": (
        "prints three of six (KOOPHONE.API.1005)",
        three_settings_are_left_out,
    ),
    "001__3.3__obtain_user_token__response-201": (
        "lists endpoints, which no model has",
        endpoints_are_not_read,
    ),
}
"""What a page prints otherwise than its own table has it, and what it means."""

REFUSALS: Final = {"001__4.1.7__get_device_token__response-400"}


@frozen
class Example:
    """A body printed in the documents."""

    file: str

    @property
    def edition(self) -> Edition:
        return EDITIONS[self.file[:3]]

    @property
    def operation(self) -> AnyOperation:
        return BY_DOCUMENT[self.file.split("__")[2]]

    @property
    def status(self) -> int:
        """The HTTP status of an answer."""
        return int(self.file.rpartition("-")[2])

    def body(self) -> Json:
        """The body without its misprints."""
        body: Json = json.loads((EXAMPLES / f"{self.file}.json").read_text("utf-8"))
        if self.file in MISPRINTS:
            MISPRINTS[self.file][1](body)
        return body


def plain(value: object) -> object:
    """Return a body without empty values, such as null and "null", and with numbers as strings."""
    if isinstance(value, dict):
        fields = {name: plain(each) for name, each in cast("Json", value).items()}
        return {name: each for name, each in fields.items() if each not in (None, "", "null", [], {})}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("Sequence[object]", value)]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if value is None else str(value)


FILES: Final = sorted(path.stem for path in EXAMPLES.glob("*.json"))
REQUESTS: Final = [Example(file) for file in FILES if file.endswith("request")]
ANSWERS: Final = [Example(file) for file in FILES if "response" in file and file not in REFUSALS]


@pytest.mark.parametrize("example", REQUESTS, ids=lambda example: example.file)
def test_a_request_is_read_and_written_without_loss(example: Example) -> None:
    body = example.body()

    request = wire.from_wire(example.operation.request, body, example.edition)

    assert type(request) is example.operation.request
    assert plain(wire.to_wire(request)) == plain(body)


@pytest.mark.parametrize("example", REQUESTS, ids=lambda example: example.file)
def test_a_request_is_sent_as_documented(example: Example) -> None:
    body = example.body()
    request = wire.from_wire(example.operation.request, body, example.edition)

    placed = wire.encode_request(example.operation, request)

    assert (placed.path, placed.query) == (example.operation.path, [])
    assert plain(json.loads(placed.body or b"")) == plain(body)


@pytest.mark.parametrize("example", ANSWERS, ids=lambda example: example.file)
def test_an_answer_is_read_and_written_without_loss(example: Example) -> None:
    operation, body = example.operation, example.body()
    dialect = DIALECTS[operation.service]
    headers = {"X-Subject-Token": "a token"} if operation.service == "iam" else {}

    answer = read(operation, RawResponse(example.status, headers, wire.encode(body)), example.edition, None)

    assert type(answer) is operation.answer
    written = dialect.wrap(wire.to_wire(answer), "r1")
    assert plain(dialect.unwrap(written).payload) == plain(dialect.unwrap(body | headers).payload)


@pytest.mark.parametrize("file", sorted(REFUSALS))
def test_a_refusal_is_read(file: str) -> None:
    example = Example(file)
    received = RawResponse(example.status, {}, wire.encode(example.body()))

    with pytest.raises(Refused) as caught:
        read(example.operation, received, example.edition, "r1")

    assert (caught.value.code, caught.value.message) == ("string", "string")


def test_every_operation_has_an_example_or_no_body() -> None:
    without = {"koophone.apps.list", "iam.projects.list", "iam.projects.accessible"}
    names = {operation.name for operation in BY_DOCUMENT.values()}

    assert names - {Example(file).operation.name for file in FILES} == without, (
        f"put the document's example bodies into {EXAMPLES}, or name the operation in `without`"
    )


@pytest.mark.parametrize("file", MISPRINTS)
def test_each_listed_misprint_is_still_in_its_example(file: str) -> None:
    why, mend = MISPRINTS[file]
    body = json.loads((EXAMPLES / f"{file}.json").read_text("utf-8"))
    meant = copy.deepcopy(body)

    mend(meant)

    assert why
    assert meant != body


@pytest.mark.parametrize(
    "edition, state", [(Edition.CHINA, RunningState.RUNNING), (Edition.INTERNATIONAL, ContentState.LOADED)]
)
def test_a_number_means_what_the_edition_says(edition: Edition, state: IntEnum) -> None:
    body = json.loads((EXAMPLES / "002__4.1.5__batch_query_status__response-200.json").read_text("utf-8"))
    body["data"]["status_results"][0]["status"] = 2

    answer = read(STATUS, RawResponse(200, {}, wire.encode(body)), edition, None)

    assert answer.statuses[0].state is state
