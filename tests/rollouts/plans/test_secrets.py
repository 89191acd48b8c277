"""Secrets in plans: when links expire, and that nobody is shown them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.links import check_links, expiring_links, link_expiry
from koophone_async.rollouts.plans.plan import Plan, Selection, Step
from koophone_async.rollouts.plans.redaction import redacted_data

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "query",
    [
        f"AccessKeyId=A&Expires={int(NOON.timestamp())}&Signature=s",
        "X-Amz-Algorithm=A&X-Amz-Date=20260110T110000Z&X-Amz-Expires=3600&X-Amz-Signature=s",
        "x-obs-date=20260110T110000Z&x-obs-expires=3600&x-obs-security-token=t",
        "X-Goog-Expires=60&X-Goog-Date=20260110T115900Z",
    ],
)
def test_a_signed_link_states_when_it_expires(query: str) -> None:
    assert link_expiry(f"https://bucket.example.com/a/shop.apk?{query}") == NOON


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.com/shop.apk",
        "https://example.com/?Expires=soon",
        "https://example.com/?Expires=99999999999999",
        "https://example.com/?X-Amz-Expires=60",
        "https://example.com/?X-Amz-Date=yesterday&X-Amz-Expires=60",
        "https://[/?Expires=1",
    ],
)
def test_other_links_do_not(url: str) -> None:
    assert link_expiry(url) is None


@given(st.text())
def test_any_text_may_be_no_link(text: str) -> None:
    link_expiry(f"https://example.com/?{text}")


def test_a_link_that_expires_before_the_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"name": "com.shop", "file": "a.apk", "version": "1", "size": "2", "url": {"env": "LINK"}}
    plan = Plan(targets=Selection(ids=["a"]), steps=[Step("run", "x"), Step("install", package)])
    monkeypatch.setenv("LINK", f"https://h/a.apk?Expires={int(NOON.timestamp())}")

    assert list(expiring_links(plan)) == [("steps[1].install.url", NOON)]
    check_links(plan, NOON)
    with pytest.raises(
        InvalidRequest, match=r"steps\[1\].install.url: is a link that expires at 2026-01-10 12:00:00"
    ):
        check_links(plan, NOON + timedelta(seconds=1))
    monkeypatch.delenv("LINK")
    with pytest.raises(InvalidRequest, match=r"steps\[1\].install.url: the environment has no variable LINK"):
        check_links(plan, NOON)


def test_references_are_checked_with_their_present_values(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(targets=Selection(ids=["a"]), steps=Step("reboot"), undo=Step("run", {"env": "COMMAND"}))
    monkeypatch.setenv("COMMAND", "getprop")
    plan.check_references()

    monkeypatch.setenv("COMMAND", "x" * 1025)
    with pytest.raises(InvalidRequest, match=r"undo\[0\]\.run\.command: is 1,025 bytes"):
        plan.check_references()


def test_a_plan_is_shown_without_secrets() -> None:
    package = {
        "name": "com.shop",
        "file": "a.apk",
        "version": "1",
        "size": "2",
        "url": "https://h/a.apk?Signature=s3cret",
    }
    plan = Plan(
        targets=Selection(ids=["a"]),
        steps=[
            Step("install", package),
            Step("run", "curl -H 'Authorization: s3cret' x"),
            Step("run", {"env": "TOKEN"}),
        ],
        undo=Step("run", "login password=s3cret"),
    )
    shown = redacted_data(plan)

    assert "s3cret" in plan.to_json()
    assert "s3cret" not in str(shown)
    assert shown["steps"][0]["install"]["url"] == "https://h/a.apk?***"
    assert shown["steps"][2] == {"run": {"command": {"env": "TOKEN"}}}
    assert "s3cret" not in repr(plan)


def test_a_text_under_the_name_of_a_secret_is_not_shown() -> None:
    tags = {"password": "s3cret", "team": "shop"}
    plan = Plan(service="cph", targets=Selection(tag=tags), steps=Step("add_tags", {"tags": tags}))

    assert redacted_data(evolve(plan, concurrency=5))["concurrency"] == 5
    assert redacted_data(plan)["steps"] == [{"add_tags": {"tags": {"password": "***", "team": "shop"}}}]
    assert "s3cret" not in str(redacted_data(plan))
