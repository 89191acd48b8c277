"""Which store KOOPHONE_LIMITS names, and whence the password comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from koophone_async import InvalidRequest, PostgresLimits, RedisLimits
from koophone_async.limits.shared import parse_limits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "url, limits",
    [
        ("redis://h:1/2", RedisLimits("redis://h:1/2")),
        ("rediss://h?account=a%20b&ssl_ca_certs=x", RedisLimits("rediss://h?ssl_ca_certs=x", account="a b")),
        ("postgresql://h/d?account=a", PostgresLimits("postgresql://h/d", account="a")),
        ("postgres:///d?host=/run", PostgresLimits("postgres:///d?host=%2Frun")),
    ],
)
def test_the_url_names_store_and_account(url: str, limits: RedisLimits | PostgresLimits) -> None:
    assert parse_limits({"KOOPHONE_LIMITS": url}) == limits


@pytest.mark.parametrize("url", ["http://h", "redis", "redis://h:port", "postgresqlx://h", "redis://[h"])
def test_any_other_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"url: is no URL of the form (redis|postgresql)://HOST:PORT$"):
        parse_limits({"KOOPHONE_LIMITS": url})


@pytest.mark.parametrize("query", ["?unknown=1", "?db=x"])
def test_parameters_are_checked(query: str) -> None:
    with pytest.raises(InvalidRequest, match="is no valid URL"):
        RedisLimits(f"redis://h{query}").open_store()


def test_parameters_of_libpq_are_checked_without_showing_the_password() -> None:
    with pytest.raises(InvalidRequest, match="is no URL that libpq accepts") as error:
        PostgresLimits("postgresql://user:hunter%zz@h/d").open_store()

    assert "hunter" not in str(error.value)


def test_the_password_is_in_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n")
    file.chmod(0o600)
    environ = {"KOOPHONE_LIMITS": "redis://h", "KOOPHONE_LIMITS_PASSWORD_FILE": str(file)}

    assert parse_limits(environ).password == "from the file"
    environ["KOOPHONE_LIMITS_PASSWORD"] = "from the variable"
    assert parse_limits(environ).password == "from the variable"


@pytest.mark.parametrize(
    "content, mode, problem",
    [
        (b"x" * 5000, 0o600, "is larger than 4 KiB"),
        (b"\xff\xfe\xfd", 0o600, "cannot be read"),
        (b"x", 0o666, "can be changed by others"),
    ],
)
def test_a_bad_file_of_the_password_is_refused(
    tmp_path: Path, content: bytes, mode: int, problem: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(mode)

    with pytest.raises(InvalidRequest, match=problem):
        parse_limits({"KOOPHONE_LIMITS": "redis://h", "KOOPHONE_LIMITS_PASSWORD_FILE": str(file)})


def test_a_missing_file_of_the_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        parse_limits(
            {"KOOPHONE_LIMITS": "redis://h", "KOOPHONE_LIMITS_PASSWORD_FILE": str(tmp_path / "none")}
        )


def test_others_who_can_read_the_password_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o644)

    parse_limits({"KOOPHONE_LIMITS": "redis://h", "KOOPHONE_LIMITS_PASSWORD_FILE": str(file)})

    assert "KOOPHONE_LIMITS_PASSWORD_FILE" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "limits, package, extra",
    [
        (RedisLimits("redis://h"), "redis", "redis"),
        (PostgresLimits("postgresql://h"), "psycopg", "distributed"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, limits: RedisLimits | PostgresLimits, package: str, extra: str
) -> None:
    for name in [name for name in sys.modules if name.endswith(("redis_store", "postgres_store"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in (package, f"{package}.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(InvalidRequest, match=rf"needs {package}.*koophone-async\[{extra}\]"):
        limits.open_store()
