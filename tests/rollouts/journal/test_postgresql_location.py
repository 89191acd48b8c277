"""URLs of PostgreSQL: what is ours in them, what is shown of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal.location import parse_location
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation


def parse(url: str) -> PostgresLocation:
    location = parse_location(url)
    assert isinstance(location, PostgresLocation)
    return location


@pytest.mark.parametrize(
    "url, label",
    [
        ("postgresql://host/db", "postgresql://host/db"),
        ("postgres://host/db", "postgresql://host/db"),
        ("POSTGRESQL://host/db", "postgresql://host/db"),
        ("postgresql://u@h1:5432,h2:5433/db?sslmode=require", "postgresql://u@h1:5432,h2:5433/db"),
        ("postgresql://u@[::1]:5432/db", "postgresql://u@[::1]:5432/db"),
        ("postgresql://u:tr:b@host/db", "postgresql://u@host/db"),
        ("postgresql:///db?host=/run/postgresql&password=tr", "postgresql:///db"),
        ("postgresql://", "postgresql://"),
    ],
)
def test_the_label_has_no_option_and_no_password(url: str, label: str) -> None:
    location = parse(url)

    assert location.label == label
    assert location.is_shared
    assert "url=" not in repr(location)


@pytest.mark.parametrize(
    "url, has_secret",
    [
        ("postgresql://u@host/db", False),
        ("postgresql://u:p@host/db", True),
        ("postgresql://u@host/db?password=p", True),
        ("postgresql://u@host/db?sslpassword=p", True),
        ("postgresql://u@host/db?passfile=/p&password_file=/p", False),
    ],
)
def test_a_password_in_a_url_is_noticed(url: str, has_secret: bool) -> None:  # noqa: FBT001 - a parameter
    assert parse(url).has_secret is has_secret


@pytest.mark.parametrize(
    "url, parameters",
    [
        ("postgresql://", {}),
        ("POSTGRES:///db?host=/run", {"dbname": "db", "host": "/run"}),
        (
            "postgresql://u:p%40@h:1,[::1]:2/db",
            {"user": "u", "password": "p@", "host": "h,::1", "port": "1,2"},
        ),
    ],
)
def test_libpq_reads_what_was_written(url: str, parameters: dict[str, str]) -> None:
    assert parameters.items() <= conninfo_to_dict(parse(url).url).items()


def test_options_that_are_ours_are_not_for_libpq() -> None:
    location = parse("postgresql://u@host/db?schema=night&sslmode=require&password_file=/run/a%20b")

    assert location.url == "postgresql://u@host/db?sslmode=require"
    assert (location.schema, location.password_file) == ("night", Path("/run/a b"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret/1@host/db",
        "postgresql://u:1/secret@host/db",
        "postgresql://u:12?secret@host/db",
        "postgresql://u:12#secret@host/db",
        "postgresql://u:secret=host/db",
        "postgresql://host/db/secret",
        "postgresql://host/db?secret",
        "postgresql://host/db?Secret=1",
        "postgresql://host:secret/db",
    ],
)
def test_an_ambiguous_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidRequest, match="written as %XX") as refused:
        parse_location(url)
    assert "ecret" not in str(refused.value)


@pytest.mark.parametrize("schema", ["", "Night", "a-b", 'a"b', "x" * 64])
def test_a_schema_is_a_plain_name(schema: str) -> None:
    with pytest.raises(InvalidRequest, match="is no plain name"):
        parse_location(f"postgresql://host/db?schema={schema}")
