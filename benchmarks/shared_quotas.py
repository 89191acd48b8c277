"""Quotas that processes share: how much of them is used, whether ever more, and with how many requests.

`python -m benchmarks.shared_quotas` starts a Valkey and a PostgreSQL server, and clients that make calls at a
server which counts them. It prints a table of its own; waiting dominates, about two minutes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import psycopg
from attrs import frozen

from koophone_async import PostgresLimits, Quota
from tests.postgresql_server import PostgresServer
from tests.shared_quotas.processes import Processes, answers, begin, fullest, wait_for_first_answer
from tests.shared_quotas.valkey_server import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable

QUOTAS: Final = (Quota(6, 3), Quota(50, 1), Quota(100, 1))
PROCESSES: Final = (1, 2, 3)
WINDOWS: Final = 5
"""Full windows whose use is measured."""


@frozen
class Store:
    """A store, and how many requests it has settled so far."""

    name: str
    url: str
    trips: Callable[[], int]


def _measure(store: Store, quota: Quota, processes: int) -> str:
    calls = -(-(WINDOWS * quota.permits + 1) // processes)
    before = store.trips()
    with Processes.run() as running:
        clients = [running.start(store.url, quota, calls) for _ in range(processes)]
        for client in clients:
            begin(client)
        for client in clients:
            wait_for_first_answer(client)
            answers(client)
        times = running.arrivals()
    used = WINDOWS * quota.seconds / (times[WINDOWS * quota.permits] - times[0])
    over = max(0, fullest(times, quota.seconds) - quota.permits)
    trips = (store.trips() - before) / len(times)
    case = f"{quota.permits} in {quota.seconds:g} s"
    return f"{store.name:<11} {case:>10} {processes:>9} {len(times):>6} {trips:>12.3f} {used:>7.1%} {over:>5}"


def _aged_valkey(server: ValkeyServer) -> Store:
    client = server.client()
    client.hset("{koophone}:epoch", mapping={"run": client.info("server")["run_id"], "since": 1})

    def trips() -> int:
        return int(client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])

    return Store("valkey", server.url, trips)


async def _create_table(url: str) -> None:
    store = PostgresLimits(url).open_store()
    await store.settle({})
    await store.close()


def _aged_postgresql(server: PostgresServer) -> Store:
    asyncio.run(_create_table(server.url()))
    connection = psycopg.connect(server.url(), autocommit=True)
    connection.execute("UPDATE koophone_quotas SET document = '1'")

    def trips() -> int:
        row = connection.execute(
            "SELECT sum(n_tup_upd)::int / 2 FROM pg_stat_user_tables WHERE relname = 'koophone_quotas'"
        ).fetchone()
        return int(row[0]) if row else 0

    return Store("postgresql", server.url(), trips)


def main() -> None:
    print("store            quota processes  calls trips/permit    used  over")
    with ValkeyServer.run() as valkey, PostgresServer.run() as postgresql:
        for store in (_aged_valkey(valkey), _aged_postgresql(postgresql)):
            for quota in QUOTAS:
                for processes in PROCESSES:
                    print(_measure(store, quota, processes), flush=True)
                    asyncio.run(asyncio.sleep(quota.seconds + 1))  # until all permits are free again


if __name__ == "__main__":
    main()
