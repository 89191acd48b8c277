"""Members of images: the accounts that an image is shared with, and their answers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, OneOf, Text
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.buying import SDK_SOURCE
from koophone_async.services.cph.encoders import format_milliseconds
from koophone_async.services.cph.images import ImageRequest
from koophone_async.services.cph.paging import PageInfo, items_by_marker
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import PAGE_SIZE, wire

PROJECT_ID: Final = Text(64)
"""The project id that identifies the other account."""


class ShareAnswer(StrEnum):
    """Answer to another account's offer to share an image."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


@frozen
class AddMember(ImageRequest):
    """Request to share an image with an account."""

    project: str = field(validator=PROJECT_ID, metadata=wire("member"))
    """Optional in the document, though nothing can be shared without it."""


@frozen
class RemoveMember(ImageRequest):
    """Request to stop sharing an image with an account."""

    project: str = field(validator=PROJECT_ID, metadata=wire("member_id"))


@frozen
class AnswerShare(ImageRequest):
    """Request to accept or reject an image that another account shares."""

    verdict: ShareAnswer | str = field(validator=OneOf((*ShareAnswer,)), metadata=wire("status"))


@frozen
class Member:
    """An account that an image is shared with."""

    project: str = field(metadata=wire("member_id"))
    image: str | None = field(default=None, metadata=wire("image_id"))
    created_at: datetime | None = field(
        default=None, metadata=wire("create_time", as_text=format_milliseconds)
    )
    updated_at: datetime | None = field(
        default=None, metadata=wire("update_time", as_text=format_milliseconds)
    )


@frozen
class MemberQuery(ImageRequest):
    """Request for the members of an image."""

    # The document lists all members. Pages are of the vendor's reference of 2025-10-28.
    marker: str | None = field(default=None, validator=Text(256))
    limit: int | None = field(default=None, validator=Between(1, 500), metadata=PAGE_SIZE)


@frozen
class Members:
    """One page of the accounts that an image is shared with, at most 10."""

    items: tuple[Member, ...] = field(default=(), metadata=wire("members"))
    next: PageInfo | None = field(default=None, metadata=wire("page_info"))


LIST: Final = Operation(
    "cph.image_members.list", "GET", "/v1/{project_id}/cloud-phone/images/{image_id}/members",
    MemberQuery, Members, source="CPH 5.9.4 (2025-02-08)", repeatable=True,
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
    """Members of your images, and your answers to images that other accounts share."""

    _session: Sender

    def list(self, image: str) -> Items[Member]:
        """Iterate over the accounts that an image of yours is shared with.

        Answers may have pages, as the vendor's reference of 2025-10-28 describes them.

        Args:
            image: Id of an image of yours.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.9.4 (2025-02-08)
        """
        return items_by_marker(self._session, LIST, MemberQuery(image))

    async def add(self, image: str, project: str) -> Accepted:
        """Share an image with another account in the same region.

        Args:
            image: Id of an image of yours.
            project: The other account's project id in that region; at most 10 accounts an image.

        Raises:
            Refused: The image was not shared.
            NoAnswer: No answer arrived; the image may be shared.

        API: CPH 5.9.3 (2025-02-08)
        """
        return await self._session.send(ADD, AddMember(image, project))

    async def remove(self, image: str, project: str) -> Accepted:
        """Stop sharing an image with an account.

        Args:
            image: Id of an image of yours.
            project: The other account's project id.

        Raises:
            Refused: The image is still shared.
            NoAnswer: No answer arrived; the image may no longer be shared.

        API: CPH 5.9.5 (2025-02-08)
        """
        return await self._session.send(REMOVE, RemoveMember(image, project))

    async def answer(self, image: str, verdict: ShareAnswer) -> Accepted:
        """Accept or reject an image that another account shares.

        An image must be accepted before it can be used; `phone_images.list` shows the state of each offer.

        Args:
            image: Id of a shared image.
            verdict: Accept or reject.

        Raises:
            Refused: The offer stays as it was.
            NoAnswer: No answer arrived; the offer may be accepted or rejected.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(ANSWER, AnswerShare(image, verdict))
