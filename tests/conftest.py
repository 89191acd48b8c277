"""What holds for every test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import settings

from tests.postgresql_server import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Generator

pytest_plugins = ["koophone_async.testing"]

Report = TypeVar("Report", pytest.CollectReport, pytest.TestReport)

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgresql_server() -> Generator[PostgresServer]:
    """Return a server that the tests of this process share."""
    with PostgresServer.run() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgresServer) -> Generator[str]:
    """Return the URL of a new, empty database of the superuser."""
    with postgresql_server.new_database() as name:
        yield postgresql_server.url(name)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _no_skips_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _no_skips_in_ci((yield))


def _no_skips_in_ci(report: Report) -> Report:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {report.longrepr}"
    return report
