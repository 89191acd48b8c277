"""What each operation of cloud mobile gaming does, and games that are played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koophone_async.emulator.cph.project import Site
from koophone_async.emulator.gaming.applications import Applications
from koophone_async.emulator.gaming.callbacks import Line
from koophone_async.emulator.gaming.deployments import Deployments
from koophone_async.emulator.gaming.games import Games
from koophone_async.emulator.gaming.jobs import GameAgenda, Jobs
from koophone_async.emulator.gaming.library import Library
from koophone_async.emulator.gaming.player import Player, TurnedAway
from koophone_async.emulator.gaming.project import Stage
from koophone_async.emulator.gaming.versions import Versions

if TYPE_CHECKING:
    from koophone_async.emulator.server.accounts import Account
    from koophone_async.emulator.world import World

__all__ = ["GameAgenda", "Games", "Library", "Line", "Player", "TurnedAway", "desks"]

_DESKS = (Applications, Deployments, Versions)


def desks(world: World, agenda: GameAgenda, library: Library, account: Account) -> dict[str, list[object]]:
    """Set up a desk for every resource in every project, by the project's id."""
    jobs = Jobs(world, library)
    agenda.end = jobs.end
    sites = [Site(world, project.id, account.domain_id, project.name) for project in account.projects]
    return {site.project: [desk(Stage(site, library, jobs)) for desk in _DESKS] for site in sites}
