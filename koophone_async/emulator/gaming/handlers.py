"""The handlers of cloud mobile gaming, one class for each resource."""

from __future__ import annotations

from typing import Final

from koophone_async.emulator.gaming.applications import Applications
from koophone_async.emulator.gaming.deployments import Deployments
from koophone_async.emulator.gaming.project import GamingProject
from koophone_async.emulator.gaming.versions import Versions
from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.server.accounts import Account

_HANDLERS: Final = (Applications, Deployments, Versions)


def handlers(jobs: Jobs, account: Account) -> dict[str, list[object]]:
    """Return the handlers of every resource, by the id of the project."""
    projects = [GamingProject(jobs, one.id, account.domain_id, one.name) for one in account.projects]
    return {project.id: [handler(project) for handler in _HANDLERS] for project in projects}
