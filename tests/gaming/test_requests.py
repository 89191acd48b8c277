"""Each method is one request, as its page has it, or is refused before it is sent."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async import AccessKey, Session
from koophone_async.errors import InvalidRequest
from koophone_async.gaming import ApplicationQuery, DeployVersions, NewApplication, NewVersion, UpdateVersions
from koophone_async.operation import Operation
from koophone_async.services.gaming import applications, deployments, versions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from koophone_async.gaming import Gaming
    from koophone_async.operation import AnyOperation
    from tests.gaming.gaming_service import GameService

CLOUD: Final = "/v1/P/cloud-phone"
ACTION: Final = f"{CLOUD}/servers/action"
VERSION: Final = NewVersion("a1", "2100000000", "1.1.0", "com.example.game.Main", "bucket", "games/game.tar")
WHERE: Final = {"app_version_ids": ["v1", "v2"], "server_ids": ["s1", "s2"]}
SERVERS: Final = ["s1", "s2"]
VERSIONS: Final = ["v1", "v2"]

CALLS: Final[dict[str, tuple[Callable[[Gaming], Awaitable[object]], str, str, Any]]] = {
    "gaming.applications.show": (lambda g: g.applications.show("a1"), "GET", f"{CLOUD}/apps/a1", None),
    "gaming.applications.create": (
        lambda g: g.applications.create("Game", "com.example.game", "fun"),
        "POST",
        f"{CLOUD}/apps",
        {"name": "Game", "package_name": "com.example.game", "description": "fun"},
    ),
    "gaming.applications.delete": (lambda g: g.applications.delete("a1"), "DELETE", f"{CLOUD}/apps/a1", None),
    "gaming.versions.show": (lambda g: g.versions.show("v1"), "GET", f"{CLOUD}/app-versions/v1", None),
    "gaming.versions.create": (
        lambda g: g.versions.create(VERSION),
        "POST",
        f"{CLOUD}/app-versions",
        {
            "app_id": "a1",
            "version_code": "2100000000",
            "version_name": "1.1.0",
            "launch_activity": "com.example.game.Main",
            "bucket_name": "bucket",
            "object_path": "games/game.tar",
        },
    ),
    "gaming.versions.delete": (lambda g: g.versions.delete("v1"), "DELETE", f"{CLOUD}/app-versions/v1", None),
    "gaming.deployments.deploy": (
        lambda g: g.deployments.deploy(SERVERS, VERSIONS), "POST", ACTION, {"batch_deploy_app_version": WHERE}
    ),
    "gaming.deployments.push": (
        lambda g: g.deployments.push(SERVERS, VERSIONS), "POST", ACTION, {"batch_push_app_version": WHERE}
    ),
    "gaming.deployments.remove": (
        lambda g: g.deployments.remove(SERVERS, VERSIONS), "POST", ACTION, {"batch_remove_app_version": WHERE}
    ),
    "gaming.deployments.undeploy": (
        lambda g: g.deployments.undeploy(SERVERS, VERSIONS),
        "POST",
        ACTION,
        {"batch_undeploy_app_version": WHERE},
    ),
    "gaming.deployments.update": (
        lambda g: g.deployments.update("p1", VERSIONS),
        "POST",
        f"{CLOUD}/phones/p1/action",
        {"update_app_version": {"app_version_ids": VERSIONS}},
    ),
}  # fmt: skip

LISTS: Final[dict[str, tuple[Callable[[Gaming], AsyncIterator[object]], str, str, dict[str, str]]]] = {
    "gaming.applications.list": (
        lambda g: g.applications.list("ame"), f"{CLOUD}/apps", "apps", {"name": "ame"}
    ),
    "gaming.applications.servers": (
        lambda g: g.applications.servers("a1"), f"{CLOUD}/apps/a1/servers", "servers", {}
    ),
    "gaming.applications.phones": (
        lambda g: g.applications.phones("a1"), f"{CLOUD}/apps/a1/phones", "phones", {}
    ),
    "gaming.deployments.on_server": (
        lambda g: g.deployments.on_server("s1"), f"{CLOUD}/servers/s1/apps", "apps", {}
    ),
    "gaming.deployments.on_phone": (
        lambda g: g.deployments.on_phone("p1"), f"{CLOUD}/phones/p1/apps", "apps", {}
    ),
}  # fmt: skip

ROW: Final = {
    "app_id": "a1",
    "name": "Game",
    "package_name": "com.example.game",
    "server_id": "s1",
    "phone_id": "p1",
    "app_verison_id": "v1",
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_is_one_request(service: GameService, gaming: Gaming, name: str) -> None:
    call, method, path, body = CALLS[name]
    service.answer = ROW | {"request_id": "r1", "jobs": []}

    await call(gaming)

    assert service.received == [(method, path, {}, body)]


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_read_up_to_a_repeated_page(service: GameService, gaming: Gaming, name: str) -> None:
    rows_of, path, rows, query = LISTS[name]
    service.answer = {rows: [ROW] * 3}

    found = [row async for row in rows_of(gaming)]

    assert len(found) == 3
    assert service.received == [
        ("GET", path, query | {"offset": offset, "limit": "100"}, None) for offset in ("0", "3")
    ]


STATED: Final[list[AnyOperation]] = [
    value
    for module in (applications, deployments, versions)
    for value in vars(module).values()
    if isinstance(value, Operation)
]

WRONG: Final[dict[str, Callable[[Gaming], object]]] = {
    "name: does not match": lambda _: NewApplication("my game", "com.example.game"),
    "name: is 65 characters long": lambda _: NewApplication("x" * 65, "com.example.game"),
    "package: is empty": lambda _: NewApplication("game", ""),
    "package: is 129 characters long": lambda _: NewApplication("game", "x" * 129),
    "description: is 257 characters long": lambda _: NewApplication("game", "com.example", "x" * 257),
    "name: is empty": lambda g: g.applications.list(""),
    "limit: is 101": lambda _: ApplicationQuery(limit=101),
    "application: is 33 characters long": lambda g: g.applications.servers("a" * 33),
    "code: is a int": lambda _: NewVersion("a1", 21, "1", "x.Main", "bucket", "a.tar"),  # type: ignore[arg-type]
    "code: does not match": lambda _: NewVersion("a1", "2 1", "1", "x.Main", "bucket", "a.tar"),
    "name: is 66 characters long": lambda _: NewVersion("a1", "2", "1" * 66, "x.Main", "bucket", "a.tar"),
    "activity: does not match": lambda _: NewVersion("a1", "2", "1", "x/Main", "bucket", "a.tar"),
    "bucket: does not match": lambda _: NewVersion("a1", "2", "1", "x.Main", "My_Bucket", "a.tar"),
    "path: is 'a.zip'; it must end in .tar": lambda _: NewVersion("a1", "2", "1", "x.M", "bucket", "a.zip"),
    "versions: has 0 items": lambda _: DeployVersions.of(["s1"], []),
    "servers: has 0 items": lambda _: DeployVersions.of([], ["v1"]),
    "ids: is the string 's1'": lambda _: DeployVersions.of("s1", ["v1"]),
    "ids: is the string 'v1'": lambda _: UpdateVersions.of("p1", "v1"),
    "phone: is empty": lambda _: UpdateVersions.of("", ["v1"]),
    "server: is empty": lambda g: g.deployments.on_server(""),
}


@pytest.mark.parametrize("problem", WRONG)
async def test_invalid_requests_are_not_sent(service: GameService, gaming: Gaming, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        WRONG[problem](gaming)

    assert not service.received


async def test_more_servers_than_the_maximum_are_not_sent(service: GameService, gaming: Gaming) -> None:
    with pytest.raises(InvalidRequest, match="servers: has 101 items; a call may have at most 100"):
        await gaming.deployments.push([f"s{n}" for n in range(101)], ["v1"])

    assert not service.received


def test_gaming_has_the_endpoint_of_cph() -> None:
    session = Session(AccessKey("access", "secret"), region="cn-north-4", environ={})

    assert str(session.origin("gaming")) == "https://cph.cn-north-4.myhuaweicloud.com"


def test_every_operation_is_called_here() -> None:
    assert len(STATED) == 16
    assert {operation.name for operation in STATED} == {*CALLS, *LISTS}


@pytest.mark.parametrize("operation", STATED, ids=lambda operation: operation.name)
async def test_a_method_has_the_name_and_source_of_its_operation(
    gaming: Gaming, operation: AnyOperation
) -> None:
    service, resource, method = operation.name.split(".")

    documented = inspect.getdoc(getattr(getattr(gaming, resource), method)) or ""

    assert service == "gaming"
    assert documented.splitlines()[-1] == f"API: {operation.source}"


def test_calls_that_create_or_start_are_not_repeatable() -> None:
    assert {operation.repeatable for operation in STATED if operation.method == "POST"} == {False}
    assert {operation.repeatable for operation in STATED if operation.method != "POST"} == {True}
