"""A session as CPH uses it: in one region, and in the project that all paths name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.credentials import Password
from koophone_async.errors import InvalidRequest, NoAnswer, NotConnected, NotFound, Rule, UnreadableAnswer
from koophone_async.services.channel import Channel
from koophone_async.services.iam import LIST_PROJECTS, Iam

if TYPE_CHECKING:
    from koophone_async.call import SendTracker
    from koophone_async.operation import Answer, Operation, Request
    from koophone_async.session import Session

REGIONS: Final = (
    "af-north-1", "ap-southeast-1", "ap-southeast-3", "cn-east-2", "cn-east-3", "cn-east-4", "cn-north-4",
    "cn-north-9", "cn-south-1", "cn-southwest-2", "la-north-2", "la-south-2", "ru-northwest-2",
)  # fmt: skip
"""Where the service is known to be. Anywhere else it needs an endpoint that is said."""


@define(eq=False)
class ProjectChannel(Channel):
    """Sends in one project, which is looked up at the first call where nobody said it."""

    region: str | None
    _project: str | None = field(default=None, repr=False)
    _looking: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)

    async def send(
        self, operation: Operation[Request, Answer], request: Request, tracker: SendTracker | None = None
    ) -> Answer:
        """Send one request; see `Session.send`."""
        project = await self.project()
        return await self.session.send(
            operation, request, tracker=tracker, region=self.region, project_id=project
        )

    async def project(self) -> str:
        """Tell the project's id: as was said, else of the environment, the credentials, the region.

        Raises:
            InvalidRequest: Nothing says which project or region it is.
            NotFound: The account has no project of that name.
        """
        return self._project or await self._looked_up()

    async def _looked_up(self) -> str:
        async with self._looking:
            if self._project is None:
                try:
                    self._project = await self._find()
                except (NoAnswer, UnreadableAnswer) as error:  # of the look-up; the call itself has not left
                    raise NotConnected(LIST_PROJECTS.name, f"the project is not known: {error}") from error
            return self._project

    async def _find(self) -> str:
        credentials = await self.session.credentials.current()
        if self.region == self.session.region:
            said = self.session.environ.get("HUAWEICLOUD_SDK_PROJECT_ID")
            if found := said or getattr(credentials, "project_id", None):
                return str(found)
        # A token is good for its own project only, which need not be named like the region.
        name = credentials.project if isinstance(credentials, Password) else self.region
        if not name:
            raise InvalidRequest(
                "",
                "project_id",
                "is not given, and no region to look it up by: give one of them",
                Rule.ALL_MISSING,
            )
        for project in (await self._iam().projects.list(name)).projects:
            if project.name == name:
                return project.id
        raise NotFound("iam.projects.list", 200, "", f"the account has no project {name}")

    def _iam(self) -> Iam:
        return Iam(_InRegion(self.session, self.region))


@define(eq=False)
class _InRegion:
    """Sends to what serves a region, with no project."""

    session: Session
    region: str | None

    async def send(self, operation: Operation[Request, Answer], request: Request) -> Answer:
        """Send one request; see `Session.send`."""
        return await self.session.send(operation, request, region=self.region)
