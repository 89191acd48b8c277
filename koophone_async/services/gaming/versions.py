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
from koophone_async.wire import doc, wire

NAME_PATTERN: Final = "[A-Za-z0-9._-]+"
"""Pattern of names: letters, digits, `.`, `_` and `-`."""

MISSPELLED_ID: Final = "app_verison_id"
"""Spelling of `app_version_id` in the examples and in one table of the document."""


@frozen
class Version:
    """A version of an application."""

    id: str = field(metadata=wire("app_version_id", MISSPELLED_ID))
    code: str | None = field(default=None, metadata=wire("version_code"))
    """Text, though it often looks like a number."""

    name: str | None = field(default=None, metadata=wire("version_name"))
    application: str | None = field(default=None, metadata=wire("app_id"))
    """None if the answer is about one application anyway."""

    activity: str | None = field(default=None, metadata=wire("launch_activity"))
    """Activity to start, such as `com.example.game.MainActivity`."""

    bucket: str | None = field(default=None, metadata=wire("bucket_name"))
    path: str | None = field(default=None, metadata=wire("object_path"))
    """Path of the package in the bucket."""

    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class NewVersion:
    """Request to create a version from a package in object storage."""

    application: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("app_id"))
    code: str = field(
        validator=Text(64, pattern=NAME_PATTERN),
        metadata=wire("version_code") | doc("Unique among the versions of the application."),
    )
    name: str = field(validator=Text(64, pattern=NAME_PATTERN), metadata=wire("version_name"))
    activity: str = field(
        validator=Text(256, pattern=NAME_PATTERN),
        metadata=wire("launch_activity") | doc("Activity to start, such as `com.example.game.MainActivity`."),
    )
    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(
        validator=Text(1024, ending=(".tar",)),
        metadata=wire("object_path") | doc("Path of the package in the bucket."),
    )


@frozen
class VersionRequest:
    """Request about one version."""

    version: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("app_version_id"))


@frozen
class CreatedVersion:
    """Answer with the id of the created version."""

    id: str = field(metadata=wire("app_version_id", MISSPELLED_ID))
    request: str | None = field(default=None, metadata=wire("request_id"))


# The table allows neither capitals nor `_` in code and name, but creating does: answers are not checked.
SHOW: Final = Operation(
    "gaming.versions.show", "GET", "/v1/{project_id}/cloud-phone/app-versions/{app_version_id}",
    VersionRequest, Version, source="CPH 5.2.1 (2020-07-30)", repeatable=True,
    answer_ids=lambda answer: (answer.id,),
)  # fmt: skip

# A code is accepted once only: a repeat would be refused, and the new id would be lost.
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
        """Return the details of one version.

        Args:
            version: Its id, at most 32 characters.

        Raises:
            Refused: The version does not exist, or the service refused the call.

        API: CPH 5.2.1 (2020-07-30)
        """
        return await self._session.send(SHOW, VersionRequest(version))

    async def create(self, version: NewVersion) -> CreatedVersion:
        """Create a version of an application from a package in object storage, without deploying it.

        A tenant can have 100,000 versions.

        Args:
            version: Application, code, name, activity to start, and bucket and path of the `.tar` package.
                The code must be unique among the versions of the application.

        Raises:
            Refused: Nothing was created.
            NoAnswer: No answer arrived; the version may have been created; `applications.show` lists it.

        API: CPH 5.2.2 (2020-07-30)
        """
        return await self._session.send(CREATE, version)

    async def delete(self, version: str) -> Accepted:
        """Delete a version that is deployed nowhere.

        Args:
            version: Its id, at most 32 characters.

        Raises:
            Refused: The version is in use or does not exist; nothing was deleted.
            NoAnswer: No answer arrived; the version may be deleted.

        API: CPH 5.2.3 (2020-07-30)
        """
        return await self._session.send(DELETE, VersionRequest(version))
