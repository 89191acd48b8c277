"""The CPH client: in which region and in which project it calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import define, field

from koophone_async import AccessKey, CloudPhone, Edition, Endpoints, Password, Session
from koophone_async.cph import JobState
from koophone_async.endpoints import CPH_REGIONS
from koophone_async.errors import InvalidRequest, NotConnected, NotFound
from koophone_async.services.cph.commands import RUN_SYNC
from tests.fake_server import FakeServer, ReceivedRequest, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from koophone_async.credentials import Credentials

KEY: Final = AccessKey("access", "secret")
SIGNED_IN: Final = {"token": {"expires_at": "2999-01-01T00:00:00Z"}}


@define
class Service:
    """CPH and IAM at one address."""

    projects: dict[str, str] | None = field(factory=lambda: {"cn-north-4": "id-4", "cn-east-3": "id-3"})
    """Ids by name; None for an answer that cannot be read."""

    job: dict[str, Any] = field(factory=lambda: {"job_id": "j1", "status": 2})
    server: FakeServer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = FakeServer.handling(self.handle)

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.path == "/v3/auth/tokens":
            return Reply(SIGNED_IN, 201, {"X-Subject-Token": "t"})
        if request.path == "/v3/projects":
            if self.projects is None:
                return Reply(b"<html>")
            return Reply({"projects": [{"name": name, "id": id} for name, id in self.projects.items()]})
        return Reply(self.job)

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.server.received]

    def session(
        self,
        credentials: Credentials = KEY,
        region: str | None = "cn-north-4",
        environ: dict[str, str] | None = None,
    ) -> Session:
        return self.server.session(credentials=credentials, region=region, environ=environ or {})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    async with service.server:
        yield service


async def test_a_configured_project_is_used(service: Service) -> None:
    async with service.session(AccessKey("a", "s", project_id="other")) as session:
        await CloudPhone(session, project_id="mine").jobs.show("j1")

    assert service.targets == ["/v1/mine/cloud-phone/jobs/j1"]
    assert service.server.received[0].headers["x-project-id"] == "mine"


async def test_the_environments_project_precedes_the_keys(service: Service) -> None:
    environ = {"HUAWEICLOUD_SDK_PROJECT_ID": "environment"}
    async with service.session(AccessKey("a", "s", project_id="key"), environ=environ) as session:
        assert await CloudPhone(session).project_id() == "environment"


async def test_the_keys_project_saves_the_look_up(service: Service) -> None:
    async with service.session(AccessKey("a", "s", project_id="key")) as session:
        assert await CloudPhone(session).project_id() == "key"

    assert service.targets == []


async def test_all_clients_of_a_session_look_the_project_up_once(service: Service) -> None:
    async with service.session() as session:
        cph = CloudPhone(session)
        await asyncio.gather(*(cph.jobs.show("j1") for _ in range(3)))
        await CloudPhone(session).jobs.show("j1")

    assert service.targets == ["/v3/projects?name=cn-north-4", *["/v1/id-4/cloud-phone/jobs/j1"] * 4]


async def test_another_region_has_another_project(service: Service) -> None:
    environ = {"HUAWEICLOUD_SDK_PROJECT_ID": "environment"}
    async with service.session(AccessKey("a", "s", project_id="key"), environ=environ) as session:
        assert await CloudPhone(session, region="cn-east-3").project_id() == "id-3"


async def test_a_password_calls_in_its_tokens_project(service: Service) -> None:
    service.projects = {"cn-north-4": "id-4", "cn-north-4_shop": "id-shop"}
    who = Password("user", "password", "account", "cn-north-4_shop")
    async with service.session(who) as session:
        assert await CloudPhone(session).project_id() == "id-shop"


async def test_a_missing_project_is_not_found(service: Service) -> None:
    service.projects = {}
    async with service.session() as session:
        with pytest.raises(NotFound, match="the account has no project cn-north-4"):
            await CloudPhone(session).project_id()


async def test_a_call_without_its_project_is_not_sent(service: Service) -> None:
    service.projects = None
    async with service.session() as session:
        with pytest.raises(NotConnected, match="the project is not known"):
            await CloudPhone(session).jobs.show("j1")

    assert set(service.targets) == {"/v3/projects?name=cn-north-4"}


async def test_a_call_needs_a_project_or_a_region(service: Service) -> None:
    async with service.session(region=None) as session:
        with pytest.raises(
            InvalidRequest, match="project_id: is not set, and there is no region to look it up by"
        ):
            await CloudPhone(session).jobs.show("j1")


@pytest.mark.parametrize("region", CPH_REGIONS)
def test_the_known_regions_have_hosts(region: str) -> None:
    session = Session(KEY, environ={})

    CloudPhone(session, project_id="p", region=region)

    assert str(session.origin("cph", region)) == f"https://cph.{region}.myhuaweicloud.com"


def test_an_unknown_region_needs_an_endpoint() -> None:
    with pytest.raises(
        InvalidRequest, match="region: is 'xx-new-1'; without an endpoint it must be one of af-north-1"
    ):
        CloudPhone(Session(KEY, environ={}), project_id="p", region="xx-new-1")

    endpoints = Endpoints(cph="https://cph.example.com")
    CloudPhone(Session(KEY, endpoints=endpoints, environ={}), project_id="p", region="xx-new-1")


def test_a_missing_endpoint_is_an_error_at_once() -> None:
    with pytest.raises(InvalidRequest, match="KOOPHONE_REGION: is not set"):
        CloudPhone(Session(KEY, environ={}), project_id="p")


async def test_a_job_that_failed_is_shown_and_not_raised(service: Service) -> None:
    service.job = {"job_id": "j1", "status": -1, "error_code": "CPS.0054", "error_msg": "Timed out."}
    async with service.session() as session:
        job = await CloudPhone(session, project_id="p").jobs.show("j1")

    assert (job.state, job.error_code) == (JobState.FAILED, "CPS.0054")


async def test_a_bound_session_shares_quotas_and_polls_with_its_session() -> None:
    session = Session(KEY, environ={})
    bound = session.bind(region="cn-north-4", project_id="p")

    assert bound.estimate(RUN_SYNC, 12) == session.estimate(RUN_SYNC, 12) >= 60
    assert bound.poll_scheduler is session.poll_scheduler


async def test_binding_again_keeps_what_is_not_named_anew(service: Service) -> None:
    async with service.session() as session:
        bound = session.bind(region="cn-east-3", project_id="p").bind(edition="international")

        assert (bound.edition, bound.region) == (Edition.INTERNATIONAL, "cn-east-3")
        assert await bound.project_id() == "p"
