"""What a journal in PostgreSQL needs, and what it reports if it is missing."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import (
    Journal,
    JournalError,
    NewRollout,
    RolloutState,
)
from koophone_async.rollouts.journal import schema as tables
from koophone_async.rollouts.journal.postgresql import connection as connections
from tests.rollouts.journal.samples import all_results, result, run_sql, targets

if TYPE_CHECKING:
    from tests.postgresql_server import PostgresServer


@pytest.fixture
def location(postgresql_url: str) -> str:
    return postgresql_url


async def create(location: str) -> str:
    """Create a journal with one rollout, and return its id."""
    async with await Journal.open(location) as journal:
        return (await journal.create(NewRollout("shop", "cph"), targets(3))).id


async def refusal(location: str) -> str:
    """Return why a journal cannot be opened."""
    with pytest.raises(JournalError) as refused:
        await Journal.open(location)
    return refused.value.problem


def as_role(location: str, role: str) -> str:
    """Return the URL for a new role without any privilege."""
    run_sql(location, f"DROP ROLE IF EXISTS {role}")
    run_sql(location, f"CREATE ROLE {role} LOGIN")
    return location.replace("postgres@", f"{role}@")


async def test_the_tables_are_in_a_schema_of_their_own(location: str) -> None:
    await create(location)

    is_ours = "schemaname NOT IN ('pg_catalog', 'information_schema')"
    found = run_sql(location, f"SELECT schemaname, tablename FROM pg_tables WHERE {is_ours}")  # noqa: S608 - ours
    assert set(found) == {("koophone", name) for name in [*tables.COLUMNS, "journal_version"]}


async def test_two_journals_of_one_database_are_apart(location: str) -> None:
    await create(location)

    async with await Journal.open(f"{location}&schema=other") as journal:
        assert await journal.rollouts() == []


async def test_an_older_journal_is_migrated_while_others_work(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Journal.open(location) as old:
        driver = await old.acquire((await old.create(NewRollout("shop", "cph"), targets(3))).id)
        later = (*tables.MIGRATIONS, ("ALTER TABLE log ADD COLUMN more TEXT",))
        monkeypatch.setattr(tables, "MIGRATIONS", later)
        monkeypatch.setattr(tables, "VERSION", len(later))
        async with await Journal.open(location):
            driver.settle(None, [result(0)], {"succeeded": 1})
            await driver.flush()
        assert len(await all_results(old, driver.rollout.id)) == 1
    assert run_sql(location, "SELECT version FROM journal_version") == [(len(later),)]
    assert run_sql(location, "SELECT more FROM log") == []


async def test_a_journal_of_a_newer_version_is_refused(location: str) -> None:
    await create(location)
    run_sql(location, "UPDATE journal_version SET version = 1000")

    problem = await refusal(location)
    assert problem == f"has version 1000, and this program knows {tables.VERSION}: update koophone-async"


@pytest.mark.parametrize("change", ["DROP TABLE log", "ALTER TABLE chunks DROP COLUMN handle"])
async def test_a_journal_that_lacks_something_is_refused(location: str, change: str) -> None:
    await create(location)
    run_sql(location, change)

    assert (await refusal(location)).startswith("is damaged: ")


async def test_tables_of_another_program_are_not_touched(location: str) -> None:
    with psycopg.connect(location) as db:
        db.execute("CREATE SCHEMA koophone")
        db.execute("CREATE TABLE koophone.log (line TEXT)")

    assert await refusal(location) == "the schema koophone has tables of another program"


async def test_damaged_content_is_reported(location: str) -> None:
    rollout = await create(location)
    run_sql(location, "UPDATE rollouts SET counts = '{'")

    async with await Journal.open(location) as journal:
        with pytest.raises(JournalError, match="is damaged"):
            await journal.find(rollout)


async def test_a_schema_that_an_administrator_has_created_is_used(location: str) -> None:
    owner = as_role(location, "owner")
    run_sql(location, "CREATE SCHEMA prepared AUTHORIZATION owner")

    await create(f"{owner}&schema=prepared")
    run_sql(location, "DROP OWNED BY owner")


async def test_an_old_server_is_refused(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_VERSION", 990_000)

    assert await refusal(location) == "needs PostgreSQL 99 or newer"


async def test_a_role_needs_only_to_read_and_write_the_tables(location: str) -> None:
    rollout, worker = await create(location), as_role(location, "worker")
    run_sql(location, "GRANT USAGE ON SCHEMA koophone TO worker")
    run_sql(location, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA koophone TO worker")

    async with await Journal.open(worker) as journal:
        driver = await journal.acquire(rollout)
        driver.settle(None, [result(0)], {"succeeded": 1})
        driver.log("done")
        await driver.release(state=RolloutState.FINISHED)
        await journal.prune(keep=0)
        assert await journal.rollouts() == []


async def test_a_role_that_can_only_read_sees_rollouts(location: str) -> None:
    rollout, reader = await create(location), as_role(location, "reader")
    run_sql(location, "GRANT USAGE ON SCHEMA koophone TO reader")
    run_sql(location, "GRANT SELECT ON ALL TABLES IN SCHEMA koophone TO reader")

    async with await Journal.open(reader) as journal:
        assert (await journal.find(rollout)).targets == 3
        with pytest.raises(JournalError, match=r"the role lacks a privilege \(permission denied for table"):
            await journal.acquire(rollout)


async def test_the_roles_of_the_documentation_are_enough(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker goes on when the owner has migrated the tables and added one."""
    text = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text("utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    ((database,),) = run_sql(location, "SELECT current_database()")
    first, second = re.split(r"--.*\n", block.replace("rollouts", database))
    run_sql(location, first)
    try:
        rollout = await create(location.replace("postgres@", "koophone_owner@"))
        run_sql(location, second)
        monkeypatch.setattr(tables, "MIGRATIONS", (*tables.MIGRATIONS, ("CREATE TABLE later (line TEXT)",)))
        monkeypatch.setattr(tables, "VERSION", len(tables.MIGRATIONS))
        monkeypatch.setattr(tables, "COLUMNS", {**tables.COLUMNS, "later": frozenset({"line"})})
        worker = location.replace("postgres@", "koophone_worker@")
        assert "may not create or migrate the tables" in await refusal(worker)
        async with await Journal.open(location.replace("postgres@", "koophone_owner@")):
            pass
        async with await Journal.open(worker) as journal:
            await (await journal.acquire(rollout)).release(state=RolloutState.FINISHED)
    finally:
        for role in ("koophone_owner", "koophone_worker"):
            run_sql(location, f"DROP OWNED BY {role} CASCADE")
            run_sql(location, f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "grants, missing",
    [
        ([], "GRANT USAGE ON SCHEMA koophone TO partial"),
        (["USAGE ON SCHEMA koophone"], "GRANT USAGE ON SCHEMA koophone TO partial"),
        (
            ["USAGE ON SCHEMA koophone", "SELECT, UPDATE ON ALL TABLES IN SCHEMA koophone"],
            "GRANT INSERT, DELETE ON ALL TABLES IN SCHEMA koophone TO partial",
        ),
        (
            ["USAGE ON SCHEMA koophone", "SELECT ON ALL TABLES IN SCHEMA koophone", "INSERT ON koophone.log"],
            "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA koophone TO partial",
        ),
    ],
)
async def test_a_missing_privilege_is_named(location: str, grants: list[str], missing: str) -> None:
    await create(location)
    partial = as_role(location, "partial")
    for grant in grants:
        run_sql(location, f"GRANT {grant} TO partial")

    assert await refusal(partial) == f"the role partial lacks a privilege: {missing}"


async def test_a_role_that_may_not_create_the_tables_is_reported(location: str) -> None:
    problem = await refusal(as_role(location, "nobody"))

    assert "the role nobody may not create or migrate the tables" in problem
    assert "GRANT CREATE ON DATABASE test_" in problem


async def test_a_password_is_never_shown(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(location, "DROP ROLE IF EXISTS with_password")
    run_sql(location, "CREATE ROLE with_password LOGIN SUPERUSER PASSWORD 'tr:b@n/t'")
    url = location.replace("postgres@", "with_password@")
    file = tmp_path / "password"
    file.write_text("tr:b@n/t\n")
    passfile = tmp_path / "passfile"
    passfile.write_text("*:*:*:*:tr\\:b@n/t\n")
    passfile.chmod(0o600)

    assert "no password supplied" in await refusal(url)
    for wrong in (f"{url}&password=tr", location.replace("postgres@", "with_password:tr@")):
        problem = await refusal(wrong)
        assert "password authentication failed" in problem
    for right in (
        location.replace("postgres@", "with_password:tr%3Ab%40n%2Ft@"),
        f"{url}&password=tr%3Ab%40n%2Ft",
        f"{url}&password_file={file}",
        f"{url}&passfile={passfile}",
    ):
        async with await Journal.open(right) as journal:
            assert "tr" not in journal.location.removeprefix("postgresql://with_password@/test")
            assert "b%40" not in repr(journal)
            assert "b@n" not in repr(journal)
    monkeypatch.setenv("PGPASSWORD", "tr:b@n/t")
    async with await Journal.open(url):
        pass


async def test_a_missing_password_file_is_reported(location: str) -> None:
    assert await refusal(f"{location}&password_file=/nowhere/password") == (
        "cannot be opened: No such file or directory"
    )


@pytest.mark.parametrize(
    "content, mode, problem",
    [
        (b"x", 0o666, r"can be changed by others \(mode 0666\); set it to 0600"),
        (b"x" * 65_537, 0o600, "is larger than 64 KiB"),
        (b"\xff", 0o600, "is not UTF-8"),
    ],
)
async def test_an_unsuitable_password_file_is_refused(
    location: str, tmp_path: Path, content: bytes, mode: int, problem: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(mode)

    assert re.match(f"cannot be opened: {file} {problem}", await refusal(f"{location}&password_file={file}"))


async def test_an_unknown_option_is_named(location: str) -> None:
    with pytest.raises(InvalidRequest, match="colour: is no option of PostgreSQL"):
        await Journal.open(f"{location}&colour=red")


async def test_an_invalid_value_of_an_option_is_reported(location: str) -> None:
    with pytest.raises(InvalidRequest, match="is no valid PostgreSQL URL"):
        await Journal.open(location.replace("@/", "@%zz/"))


async def test_options_of_libpq_reach_it(location: str) -> None:
    assert 'invalid sslmode value: "often"' in await refusal(f"{location}&sslmode=often")


async def test_an_encoding_without_all_characters_is_refused(postgresql_server: PostgresServer) -> None:
    run_sql_of = postgresql_server.execute
    run_sql_of("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        assert "LATIN1; it has to be UTF8" in await refusal(postgresql_server.url("latin"))
    finally:
        run_sql_of("DROP DATABASE latin")


async def test_a_server_that_is_not_there_is_reported(unused_tcp_port: int) -> None:
    problem = await refusal(f"postgresql://user@127.0.0.1:{unused_tcp_port}/database")

    assert problem.startswith("the server cannot be reached (connection failed: ")


async def test_a_missing_package_is_named(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in ("driver", "connection", "errors", "schema"):
        monkeypatch.delitem(sys.modules, f"koophone_async.rollouts.journal.postgresql.{name}", raising=False)

    with pytest.raises(InvalidRequest, match=r"pip install 'koophone-async\[distributed\]'"):
        await Journal.open(location)


async def test_a_character_that_postgresql_cannot_store_is_replaced(location: str) -> None:
    async with await Journal.open(location) as journal:
        await journal.create(NewRollout("a\0b", "cph"), targets(1))

        assert (await journal.find("a\0b")).name == "a\N{SYMBOL FOR NULL}b"
