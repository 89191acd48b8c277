"""Every method of the clients: one request, to the documented place, with a request id and a signature."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from koophone_async import Edition, Iam, KooPhone
from koophone_async.catalogue import OPERATIONS
from koophone_async.koophone import (
    AppType,
    Assignment,
    BuyInstances,
    Charge,
    ContentState,
    Encoding,
    InstanceQuery,
    InstanceStatus,
    Network,
    Package,
    VideoRate,
    VideoRates,
    VideoSetting,
)
from tests.fake_server import Connection, FakeServer
from tests.send.operations import KEY, session
from tests.send.test_sign_in import is_signed

if TYPE_CHECKING:
    from koophone_async.wire import Json

Rows = tuple[list[str], int | None, int | None]
Call = Callable[[KooPhone, Iam], Awaitable[Any]]

PACKAGE: Final = Package("com.example", "a.apk", "1.0", "120", "https://obs.example/a.apk?Signature=x")
ORDER: Final = BuyInstances("AOSP11", "s", "b", "cn-north-7", "koophone", 4, 1, Charge(2, 1))
RATE: Final = VideoRate(6000, 30)
SETTINGS: Final = [VideoSetting(n, e, [VideoRates(RATE, RATE, RATE)]) for n in Network for e in Encoding]
STREAMED: Final = {"instance_ids": ["a", "b"], "user_id": "u"}
COMMAND: Final = {"instance_ids": ["a", "b"], "command": "id"}
HOLDING: Final = {"user_id": "u", "instance_id": "a"}
HOLDINGS: Final = {"user_instances": [HOLDING]}
INSTALLED: Final = {"instance_id_list": ["a"], "content_md5": ""}
BOUGHT: Final = {"os": "AOSP11", "instanceSkuId": "s", "count": 1}
HELD: Final = {"instance_ids": ["a", "b"]}


async def listed(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


CALLS: Final[dict[str, tuple[Call, dict[str, Any] | None]]] = {
    # operation: call, and what of its body is certain
    "koophone.apps.install": (lambda k, _: k.apps.install(["a"], PACKAGE), INSTALLED),
    "koophone.apps.list": (lambda k, _: listed(k.apps.list("a", AppType.THIRD_PARTY)), None),
    "koophone.commands.run": (lambda k, _: k.commands.run(["a", "b"], "id"), COMMAND),
    "koophone.commands.run_sync": (lambda k, _: k.commands.run_sync(("a", "b"), "id"), COMMAND),
    "koophone.instances.backup": (lambda k, _: k.instances.backup(["a", "b"]), HELD),
    "koophone.instances.list": (lambda k, _: listed(k.instances.list(InstanceQuery(id="a"))), None),
    "koophone.instances.reboot": (lambda k, _: k.instances.reboot(["a", "b"]), HELD),
    "koophone.instances.reset": (lambda k, _: k.instances.reset(["a", "b"]), HELD),
    "koophone.instances.status": (lambda k, _: k.instances.status(["a", "b"]), HELD),
    "koophone.jobs.list": (lambda k, _: k.jobs.list("t1"), None),
    "koophone.orders.buy": (lambda k, _: k.orders.buy(ORDER), BOUGHT),
    "koophone.orders.skus": (lambda k, _: k.orders.skus(), None),
    "koophone.orders.unsubscribe": (lambda k, _: k.orders.unsubscribe(["a"]), {"instanceIdList": ["a"]}),
    "koophone.streaming.authorize": (lambda k, _: k.streaming.authorize("a"), None),
    "koophone.streaming.prepare": (lambda k, _: k.streaming.prepare("u", ["a", "b"]), STREAMED),
    "koophone.streaming.progress": (lambda k, _: k.streaming.progress("u", "a"), HOLDING),
    "koophone.streaming.release": (lambda k, _: k.streaming.release("a"), {"instance_id": "a"}),
    "koophone.streaming.stop": (lambda k, _: k.streaming.stop("a"), {"instance_id": "a"}),
    "koophone.users.assign": (lambda k, _: k.users.assign([Assignment("u", "a")]), HOLDINGS),
    "koophone.users.unassign": (lambda k, _: k.users.unassign([Assignment("u", "a")]), HOLDINGS),
    "koophone.video.set": (lambda k, _: k.video.set(["a", "b"], SETTINGS), HELD),
    "iam.projects.accessible": (lambda _, i: i.projects.accessible(), None),
    "iam.projects.list": (lambda _, i: i.projects.list("cn-north-4"), None),
    "iam.tokens.create": (lambda _, i: i.tokens.create("ann", "pw", "acme", "cn-north-4"), {}),
}  # fmt: skip
EVERYTHING: Final[Json] = {"device_token": "t", "status": 2, "orderId": "o1", "result": [], "task_id": "t1"}


async def says_everything(connection: Connection) -> bool:
    await connection.request(executed=True)
    token = {"expires_at": "2026-01-02T00:00:00.000000Z"}
    body = msgspec.json.encode({"data": EVERYTHING, "projects": [], "token": token})
    await connection.reply(200, body, X_Subject_Token="t")
    return True


def test_every_operation_of_both_clients_is_called() -> None:
    assert set(CALLS) == {name for name, o in OPERATIONS.items() if o.service in ("koophone", "iam")}


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_makes_its_one_documented_request(name: str) -> None:
    call, body = CALLS[name]
    operation = OPERATIONS[name]
    async with FakeServer(default=says_everything) as server, session(server.url) as ours:
        await call(KooPhone(ours), Iam(ours))

    (received,) = server.received
    assert received.method == operation.method
    slot = re.sub(r"{\w+}", r"[at]1?", operation.path)
    assert re.fullmatch(slot, received.target.partition("?")[0])
    assert re.fullmatch("[0-9a-f]{32}", received.headers["x-request-id"])
    assert operation.anonymous or is_signed(received, KEY.secret_key)
    assert (received.body == b"") is (body is None)
    if body is not None:
        assert received.headers["content-type"] == "application/json"
        assert body.items() <= msgspec.json.decode(received.body).items()


async def test_a_list_has_its_request_id_in_query_and_header() -> None:
    async with FakeServer(default=says_everything) as server, session(server.url) as ours:
        await listed(KooPhone(ours).instances.list())

    (received,) = server.received
    assert f"x-request-id={received.headers['x-request-id']}" in received.target


async def test_a_retry_keeps_the_request_id_of_its_call() -> None:
    async def away(connection: Connection) -> bool:
        await connection.request(executed=False)
        await connection.reply(503, b"", Retry_After="1")
        return True

    async with FakeServer([away], default=says_everything) as server, session(server.url) as ours:
        for _ in range(2):
            await KooPhone(ours).commands.run(["a"], "id")

    first, repeat, second = (received.headers["x-request-id"] for received in server.received)
    assert first == repeat != second


async def test_a_client_reads_states_in_its_own_edition() -> None:
    async def loaded(connection: Connection) -> bool:
        await connection.request(executed=True)
        await connection.reply(200, b'{"data":{"status_results":[{"instance_id":"a","status":2}]}}')
        return True

    async with FakeServer(default=loaded) as server, session(server.url, edition="china") as ours:
        statuses = await KooPhone(ours, edition=Edition.INTERNATIONAL).instances.status(["a"])

    assert statuses.statuses == (InstanceStatus("a", ContentState.LOADED),)


PAGES: Final[dict[str, list[Rows]]] = {
    "with a total": [(["a", "b"], 2, 3), (["c"], 2, 3)],
    "without a total": [(["a", "b"], None, None), (["c"], None, None), ([], None, None)],
    "pages are smaller than asked for": [(["a"], 1, 2), (["b"], 1, 2)],
    "pages are smaller than the page size": [(["a"], 100, 2), (["b"], 100, 2)],
}


@pytest.mark.parametrize("pages", PAGES.values(), ids=PAGES)
async def test_a_list_is_followed_to_its_end(pages: list[Rows]) -> None:
    async def page(connection: Connection) -> bool:
        await connection.request(executed=True)
        ids, size, total = pages[connection.server.request_count - 1]
        rows = [{"instance_id": id} for id in ids]
        data = {"data": {"result": rows}, "page_size": size, "total_count": total}
        await connection.reply(200, msgspec.json.encode(data))
        return True

    async with FakeServer(default=page) as server, session(server.url) as ours:
        found = await listed(KooPhone(ours).instances.list())

    assert [instance.id for instance in found] == [id for ids, *_ in pages for id in ids]
    assert [re.findall(r"page_no=(\d+)", a.target) for a in server.received] == [
        [str(n + 1)] for n in range(len(pages))
    ]
    assert len({received.headers["x-request-id"] for received in server.received}) == len(pages)


async def test_two_lists_have_two_request_ids() -> None:
    async with FakeServer(default=says_everything) as server, session(server.url) as ours:
        for _ in range(2):
            await listed(KooPhone(ours).instances.list())

    first, second = (received.headers["x-request-id"] for received in server.received)
    assert first != second
