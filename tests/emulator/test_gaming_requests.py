"""What is wrong with a request of gaming is response in CPH's codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.emulator import Durations

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]


if TYPE_CHECKING:
    from tests.emulator.signed_client import Response, SignedClient


async def test_an_invalid_field_has_its_own_code(call: SignedClient) -> None:
    async def code(path: str, body: object) -> str:
        response: Response = await call("POST", f"/v1/{call.emulator.project_id}/cloud-phone/{path}", body)
        return response.code

    many = [f"server-{number}" for number in range(101)]

    assert await code("apps", {"name": "!", "package_name": "a.b"}) == "CPS.0078"
    assert await code("apps", {"name": "chess"}) == "CPS.0173"
    assert await code("servers/action", {}) == "CPS.0078"
    assert await code("servers/action", {"batch_push_app_version": {"app_version_ids": ["v"]}}) == "CPS.0094"
    for action in ("deploy", "push", "remove", "undeploy"):
        body = {f"batch_{action}_app_version": {"app_version_ids": ["v"], "server_ids": many}}
        assert await code("servers/action", body) == "CPS.0096"


async def test_each_gaming_request_gets_a_new_id(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/apps"

    answers = [await call("GET", path) for _ in range(2)]

    assert len({answer.body["request_id"] for answer in answers} - {"", "r1"}) == 2


@pytest.mark.emulator(strict=False)
async def test_a_lenient_emulator_accepts_invalid_requests(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone"
    server = next(iter(call.emulator.world.cph.servers)).id
    game = await call("POST", f"{path}/apps", {"name": "chess", "package_name": "a.b"})

    page = await call("GET", f"{path}/apps", query=(("offset", "-1"), ("limit", "9" * 30)))
    nothing = {"app_version_ids": [], "server_ids": [server]}
    begun = [await call("POST", f"{path}/servers/action", {f"batch_{action}_app_version": nothing})
             for action in ("deploy", "push")]  # fmt: skip

    assert [row["app_id"] for row in page.body["apps"]] == [game.body["app_id"]]
    assert [[job["job_type"] for job in one.body["jobs"]] for one in begun] == [[30], []]
