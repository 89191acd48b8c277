"""Where a session points and what it is made of, before anything is sent."""

from __future__ import annotations

import pytest

import koophone_async
from koophone_async import AccessKey, Edition, Endpoints, KooPhone, Password, Quota, Session
from koophone_async.errors import InvalidRequest
from koophone_async.services.koophone.commands import RUN
from koophone_async.session import utc_now

KEY = AccessKey("AKOFTHETEST", "secret-key-of-the-test")


def test_exported_names_are_sorted_and_exist() -> None:
    names = koophone_async.__all__

    assert sorted(names) == list(names)
    assert len(set(names)) == len(names)
    assert all(getattr(koophone_async, name).__module__.startswith("koophone_async") for name in names)


def test_endpoints_come_from_the_environment() -> None:
    environ = {
        "KOOPHONE_ENDPOINT": "https://koophone.example",
        "KOOPHONE_CPH_ENDPOINT": "https://cph.example:8443",
        "HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://iam.example",
    }
    session = Session(KEY, environ=environ)

    origins = [str(session.origin(service)) for service in ("koophone", "cph", "iam")]
    assert origins == ["https://koophone.example", "https://cph.example:8443", "https://iam.example"]


def test_explicit_endpoints_override_the_environment() -> None:
    session = Session(
        KEY,
        endpoints=Endpoints("https://explicit.example"),
        environ={"KOOPHONE_ENDPOINT": "https://other.example"},
    )

    assert str(session.origin("koophone")) == "https://explicit.example"


def test_published_endpoints_depend_on_edition_and_region() -> None:
    session = Session(KEY, environ={"KOOPHONE_REGION": "cn-north-4"})

    assert str(session.origin("koophone")) == "https://koophone.myhuaweicloud.com"
    assert str(session.origin("cph")) == "https://cph.cn-north-4.myhuaweicloud.com"
    assert str(session.origin("iam")) == "https://iam.cn-north-4.myhuaweicloud.com"


def test_an_explicit_region_overrides_the_environment() -> None:
    session = Session(KEY, region="af-north-1", environ={"KOOPHONE_REGION": "cn-north-4"})

    assert str(session.origin("cph")) == "https://cph.af-north-1.myhuaweicloud.com"


@pytest.mark.parametrize(
    "edition, service, missing",
    [("international", "koophone", "KOOPHONE_ENDPOINT"), ("china", "cph", "KOOPHONE_REGION")],
)
def test_an_unpublished_endpoint_must_be_set(edition: str, service: str, missing: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{missing}: is not set"):
        Session(KEY, edition=edition, environ={}).origin(service)


async def test_a_call_without_an_endpoint_is_not_sent() -> None:
    async with Session(KEY, edition="international", environ={}) as session:
        with pytest.raises(InvalidRequest, match="KOOPHONE_ENDPOINT"):
            await KooPhone(session).orders.skus()


@pytest.mark.parametrize(
    "argument, environ, edition",
    [
        (None, {}, Edition.CHINA),
        (None, {"KOOPHONE_EDITION": "international"}, Edition.INTERNATIONAL),
        ("china", {"KOOPHONE_EDITION": "international"}, Edition.CHINA),
        (Edition.INTERNATIONAL, {}, Edition.INTERNATIONAL),
    ],
)
def test_the_edition_comes_from_argument_or_environment(
    argument: str | None, environ: dict[str, str], edition: Edition
) -> None:
    session = Session(KEY, edition=argument, environ=environ)

    assert session.edition is KooPhone(session).edition is edition


def test_an_unknown_edition_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="edition: is 'chinese'; it must be china or international"):
        Session(KEY, edition="chinese", environ={})


async def test_credentials_come_from_the_default_chain() -> None:
    environ = {"HUAWEICLOUD_SDK_AK": "AKONLY"}
    async with Session(environ=environ) as session:
        with pytest.raises(
            InvalidRequest, match="HUAWEICLOUD_SDK_SK: is not set, though HUAWEICLOUD_SDK_AK is"
        ):
            await KooPhone(session).orders.skus()


def test_the_repr_of_a_session_has_no_credentials() -> None:
    assert repr(Session(KEY, region="cn-north-4", environ={})) == "<Session china cn-north-4>"
    assert repr(Session(Password("ann", "pw", "acme", "p"), environ={})) == "<Session china no region>"


async def test_a_session_estimates_the_time_of_calls() -> None:
    session = Session(KEY, quotas={"koophone": [Quota(1, 60)]}, environ={})  # type: ignore[dict-item]
    sender = session.bind(edition="china")

    assert sender.estimate(RUN, 1) == 0
    assert sender.estimate(RUN, 3) == pytest.approx(120, abs=1)
    assert sender.poll_scheduler is session.poll_scheduler


def test_the_wall_clock_is_aware() -> None:
    assert utc_now().utcoffset() is not None
