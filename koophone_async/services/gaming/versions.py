"""Versions of applications: packages in object storage that can be deployed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Text
from koophone_async.operation import Operation, Sender
from koophone_async.services.cph.encoders import format_time
from koophone_async.services.cph.shared_files import BUCKET
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import wire

NAME_PATTERN: Final = "[A-Za-z0-9._-]+"
"""Of what names consist."""

MISSPELLED_ID: Final = "app_verison_id"
"""How the examples, and one table, spell the id of a version; the other tables have `app_version_id`."""


@frozen
class Version:
    """A version of an application."""

    id: str = field(metadata=wire("app_version_id", MISSPELLED_ID))
    code: str | None = field(default=None, metadata=wire("version_code"))
    """A text, though it often looks like a number."""

    name: str | None = field(default=None, metadata=wire("version_name"))
    application: str | None = field(default=None, metadata=wire("app_id"))
    """None where the answer is about one application anyway."""

    activity: str | None = field(default=None, metadata=wire("launch_activity"))
    """What is started, such as `com.example.game.MainActivity`."""

    bucket: str | None = field(default=None, metadata=wire("bucket_name"))
    path: str | None = field(default=None, metadata=wire("object_path"))
    """Of the package in the bucket."""

    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class NewVersion:
    """A version to create from a package in object storage."""

    application: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("app_id"))
    code: str = field(validator=Text(64, pattern=NAME_PATTERN), metadata=wire("version_code"))
    """Of one version of the application only."""

    name: str = field(validator=Text(64, pattern=NAME_PATTERN), metadata=wire("version_name"))
    activity: str = field(validator=Text(256, pattern=NAME_PATTERN), metadata=wire("launch_activity"))
    """What to start, such as `com.example.game.MainActivity`."""

    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(validator=Text(1024, ending=(".tar",)), metadata=wire("object_path"))
    """Of the package in the bucket."""


@frozen
class VersionRequest:
    """The version that a call is about."""

    version: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("app_version_id"))


@frozen
class CreatedVersion:
    """A version that was created."""

    id: str = field(metadata=wire("app_version_id", MISSPELLED_ID))
    request: str | None = field(default=None, metadata=wire("request_id"))


# The table allows no capitals and no `_` in code and name, which creating allows: they are not checked.
SHOW: Final = Operation(
    "gaming.versions.show", "GET", "/v1/{project_id}/cloud-phone/app-versions/{app_version_id}",
    VersionRequest, Version, source="CPH 5.2.1 (2020-07-30)", repeatable=True,
)  # fmt: skip

# A code is taken once only, so a repeat would be refused and its answer would hide the new id.
CREATE: Final = Operation(
    "gaming.versions.create", "POST", "/v1/{project_id}/cloud-phone/app-versions",
    NewVersion, CreatedVersion, source="CPH 5.2.2 (2020-07-30)", repeatable=False, success=201,
)  # fmt: skip

DELETE: Final = Operation(
    "gaming.versions.delete", "DELETE", "/v1/{project_id}/cloud-phone/app-versions/{app_version_id}",
    VersionRequest, Accepted, source="CPH 5.2.3 (2020-07-30)", repeatable=True,
)  # fmt: skip


@frozen
class Versions:
    """Versions of applications."""

    _session: Sender

    async def show(self, version: str) -> Version:
        """Tell everything of one version.

        Args:
            version: Its id, at most 32 characters.

        Raises:
            Refused: The service refused to tell, or there is no such version.

        API: CPH 5.2.1 (2020-07-30)
        """
        return await self._session.send(SHOW, VersionRequest(version))

    async def create(self, version: NewVersion) -> CreatedVersion:
        """Make a version of an application from a package in object storage, without deploying it.

        A tenant can have 100,000 versions.

        Args:
            version: The application, code, name, what to start, and the `.tar` package: its bucket and path.
                No two versions of an application have the same code.

        Raises:
            Refused: Nothing was created.
            NoAnswer: No answer came; the version may be there, as `applications.show` tells.

        API: CPH 5.2.2 (2020-07-30)
        """
        return await self._session.send(CREATE, version)

    async def delete(self, version: str) -> Accepted:
        """Delete a version that is deployed nowhere.

        Args:
            version: Its id, at most 32 characters.

        Raises:
            Refused: The version is in use, or not there; nothing was deleted.
            NoAnswer: No answer came; the version may be gone.

        API: CPH 5.2.3 (2020-07-30)
        """
        return await self._session.send(DELETE, VersionRequest(version))
