"""The project that calls of a region are made in, where the caller names none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import define, field

from koophone_async.characters import HEADER
from koophone_async.credentials import Password
from koophone_async.errors import InvalidRequest, NoAnswer, NotConnected, NotFound, Rule, UnreadableAnswer

if TYPE_CHECKING:
    from koophone_async.session import Session


@define(eq=False, repr=False)
class ProjectLookup:
    """Finds the project of each region once: in the environment, the credentials, or the account's list."""

    _session: Session
    _known: dict[str | None, str] = field(factory=dict[str | None, str], init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)

    def enter_loop(self) -> None:
        """Replace the lock, which belongs to the event loop that it was contended in."""
        self._lock = asyncio.Lock()

    async def find(self, region: str | None) -> str:
        """Return the project's id; the first call may query IAM, and concurrent ones wait for its answer.

        Raises:
            InvalidRequest: There is neither a project nor a region to look it up by.
            NotConnected: The look-up had no usable answer; the call that needs the project was not sent.
            NotFound: The account has no project of that name.
        """
        if known := self._known.get(region):
            return known
        async with self._lock:
            if region not in self._known:  # another call may have found it during the wait for the lock
                try:
                    self._known[region] = await self._look_up(region)
                except (NoAnswer, UnreadableAnswer) as error:
                    raise NotConnected(error.operation, f"the project is not known: {error}") from error
            return self._known[region]

    async def _look_up(self, region: str | None) -> str:
        session = self._session
        credentials = await session.credentials.current()
        configured = session.default_project or getattr(credentials, "project_id", None)
        if configured and region == session.region:
            return str(configured)
        # A token is good for its own project only, which need not be named like the region.
        name = credentials.project if isinstance(credentials, Password) else region
        if not name:
            problem = "is not set, and there is no region to look it up by; set one of them"
            raise InvalidRequest("", "project_id", problem, Rule.ALL_MISSING)
        from koophone_async.services.iam import LIST_PROJECTS, ProjectQuery  # noqa: PLC0415 - rarely needed

        answer = await session.send(LIST_PROJECTS, ProjectQuery(name), region=region)
        for project in answer.projects:
            if project.name == name:
                if not HEADER.accepts(project.id):
                    reason = "the id of the project contains characters that no header may contain"
                    raise UnreadableAnswer(LIST_PROJECTS.name, LIST_PROJECTS.success, reason, b"")
                return project.id
        raise NotFound(LIST_PROJECTS.name, 200, "", f"the account has no project {name}")
