"""Applications and versions: what may be made, what may be deleted, what lists tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.emulator import Durations, Stick
from koophone_async.errors import Refused
from tests.emulator.scenes import ACTIVITY

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.emulator.scenes import GamingScene

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5)),
]


async def refusal(call: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(Refused) as refused:
        await call
    return refused.value.code


async def test_applications_are_listed_newest_first(gaming_scene: GamingScene) -> None:
    chess, go = await gaming_scene.application("chess"), await gaming_scene.application("go")

    listed = [one async for one in gaming_scene.gaming.applications.list()]

    assert [one.id for one in listed] == [go, chess]
    assert (listed[1].package, listed[1].description) == ("com.example.chess", "a game")
    assert [one.id async for one in gaming_scene.gaming.applications.list("hes")] == [chess]


async def test_an_application_shows_its_versions(gaming_scene: GamingScene) -> None:
    application, version = await gaming_scene.game()

    detail = await gaming_scene.gaming.applications.show(application)
    shown = await gaming_scene.gaming.versions.show(version)

    assert (detail.name, [one.id for one in detail.versions]) == ("chess", [version])
    assert (shown.application, shown.code, shown.name) == (application, "1", "1.0")
    assert (shown.activity, shown.bucket, shown.path) == (ACTIVITY, "games", "chess-1.tar")


async def test_a_new_version_updates_its_application(gaming_scene: GamingScene) -> None:
    application = await gaming_scene.application()
    await asyncio.sleep(60)
    await gaming_scene.version(application)

    (shown,) = [one async for one in gaming_scene.gaming.applications.list()]

    assert shown.created_at
    assert shown.updated_at
    assert (shown.updated_at - shown.created_at).total_seconds() == pytest.approx(60, abs=1)


async def test_pages_have_at_most_100_rows(gaming_scene: GamingScene) -> None:
    made = [await gaming_scene.application(f"game-{number}") for number in range(205)]

    listed = [one.id async for one in gaming_scene.gaming.applications.list()]

    assert listed == made[::-1]
    assert [visit.path for visit in gaming_scene.emulator.ledger.recent_requests][-3:] == [
        f"/v1/{gaming_scene.emulator.project_id}/cloud-phone/apps"
    ] * 3


async def test_an_application_with_versions_is_not_deleted(gaming_scene: GamingScene) -> None:
    application, version = await gaming_scene.game()

    assert await refusal(gaming_scene.gaming.applications.delete(application)) == "CPS.0301"
    await gaming_scene.gaming.versions.delete(version)
    await gaming_scene.gaming.applications.delete(application)

    assert [one async for one in gaming_scene.gaming.applications.list()] == []


async def test_a_version_in_use_is_not_deleted(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.deployed()
    deployments, delete = gaming_scene.gaming.deployments, gaming_scene.gaming.versions.delete

    assert await refusal(delete(version)) == "CPS.0301"
    await gaming_scene.end(await deployments.remove(gaming_scene.servers, [version]))
    assert await refusal(delete(version)) == "CPS.0301"  # it is on phones still
    undone = await gaming_scene.end(await deployments.undeploy(gaming_scene.servers, [version]))
    assert {outcome.error_code for outcome in undone} == {"CPS.0302"}  # the packages were gone already
    await delete(version)

    assert await refusal(gaming_scene.gaming.versions.show(version)) == "CPS.0302"


async def test_a_version_being_deployed_is_not_deleted(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    gaming_scene.emulator.fault(Stick(), "gaming.deployments.push")
    await gaming_scene.gaming.deployments.push(gaming_scene.servers[:1], [version])
    await asyncio.sleep(1000)

    assert await refusal(gaming_scene.gaming.versions.delete(version)) == "CPS.0301"


async def test_a_version_on_a_reset_phone_can_be_deleted(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.deployed()
    await gaming_scene.end(await gaming_scene.gaming.deployments.remove(gaming_scene.servers, [version]))
    await gaming_scene.cph.fleet(gaming_scene.phones).reset()

    await gaming_scene.gaming.versions.delete(version)

    assert gaming_scene.emulator.games.library.versions == {}
    assert await gaming_scene.on_phone(gaming_scene.phones[0]) == []


async def test_a_version_code_is_unique_in_an_application(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.game()

    assert await refusal(gaming_scene.version(application)) == "CPS.0078"
    await gaming_scene.version(await gaming_scene.application("go"))


async def test_applications_and_versions_have_a_maximum(gaming_scene: GamingScene) -> None:
    library = gaming_scene.emulator.games.library
    library.max_applications, library.max_versions = 1, 1
    application, _ = await gaming_scene.game()

    assert await refusal(gaming_scene.application("go")) == "CPS.0196"
    assert await refusal(gaming_scene.version(application, "2")) == "CPS.0196"


@pytest.mark.emulator(servers=2, regions=["cn-north-4", "cn-north-9"])
async def test_a_project_does_not_see_the_games_of_another(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    for application in gaming_scene.emulator.games.library.applications.values():
        application.project = "another"

    assert [one async for one in gaming_scene.gaming.applications.list()] == []
    assert await refusal(gaming_scene.gaming.versions.show(version)) == "CPS.0302"
    assert await refusal(gaming_scene.gaming.applications.show("nobody")) == "CPS.0302"
