"""Who an image is shared with, and whether they take it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import OneOf, Text
from koophone_async.operation import Operation, Sender
from koophone_async.services.cph.buying import SDK_SOURCE
from koophone_async.services.cph.encoders import format_milliseconds
from koophone_async.services.cph.images import ImageRequest
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import wire

PROJECT_ID: Final = Text(64)
"""The id of the project that stands for the other account."""


class ShareAnswer(StrEnum):
    """What to say to another account that shares an image."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@frozen
class AddMember(ImageRequest):
    """An account to share an image with."""

    project: str = field(validator=PROJECT_ID, metadata=wire("member"))
    """The document marks it optional; without it there is nobody to share with."""


@frozen
class RemoveMember(ImageRequest):
    """An account to share an image with no longer."""

    project: str = field(validator=PROJECT_ID, metadata=wire("member_id"))


@frozen
class AnswerShare(ImageRequest):
    """What to say to an image that another account shares."""

    verdict: ShareAnswer | str = field(validator=OneOf((*ShareAnswer,)), metadata=wire("status"))


@frozen
class Member:
    """One account that an image is shared with."""

    project: str = field(metadata=wire("member_id"))
    image: str | None = field(default=None, metadata=wire("image_id"))
    created_at: datetime | None = field(
        default=None, metadata=wire("create_time", as_text=format_milliseconds)
    )
    updated_at: datetime | None = field(
        default=None, metadata=wire("update_time", as_text=format_milliseconds)
    )


@frozen
class Members:
    """All accounts that an image is shared with, at most 10."""

    members: tuple[Member, ...] = ()


LIST: Final = Operation(
    "cph.image_members.list", "GET", "/v1/{project_id}/cloud-phone/images/{image_id}/members",
    ImageRequest, Members, source="CPH 5.9.4 (2025-02-08)", repeatable=True,
)  # fmt: skip

ADD: Final = Operation(
    "cph.image_members.add", "POST", "/v1/{project_id}/cloud-phone/images/{image_id}/members",
    AddMember, Accepted, source="CPH 5.9.3 (2025-02-08)", repeatable=True,
)  # fmt: skip

REMOVE: Final = Operation(
    "cph.image_members.remove", "DELETE",
    "/v1/{project_id}/cloud-phone/images/{image_id}/members/{member_id}",
    RemoveMember, Accepted, source="CPH 5.9.5 (2025-02-08)", repeatable=True,
)  # fmt: skip

ANSWER: Final = Operation(
    "cph.image_members.answer", "PUT", "/v1/{project_id}/cloud-phone/images/{image_id}/members",
    AnswerShare, Accepted, source=SDK_SOURCE, repeatable=True,
)  # fmt: skip


@frozen
class ImageMembers:
    """The accounts that images are shared with, and one's own answer to those that share theirs."""

    _session: Sender

    async def list(self, image: str) -> AsyncIterator[Member]:
        """Give every account that an image of one's own is shared with.

        Args:
            image: One id.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.9.4 (2025-02-08)
        """
        for member in (await self._session.send(LIST, ImageRequest(image))).members:
            yield member

    async def add(self, image: str, project: str) -> Accepted:
        """Share an image with another account in the same region.

        Args:
            image: One id of one's own.
            project: The other account's project id in that region; at most 10 accounts an image.

        Raises:
            Refused: It was not shared.
            NoAnswer: No answer came; it may be shared.

        API: CPH 5.9.3 (2025-02-08)
        """
        return await self._session.send(ADD, AddMember(image, project))

    async def remove(self, image: str, project: str) -> Accepted:
        """Share an image with an account no longer.

        Args:
            image: One id of one's own.
            project: The other account's project id.

        Raises:
            Refused: It stays shared.
            NoAnswer: No answer came; it may be shared no longer.

        API: CPH 5.9.5 (2025-02-08)
        """
        return await self._session.send(REMOVE, RemoveMember(image, project))

    async def answer(self, image: str, verdict: ShareAnswer) -> Accepted:
        """Take or decline an image that another account shares.

        One that was not accepted cannot be used; `phone_images.list` shows where each offer stands.

        Args:
            image: One id of a shared image.
            verdict: Accepted or rejected.

        Raises:
            Refused: The offer stays as it was.
            NoAnswer: No answer came; the offer may be taken or declined.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(ANSWER, AnswerShare(image, verdict))
