"""One project's games, and the refusals of gaming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Project, ready
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.gaming.library import Application, Library, Version
from koophone_async.emulator.server.errors import Refusal, cph_refusal
from koophone_async.operation import AnyOperation
from koophone_async.protocol.dialect import Json
from koophone_async.services.cph.server import ServerState
from koophone_async.services.gaming.started_jobs import RefusedServer
from koophone_async.wire import Edition, to_wire

# From an example of failures; it is in no table (CPH 7.1.1, 2020-07-30).
SERVER_FROZEN: Final = ("CPS.1028", "No permission to request resources. Server is frozen.")

# No document has codes for applications and versions: these are the closest of CPH's own.
UNKNOWN: Final = error_table.NO_RESOURCE
IN_USE: Final = "CPS.0301"
TAKEN: Final = "CPS.0078"


@define(eq=False, slots=False)
class NoServer(Refusal):
    """A refusal of a call by all of its servers, with the reason of each."""

    failures: Sequence[RefusedServer] = field(factory=tuple["RefusedServer", ...])

    def body(self, operation: AnyOperation | None, edition: Edition, request_id: str) -> Json:
        """Return the refusal with its failures (CPH 7.1.1, 2020-07-30)."""
        body = super().body(operation, edition, request_id)
        return body | {"failures": [to_wire(failure) for failure in self.failures]}


@frozen
class GamingProject(Project):
    """A project with its games."""

    @property
    def library(self) -> Library:
        """The games of all projects."""
        return self.world.library

    def application(self, application: str) -> Application:
        """Return an application of the project, or refuse an unknown id (CPS.0302)."""
        found = self.library.applications.get(application)
        if found is None or found.project != self.id:
            raise cph_refusal(UNKNOWN, reason=f"no application {application}")
        return found

    def version(self, version: str) -> Version:
        """Return a version of the project, or refuse an unknown id (CPS.0302)."""
        found = self.library.versions.get(version)
        if found is None:
            raise cph_refusal(UNKNOWN, reason=f"no version {version}")
        self.application(found.application)
        return found

    def ready(self, server: str) -> Server:
        """Return a server that is ready.

        Raises:
            Refusal: It is unknown (CPS.0159), frozen (CPS.1028) or otherwise not ready (CPS.0099).
        """
        found = self.server(server, error_table.NO_SUCH_SERVER)
        if found.state is ServerState.FROZEN:
            raise Refusal(400, *SERVER_FROZEN, reason=server)
        ready(found)
        return found


@frozen
class Resource:
    """Base of the classes that handle the operations of a resource in a project with games."""

    project: GamingProject
