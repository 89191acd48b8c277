"""Where a journal is, and on which file systems it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import default_location
from koophone_async.rollouts.journal.location import SqliteLocation, file_system_of, parse_location


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({"KOOPHONE_JOURNAL": "/a/b.db", "XDG_STATE_HOME": "/state"}, "/a/b.db"),
        ({"KOOPHONE_JOURNAL": " ", "XDG_STATE_HOME": "/state"}, "/state/koophone/rollouts.db"),
        ({"XDG_STATE_HOME": "relative"}, str(Path.home() / ".local/state/koophone/rollouts.db")),
        ({}, str(Path.home() / ".local/state/koophone/rollouts.db")),
        ({"KOOPHONE_JOURNAL": "OFF"}, None),
    ],
)
def test_the_default_location(environment: dict[str, str], expected: str | None) -> None:
    assert default_location(environment) == expected


@pytest.mark.parametrize(
    "text, location",
    [
        ("rollouts.db", SqliteLocation(Path("rollouts.db"))),
        ("~/rollouts.db", SqliteLocation(Path.home() / "rollouts.db")),
        ("sqlite:///rollouts.db", SqliteLocation(Path("rollouts.db"))),
        ("sqlite:////var/a%20b.db", SqliteLocation(Path("/var/a b.db"))),
        ("sqlite:////nfs/a.db?network=single", SqliteLocation(Path("/nfs/a.db"), single_machine=True)),
    ],
)
def test_a_location_is_a_path_or_a_url(text: str, location: SqliteLocation) -> None:
    assert parse_location(text) == location


@pytest.mark.parametrize(
    "text, problem",
    [
        ("mysql://host/x", "mysql: is not supported"),
        ("sqlite://host/x", "must have the form sqlite:///PATH"),
        ("sqlite:///", "must have the form sqlite:///PATH"),
        ("sqlite:///a#b", "must have the form sqlite:///PATH"),
        ("sqlite:///a?network=many", r"the only option is \?network=single"),
        ("sqlite:///a?mode=ro", r"the only option is \?network=single"),
    ],
)
def test_an_invalid_location_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        parse_location(text)


MOUNTS: Final = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/my\040share rw shared:2 - nfs4 server:/export rw
31 22 0:41 / /mnt/local rw - nfs server:/other rw
32 22 254:1 / /mnt/local rw - xfs /dev/vdb rw
33 30 0:43 / /mnt/my\040share/ram rw - tmpfs none rw
damaged
34 22 - ext4
"""


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/home/a", "ext4"),
        ("/mnt/my share", "nfs4"),
        ("/mnt/my share/deep/er", "nfs4"),
        ("/mnt/my share/ram", "tmpfs"),
        ("/mnt/local/a", "xfs"),
    ],
)
def test_a_path_is_on_the_file_system_that_was_mounted_last(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_an_unknown_file_system_is_none() -> None:
    assert file_system_of(Path("/a"), "") is None


def test_a_network_file_system_is_refused_unless_one_machine_uses_it() -> None:
    path = Path("/mnt/my share/rollouts.db")

    with pytest.raises(ValueError, match=r"network file system \(nfs4\).*rollouts.db\?network=single"):
        SqliteLocation(path).check_file_system(MOUNTS)
    SqliteLocation(path, single_machine=True).check_file_system(MOUNTS)
    SqliteLocation(Path("/mnt/local/rollouts.db")).check_file_system(MOUNTS)
