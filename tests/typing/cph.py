"""CPH and cloud mobile gaming: their service methods and fleets."""

from __future__ import annotations

from typing import assert_type

from koophone_async import CloudPhone, Items, Outcome, Quota, Report, Session, gaming
from koophone_async.cph import (
    Accepted,
    BuyServers,
    ClientType,
    CommandResults,
    Connections,
    Phone,
    PhoneChange,
    PhoneDetails,
    PhoneFleet,
    PhoneQuery,
    Route,
    Server,
    ServerDetail,
    ServerOrder,
    Started,
    StartedOne,
)


async def a_client(session: Session) -> None:
    cph = CloudPhone(session, project_id="project", region="cn-north-4", poll_quota=Quota(10, 60))
    assert_type(cph, CloudPhone)
    assert_type(await cph.project_id(), str)


async def lists_are_async_iterators_of_items(cph: CloudPhone) -> None:
    assert_type(cph.phones.list(PhoneQuery(server="server")), Items[Phone])
    async for server in cph.servers.list():
        assert_type(server, Server)


async def a_method_is_one_request(cph: CloudPhone, order: BuyServers) -> None:
    assert_type(await cph.phones.show("phone"), PhoneDetails)
    assert_type(await cph.phones.rename("phone", "shop"), Accepted)
    assert_type(await cph.phones.restart(["phone", PhoneChange("other")], "image"), Started)
    assert_type(await cph.phones.connections(["phone"], ClientType.ANDROID), Connections)
    assert_type(await cph.commands.run(["phone"], "id"), Started)
    assert_type(await cph.commands.run_sync(["phone"], "id"), CommandResults)
    assert_type(await cph.servers.show("server"), ServerDetail)
    assert_type(await cph.servers.buy(order), ServerOrder)
    assert_type(await cph.servers.delete(["server"]), StartedOne)
    assert_type(await cph.tags.add("server", {"environment": "test"}), Accepted)


async def a_wait_returns_a_report(cph: CloudPhone, started: Started, one: StartedOne) -> None:
    assert_type(await cph.jobs.wait(started), Report)
    assert_type(await cph.jobs.wait(one, timeout=60), Report)
    assert_type(await cph.jobs.wait("request"), Report)


async def fleets(cph: CloudPhone) -> None:
    fleet = cph.fleet(cph.phones.list(), max_per_server=10, concurrency=4)
    assert_type(fleet, PhoneFleet)
    async for outcome in fleet.install("obs://bucket/shop.apk"):
        assert_type(outcome, Outcome)
    assert_type(await fleet.restart(image="image"), Report)
    assert_type(await fleet.route_traffic(Route.DIRECT), Report)
    assert_type(await cph.fleet(["phone"], server_of={"phone": "server"}.get).stop(), Report)
    assert_type(await cph.server_fleet(cph.servers.list()).restart(), Report)


async def games(cph: CloudPhone, version: gaming.NewVersion) -> None:
    assert_type(cph.gaming, gaming.Gaming)
    application = await cph.gaming.applications.create("chess", "com.example.chess")
    assert_type(application, gaming.CreatedApplication)
    assert_type(await cph.gaming.versions.create(version), gaming.CreatedVersion)
    started = await cph.gaming.deployments.deploy(["server"], ["version"])
    assert_type(started, gaming.Started)
    assert_type(await cph.gaming.deployments.wait(started), Report)
    assert_type(await cph.gaming.fleet(["server"]).push(["version"]), Report)
    async for deployed in cph.gaming.deployments.on_phone("phone"):
        assert_type(deployed, gaming.DeployedVersion)
