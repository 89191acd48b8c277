"""What shared quotas mean for a request: its permit has a lease, which may end before it is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from koophone_async import AccessKey, InvalidRequest, Password, Quota, QuotaTooSlow, RedisLimits
from koophone_async.call import SendTracker
from koophone_async.errors import NotConnected
from koophone_async.limits.shared.settings import account_of
from koophone_async.retry import Retries
from tests.fake_server import FakeServer
from tests.limits.shared.ledger_store import LedgerQuotas, LedgerStore
from tests.send.operations import RUN, Note, session

if TYPE_CHECKING:
    from koophone_async.credentials import Credentials

QUOTAS = {RUN.name: (Quota(10, 1),)}


async def test_a_request_is_not_written_when_its_lease_has_ended() -> None:
    store = LedgerStore()

    async def outage() -> None:
        store.is_down = True
        await asyncio.sleep(3)

    async with (
        FakeServer() as server,
        session(server.url, quotas=QUOTAS, limits=LedgerQuotas(store), retries=Retries(attempts=1)) as sender,
    ):
        with pytest.raises(NotConnected, match="the lease of its shared quota ended"):
            await sender.send(RUN, Note(), tracker=SendTracker(before_send=outage))

        assert server.received == []


async def test_a_request_whose_lease_has_ended_is_sent_with_another() -> None:
    store = LedgerStore()
    outages = iter((3, 0))

    async def outage() -> None:
        seconds = next(outages)
        store.is_down = seconds > 0
        await asyncio.sleep(seconds)
        store.is_down = False

    async with (
        FakeServer() as server,
        session(server.url, quotas=QUOTAS, limits=LedgerQuotas(store), retries=Retries(attempts=2)) as sender,
    ):
        await sender.send(RUN, Note(), tracker=SendTracker(before_send=outage))

        assert len(server.received) == 1


async def test_a_session_returns_its_permits_when_it_is_closed() -> None:
    store = LedgerStore()
    async with (
        FakeServer() as server,
        session(server.url, quotas=QUOTAS, limits=LedgerQuotas(store)) as sender,
    ):
        await sender.send(RUN, Note())

    held = [
        holder["held"]
        for document in store.documents.values()
        for window in document["windows"].values()
        for holder in window["holders"].values()
    ]
    assert held == [0]


async def test_an_outage_of_the_store_is_an_error_after_the_maximum_wait() -> None:
    async with (
        FakeServer() as server,
        session(server.url, limits=LedgerQuotas(LedgerStore(is_down=True)), max_quota_wait=20) as sender,
    ):
        with pytest.raises(
            QuotaTooSlow, match=r"quota store at ledger is unreachable since .* \(it is down\)"
        ):
            await sender.send(RUN, Note())


@pytest.mark.parametrize(
    "credentials, account",
    [
        (AccessKey("AK", "secret"), "key-"),
        (AccessKey("AK", "secret", "token", domain_id="d1"), "account-d1"),
        (AccessKey("AK", "secret", "token", project_id="p1"), "account-p1"),
        (Password("user", "secret", "domain", "project"), "user-domain-user"),
    ],
)
def test_quotas_are_shared_by_the_account(credentials: Credentials, account: str) -> None:
    assert account_of(credentials).startswith(account)
    assert "AK" not in account_of(credentials)


def test_a_temporary_key_without_an_account_needs_a_name() -> None:
    with pytest.raises(InvalidRequest, match="needs `account`"):
        account_of(AccessKey("AK", "secret", "token"))


@pytest.mark.parametrize("shared, account", [("account", "account"), (None, "key-")])
async def test_keys_in_the_store_name_account_and_operation(shared: str | None, account: str) -> None:
    store = LedgerStore()
    async with (
        FakeServer() as server,
        session(server.url, quotas=QUOTAS, limits=LedgerQuotas(store, shared)) as sender,
    ):
        await sender.send(RUN, Note())

    assert sorted(key.split(":")[1] for key in store.documents) == [f"group/{RUN.name}", RUN.name]
    assert all(key.startswith(account) for key in store.documents)


def test_the_url_of_a_store_is_shown_without_secrets() -> None:
    assert repr(RedisLimits("redis://user:hunter2@host:1/0?ssl_ca_certs=x", password="hunter2")) == (
        "RedisLimits(url='redis://host:1/0', username=None, account=None, prefix='koophone')"
    )
