"""Applications and versions: what may be made, what may be deleted, what lists tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.emulator import Stick
from koophone_async.errors import Refused
from tests.emulator.gaming_calling import ACTIVITY, story

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.emulator.gaming_calling import Scene


async def refusal(call: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(Refused) as refused:
        await call
    return refused.value.code


@story()
async def test_applications_are_listed_newest_first_by_part_of_their_name(scene: Scene) -> None:
    chess, go = await scene.application("chess"), await scene.application("go")

    listed = [one async for one in scene.gaming.applications.list()]

    assert [one.id for one in listed] == [go, chess]
    assert (listed[1].package, listed[1].description) == ("com.example.chess", "a game")
    assert [one.id async for one in scene.gaming.applications.list("hes")] == [chess]


@story()
async def test_an_application_shows_its_versions(scene: Scene) -> None:
    application, version = await scene.game()

    detail = await scene.gaming.applications.show(application)
    shown = await scene.gaming.versions.show(version)

    assert (detail.name, [one.id for one in detail.versions]) == ("chess", [version])
    assert (shown.application, shown.code, shown.name) == (application, "1", "1.0")
    assert (shown.activity, shown.bucket, shown.path) == (ACTIVITY, "games", "chess-1.tar")


@story()
async def test_an_application_is_updated_when_it_gets_a_version(scene: Scene) -> None:
    application = await scene.application()
    await asyncio.sleep(60)
    await scene.version(application)

    (shown,) = [one async for one in scene.gaming.applications.list()]

    assert shown.created_at
    assert shown.updated_at
    assert (shown.updated_at - shown.created_at).total_seconds() == pytest.approx(60, abs=1)


@story()
async def test_pages_hold_a_hundred(scene: Scene) -> None:
    made = [await scene.application(f"game-{number}") for number in range(205)]

    listed = [one.id async for one in scene.gaming.applications.list()]

    assert listed == made[::-1]
    assert [visit.path for visit in scene.emulator.ledger.visits][-3:] == [
        f"/v1/{scene.emulator.project_id}/cloud-phone/apps"
    ] * 3


@story()
async def test_an_application_with_versions_is_not_deleted(scene: Scene) -> None:
    application, version = await scene.game()

    assert await refusal(scene.gaming.applications.delete(application)) == "CPS.0301"
    await scene.gaming.versions.delete(version)
    await scene.gaming.applications.delete(application)

    assert [one async for one in scene.gaming.applications.list()] == []


@story()
async def test_a_version_in_use_is_not_deleted(scene: Scene) -> None:
    _, version = await scene.deployed()
    deployments, delete = scene.gaming.deployments, scene.gaming.versions.delete

    assert await refusal(delete(version)) == "CPS.0301"
    await scene.end(await deployments.remove(scene.servers, [version]))
    assert await refusal(delete(version)) == "CPS.0301"  # it is on phones still
    undone = await scene.end(await deployments.undeploy(scene.servers, [version]))
    assert {outcome.error_code for outcome in undone} == {"CPS.0302"}  # the packages were gone already
    await delete(version)

    assert await refusal(scene.gaming.versions.show(version)) == "CPS.0302"


@story()
async def test_a_version_on_its_way_is_not_deleted(scene: Scene) -> None:
    _, version = await scene.game()
    scene.emulator.fault(Stick(), "gaming.deployments.push")
    await scene.gaming.deployments.push(scene.servers[:1], [version])
    await asyncio.sleep(1000)

    assert await refusal(scene.gaming.versions.delete(version)) == "CPS.0301"


@story()
async def test_a_wiped_phone_does_not_keep_a_version_from_being_deleted(scene: Scene) -> None:
    _, version = await scene.deployed()
    await scene.end(await scene.gaming.deployments.remove(scene.servers, [version]))
    await scene.cph.fleet(scene.phones).reset()

    await scene.gaming.versions.delete(version)

    assert scene.emulator.games.library.versions == {}
    assert await scene.on_phone(scene.phones[0]) == []


@story()
async def test_a_code_is_taken_once_in_an_application(scene: Scene) -> None:
    application, _ = await scene.game()

    assert await refusal(scene.version(application)) == "CPS.0078"
    await scene.version(await scene.application("go"))


@story()
async def test_there_are_only_so_many_applications_and_versions(scene: Scene) -> None:
    library = scene.emulator.games.library
    library.most_applications, library.most_versions = 1, 1
    application, _ = await scene.game()

    assert await refusal(scene.application("go")) == "CPS.0196"
    assert await refusal(scene.version(application, "2")) == "CPS.0196"


@story(servers=2, regions=["cn-north-4", "cn-north-9"])
async def test_a_project_does_not_see_the_games_of_another(scene: Scene) -> None:
    _, version = await scene.game()
    for application in scene.emulator.games.library.applications.values():
        application.project = "another"

    assert [one async for one in scene.gaming.applications.list()] == []
    assert await refusal(scene.gaming.versions.show(version)) == "CPS.0302"
    assert await refusal(scene.gaming.applications.show("nobody")) == "CPS.0302"
