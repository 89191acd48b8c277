"""Lists are read to their end, whatever the service makes of page numbers, limits, markers and totals."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, fields_dict, frozen

from koophone_async import CloudPhone, KooPhone
from koophone_async.catalogue import OPERATIONS
from koophone_async.errors import Refused, UnreadableAnswer
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from koophone_async import Session
    from tests.fake_server import ReceivedRequest

    Json = dict[str, Any]


@frozen
class List:
    """A list operation, and how its answer names rows and their ids."""

    rows: str
    id: str
    start: Callable[[KooPhone, CloudPhone], AsyncIterator[Any]]
    attribute: str = "id"
    total: str = "count"
    row: Mapping[str, object] = {}
    """What else a row must have."""


BY_NUMBER = {
    "koophone.instances.list": List(
        "result", "instance_id", lambda koophone, _: koophone.instances.list(), total="total_count"
    ),
    "koophone.apps.list": List(
        "result", "app_pkg", lambda koophone, _: koophone.apps.list("p1"), "package", "total_count"
    ),
}
BY_OFFSET = {
    "cph.phones.list": List("phones", "phone_id", lambda _, cph: cph.phones.list()),
    "cph.phones.models": List("phone_models", "phone_model_name", lambda _, cph: cph.phones.models(), "name"),
    "cph.jobs.list": List("jobs", "job_id", lambda _, cph: cph.jobs.list(["r1"]), row={"status": 1}),
    "cph.images.list": List("image_infos", "image_id", lambda _, cph: cph.images.list()),
    "cph.encoding_servers.list": List(
        "encode_servers", "encode_server_id", lambda _, cph: cph.encoding_servers.list()
    ),
    "cph.bandwidths.list": List("band_widths", "band_width_id", lambda _, cph: cph.bandwidths.list()),
    "cph.servers.list": List("servers", "server_id", lambda _, cph: cph.servers.list()),
    "cph.tags.list": List("tags", "key", lambda _, cph: cph.tags.list(), "key", "total_count"),
    "cph.tags.find": List(
        "resources", "resource_id", lambda _, cph: cph.tags.find({"a": ["b"]}), total="total_count"
    ),
    "gaming.applications.list": List(
        "apps",
        "app_id",
        lambda _, cph: cph.gaming.applications.list(),
        row={"app_name": "a", "name": "a", "package_name": "a"},
    ),
    "gaming.applications.servers": List(
        "servers", "server_id", lambda _, cph: cph.gaming.applications.servers("a1"), "server"
    ),
    "gaming.applications.phones": List(
        "phones", "phone_id", lambda _, cph: cph.gaming.applications.phones("a1"), "phone"
    ),
    "gaming.deployments.on_server": List(
        "apps", "app_id", lambda _, cph: cph.gaming.deployments.on_server("s1"), "application"
    ),
    "gaming.deployments.on_phone": List(
        "apps", "app_id", lambda _, cph: cph.gaming.deployments.on_phone("p1"), "application"
    ),
}
BY_MARKER = {
    "cph.phone_images.list": List("phone_images", "image_id", lambda _, cph: cph.phone_images.list()),
    "cph.image_members.list": List(
        "members", "member_id", lambda _, cph: cph.image_members.list("i1"), "project"
    ),
    "cph.scheduled_events.list": List(
        "scheduled_events", "event_id", lambda _, cph: cph.scheduled_events.list()
    ),
    "cph.servers.models": List(
        "server_models", "server_model_name", lambda _, cph: cph.servers.models(), "name"
    ),
    "cph.servers.offerings": List("models", "model_name", lambda _, cph: cph.servers.offerings(), "model"),
    "cph.shared_apps.list": List(
        "share_apps", "package_name", lambda _, cph: cph.shared_apps.list("s1"), "package"
    ),
}
LISTS: Mapping[str, List] = BY_NUMBER | BY_OFFSET | BY_MARKER
UNSET = object()


@frozen
class Service:
    """A service with a list of rows, and with pages of its own making."""

    case: List
    rows: int = 120
    cap: int = 50
    """Maximum of rows in a page, whatever the limit."""

    total: object = UNSET
    ignores_place: bool = False
    """Whether every page is the first one."""

    refuses_offset: bool = False
    """Whether an offset past the end is refused."""

    def handle(self, request: ReceivedRequest) -> Reply:
        asked: Json = request.query | (request.json or {})
        limit = min(self.cap, int(asked.get("limit") or asked.get("page_size") or self.rows))
        first = int(asked.get("offset") or asked.get("marker") or 0)
        if "page_no" in asked:
            first = (int(asked["page_no"]) - 1) * limit
        if self.refuses_offset and first >= self.rows:
            return Reply({"error_code": "CPS.0002", "error_msg": "Parameter: offset is invalid."}, 400)
        first = 0 if self.ignores_place else first
        last = min(self.rows, first + limit)
        body: Json = {
            self.case.rows: [{self.case.id: f"r{n:03}", **self.case.row} for n in range(first, last)]
        }
        if self.total is not UNSET:
            body[self.case.total] = self.total
        if self.case in BY_MARKER.values() and last < self.rows:
            body["page_info"] = {"next_marker": str(last)}
        return Reply({"error_code": "0", "data": body} if self.case in BY_NUMBER.values() else body)


async def read(session: Session, case: List) -> list[str]:
    """Read a list, a row at a time, and no more rows than an endless list would have."""
    found: list[str] = []
    async for item in case.start(KooPhone(session), CloudPhone(session, project_id="P")):
        found.append(getattr(item, case.attribute))
        assert len(found) < 1000
    return found


def ids(count: int = 120) -> list[str]:
    return [f"r{n:03}" for n in range(count)]


def test_every_list_of_the_catalogue_is_tried() -> None:
    paged = {name for name, operation in OPERATIONS.items() if "items" in fields_dict(operation.answer)}
    assert paged == set(LISTS)


TOTALS: Mapping[str, object] = {
    "none": UNSET, "right": 120, "as text": "120", "null": None, "of a page": 50, "zero": 0, "negative": -1,
    "larger": 200, "a word": "many", "a fraction": 1.5, "an object": {},
}  # fmt: skip


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("name", LISTS)
async def test_short_pages_are_followed_to_the_end(name: str, total: str) -> None:
    service = Service(LISTS[name], total=TOTALS[total], cap=40 if total == "of a page" else 50)
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        assert await read(session, LISTS[name]) == ids()
        assert server.request_count <= 5


@pytest.mark.parametrize("total", ["none", "right", "of a page", "larger"])
@pytest.mark.parametrize("name", BY_NUMBER | BY_OFFSET)
async def test_a_service_that_does_not_page_ends_the_list(name: str, total: str) -> None:
    service = Service(LISTS[name], total=TOTALS[total], ignores_place=True)
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        if total in ("right", "larger") and name != "cph.images.list":  # which has no total
            with pytest.raises(UnreadableAnswer, match=f"repeats a page after 50 of {TOTALS[total]} rows"):
                await read(session, LISTS[name])
        else:
            assert await read(session, LISTS[name]) == ids(50)
        assert server.request_count <= 2


@pytest.mark.parametrize("name", BY_MARKER)
async def test_a_marker_that_leads_nowhere_ends_the_list(name: str) -> None:
    service = Service(LISTS[name], ignores_place=True)
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        assert await read(session, LISTS[name]) == ids(50)
        assert server.request_count == 2


@pytest.mark.parametrize("name", BY_OFFSET)
async def test_a_refused_offset_ends_a_list_without_total(name: str) -> None:
    service = Service(LISTS[name], refuses_offset=True)
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        assert await read(session, LISTS[name]) == ids()


async def test_a_refused_first_page_is_an_error() -> None:
    service = Service(LISTS["cph.phones.list"], rows=0, refuses_offset=True)
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        with pytest.raises(Refused, match=r"CPS\.0002"):
            await read(session, service.case)


@pytest.mark.parametrize("name", LISTS)
async def test_an_unpaged_list_is_returned_whole(name: str) -> None:
    service = Service(LISTS[name], cap=10**6)
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        assert await read(session, LISTS[name]) == ids()


async def test_rows_whose_other_fields_change_are_repeated() -> None:
    states = count()

    def handle(_: ReceivedRequest) -> Reply:
        return Reply({"phones": [{"phone_id": "p1", "status": next(states)}] * 2})

    async with FakeServer.handling(handle) as server, server.session() as session:
        phones = CloudPhone(session, project_id="P").phones.list()
        assert [phone.id async for phone in phones] == ["p1", "p1"]


async def test_pages_without_rows_do_not_follow_for_ever() -> None:
    markers = count()

    def handle(_: ReceivedRequest) -> Reply:
        return Reply({"phone_images": [], "page_info": {"next_marker": f"m{next(markers)}"}})

    async with FakeServer.handling(handle) as server, server.session() as session:
        with pytest.raises(UnreadableAnswer, match="101 pages in a row have no rows"):
            await read(session, LISTS["cph.phone_images.list"])


@pytest.mark.parametrize("period", [1, 2, 3, 7])
@pytest.mark.parametrize("lead", [0, 1, 2])
@pytest.mark.parametrize("is_odd", [False, True], ids=["readable", "with unreadable rows"])
@pytest.mark.parametrize("name", LISTS)
async def test_pages_that_come_round_again_end_the_list(
    name: str, period: int, lead: int, *, is_odd: bool
) -> None:
    case, numbers = LISTS[name], count()

    def handle(_: ReceivedRequest) -> Reply:
        number = next(numbers)
        page = number if number < lead else lead + (number - lead) % period
        rows: list[Json] = [{case.id: f"r{page:02}{row}", **case.row} for row in range(3)]
        rows += [{case.id: None}] if is_odd else []
        body = {case.rows: rows, "page_info": {"next_marker": f"m{number}"}}
        return Reply({"error_code": "0", "data": body} if name in BY_NUMBER else body)

    async with FakeServer.handling(handle) as server, server.session() as session:
        found = await read(session, case)

    assert found == [f"r{page:02}{row}" for page in range(lead + period) for row in range(3)]
    assert server.request_count == lead + period + 1


@pytest.mark.parametrize("totals", [(120, 40), (120, 110), (40, 120), (120, 0), (200, 120)])
@pytest.mark.parametrize("name", BY_NUMBER | BY_OFFSET)
async def test_a_total_that_changes_loses_no_row(name: str, totals: tuple[int, int]) -> None:
    service, numbers = Service(LISTS[name]), count()

    def handle(request: ReceivedRequest) -> Reply:
        return evolve(service, total=totals[min(next(numbers), 1)]).handle(request)

    async with FakeServer.handling(handle) as server, server.session() as session:
        assert await read(session, LISTS[name]) == ids()
        assert server.request_count <= 4


@pytest.mark.parametrize("name", BY_NUMBER | BY_OFFSET)
async def test_an_empty_page_before_the_total_is_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(LISTS[name], total=200)
    async with FakeServer.handling(service.handle) as server, server.session() as session:
        assert await read(session, LISTS[name]) == ids()

    has_total = name != "cph.images.list"
    assert ("the list ends after 120 of 200 rows" in caplog.text) is has_total
