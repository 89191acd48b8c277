"""The handlers of cloud mobile gaming, one class for each resource."""

from __future__ import annotations

from koophone_async.emulator.gaming.applications import Applications
from koophone_async.emulator.gaming.deployments import Deployments
from koophone_async.emulator.gaming.project import GamingProject
from koophone_async.emulator.gaming.versions import Versions
from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.server.accounts import Account


def handlers(jobs: Jobs, account: Account) -> dict[str, list[object]]:
    """Return the handlers of every resource, by the id of the project."""
    projects = [GamingProject(jobs, one.id, account.domain_id, one.name) for one in account.projects]
    return {
        project.id: [Applications(project), Deployments(project), Versions(project)] for project in projects
    }
