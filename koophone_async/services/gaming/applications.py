"""Applications: create, list and delete games, and list where they are deployed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Between, Text
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.encoders import format_time
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.services.gaming.versions import MISSPELLED_ID, NAME_PATTERN, Version
from koophone_async.wire import wire


@frozen
class ApplicationQuery:
    """Filter of the list of applications, newest first."""

    name: str | None = field(default=None, validator=Text(64, pattern=NAME_PATTERN))
    """The name or a part of it."""

    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))
    """Page size; iterating follows all pages."""


@frozen
class Application:
    """An application in the list."""

    id: str = field(metadata=wire("app_id"))
    name: str
    package: str = field(metadata=wire("package_name"))
    activity: str | None = field(default=None, metadata=wire("launch_activity"))
    """Activity to start; it belongs to a version, not to the application."""

    description: str | None = None
    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class ApplicationPage:
    """One page of the list of applications."""

    items: tuple[Application, ...] = field(default=(), metadata=wire("apps"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


@frozen
class ApplicationDetail:
    """An application with all its versions."""

    name: str
    package: str = field(metadata=wire("package_name"))
    description: str | None = None
    versions: tuple[Version, ...] = field(default=(), metadata=wire("app_versions"))


@frozen
class NewApplication:
    """Request to create an application."""

    name: str = field(validator=Text(64, pattern=NAME_PATTERN))
    package: str = field(validator=Text(128, pattern=NAME_PATTERN), metadata=wire("package_name"))
    description: str | None = field(default=None, validator=Text(256, min=0))


@frozen
class CreatedApplication:
    """Answer with the id of the created application."""

    id: str = field(metadata=wire("app_id"))
    request: str | None = field(default=None, metadata=wire("request_id"))


@frozen
class ApplicationRequest:
    """Request about one application."""

    application: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("app_id"))


@frozen
class DeploymentQuery(ApplicationRequest):
    """Request for the deployments of one application."""

    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))


@frozen
class ServerDeployment:
    """A version of an application on a server."""

    server: str = field(metadata=wire("server_id"))
    # The tables describe it as the name of the package.
    version: str | None = field(default=None, metadata=wire("app_version_id", MISSPELLED_ID))
    code: str | None = field(default=None, metadata=wire("version_code"))
    name: str | None = field(default=None, metadata=wire("version_name"))
    activity: str | None = field(default=None, metadata=wire("launch_activity"))


@frozen
class ServerDeploymentPage:
    """One page of the servers with an application."""

    items: tuple[ServerDeployment, ...] = field(default=(), metadata=wire("servers"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


@frozen
class PhoneDeployment:
    """A version of an application on a phone."""

    phone: str = field(metadata=wire("phone_id"))
    version: str | None = field(default=None, metadata=wire("app_version_id", MISSPELLED_ID))
    code: str | None = field(default=None, metadata=wire("version_code"))
    name: str | None = field(default=None, metadata=wire("version_name"))
    activity: str | None = field(default=None, metadata=wire("launch_activity"))


@frozen
class PhoneDeploymentPage:
    """One page of the phones with an application."""

    items: tuple[PhoneDeployment, ...] = field(default=(), metadata=wire("phones"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


SERVERS: Final = Operation(
    "gaming.applications.servers", "GET", "/v1/{project_id}/cloud-phone/apps/{app_id}/servers",
    DeploymentQuery, ServerDeploymentPage, source="CPH 5.1.1 (2020-07-30)", repeatable=True,
)  # fmt: skip

PHONES: Final = Operation(
    "gaming.applications.phones", "GET", "/v1/{project_id}/cloud-phone/apps/{app_id}/phones",
    DeploymentQuery, PhoneDeploymentPage, source="CPH 5.1.2 (2020-07-30)", repeatable=True,
)  # fmt: skip

LIST: Final = Operation(
    "gaming.applications.list", "GET", "/v1/{project_id}/cloud-phone/apps",
    ApplicationQuery, ApplicationPage, source="CPH 5.1.3 (2020-07-30)", repeatable=True,
)  # fmt: skip

SHOW: Final = Operation(
    "gaming.applications.show", "GET", "/v1/{project_id}/cloud-phone/apps/{app_id}",
    ApplicationRequest, ApplicationDetail, source="CPH 5.1.4 (2020-07-30)", repeatable=True,
)  # fmt: skip

# No document states that name or package must be unique, so a repeat may create a second one.
CREATE: Final = Operation(
    "gaming.applications.create", "POST", "/v1/{project_id}/cloud-phone/apps",
    NewApplication, CreatedApplication, source="CPH 5.1.5 (2020-07-30)", repeatable=False, success=201,
)  # fmt: skip

DELETE: Final = Operation(
    "gaming.applications.delete", "DELETE", "/v1/{project_id}/cloud-phone/apps/{app_id}",
    ApplicationRequest, Accepted, source="CPH 5.1.6 (2020-07-30)", repeatable=True,
)  # fmt: skip


@frozen
class Applications:
    """Applications: games, and where they are deployed."""

    _session: Sender

    def servers(self, application: str) -> Items[ServerDeployment]:
        """Iterate over the servers with an application, and its version there, in pages of 100.

        Args:
            application: Its id, at most 32 characters.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.1.1 (2020-07-30)
        """
        return items_by_offset(self._session, SERVERS, DeploymentQuery(application))

    def phones(self, application: str) -> Items[PhoneDeployment]:
        """Iterate over the phones with an application, and its version there, in pages of 100.

        Args:
            application: Its id, at most 32 characters.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.1.2 (2020-07-30)
        """
        return items_by_offset(self._session, PHONES, DeploymentQuery(application))

    def list(self, name: str | None = None) -> Items[Application]:
        """Iterate over the applications, newest first, in pages of 100.

        Args:
            name: Part of the name; None for all.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.1.3 (2020-07-30)
        """
        return items_by_offset(self._session, LIST, ApplicationQuery(name))

    async def show(self, application: str) -> ApplicationDetail:
        """Return the details of one application, with its versions.

        Args:
            application: Its id, at most 32 characters.

        Raises:
            Refused: The application does not exist, or the service refused the call.

        API: CPH 5.1.4 (2020-07-30)
        """
        return await self._session.send(SHOW, ApplicationRequest(application))

    async def create(self, name: str, package: str, description: str | None = None) -> CreatedApplication:
        """Create an application without versions. A tenant can have 10,000.

        Args:
            name: At most 64 letters, digits, `-`, `.` and `_`.
            package: At most 128 of the same, such as `com.example.game`.
            description: At most 256 characters.

        Raises:
            Refused: Nothing was created.
            NoAnswer: No answer arrived; the application may have been created; `list` shows it.

        API: CPH 5.1.5 (2020-07-30)
        """
        return await self._session.send(CREATE, NewApplication(name, package, description))

    async def delete(self, application: str) -> Accepted:
        """Delete an application that has no version and is in no application pool.

        Args:
            application: Its id, at most 32 characters.

        Raises:
            Refused: The application has versions, is in a pool or does not exist; nothing was deleted.
            NoAnswer: No answer arrived; the application may be deleted.

        API: CPH 5.1.6 (2020-07-30)
        """
        return await self._session.send(DELETE, ApplicationRequest(application))
