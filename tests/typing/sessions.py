"""Sessions: every way to make one, and what it is inside `async with`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_type

from koophone_async import AccessKey, Edition, Endpoints, Password, Quota, Retries, Session, Timeouts

if TYPE_CHECKING:
    import aiohttp


async def from_the_environment() -> None:
    async with Session() as session:
        assert_type(session, Session)
        assert_type(session.region, str | None)
        assert_type(session.edition, Edition)


async def with_every_option(http: aiohttp.ClientSession) -> None:
    session = Session(
        AccessKey("access", "secret", "token", project_id="project"),
        region="cn-north-4",
        edition="china",
        endpoints=Endpoints("https://koophone", "https://cph", "https://iam"),
        timeouts=Timeouts(connect=1.0, read=None, total=60),
        retries=Retries(max_delay=5.0),
        quotas={"koophone.commands.run": (Quota(6, 60),)},
        max_quota_wait=10,
        connections=10,
        proxy="http://proxy",
        http=http,
        now=lambda: datetime.now(UTC),
        environ={},
    )
    assert_type(session, Session)
    assert_type(await session.close(), None)


def with_a_user_and_a_password() -> None:
    assert_type(Session(Password("user", "password", "domain", "project")), Session)


def with_a_provider_of_credentials() -> None:
    async def provider() -> AccessKey | None:
        return AccessKey("access", "secret")

    assert_type(Session(provider, edition=Edition.INTERNATIONAL), Session)
