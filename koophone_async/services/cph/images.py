"""Images of one's own, and those that other accounts share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, OneOf, Text, aware
from koophone_async.operation import Operation, Sender
from koophone_async.services.cph.encoders import format_milliseconds, format_time
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import wire

IMAGE_ID: Final = Text(64)
"""An image's id; no document states its length."""


class ImageState(IntEnum):
    """Where an image stands (CPH 5.9.1)."""

    CREATING = 0
    READY = 1
    FAILED = 2


class ImageType(StrEnum):
    """Whose an image is (CPH 5.9.1)."""

    PRIVATE = "private"
    SHARED = "share"


@frozen
class Image:
    """One image of one's own, or one that another account shares."""

    id: str = field(metadata=wire("image_id"))
    name: str | None = field(default=None, metadata=wire("image_name"))
    type: ImageType | str | None = field(default=None, metadata=wire("image_type"))
    state: ImageState | int | None = field(default=None, metadata=wire("status"))
    version: str | None = field(default=None, metadata=wire("image_version"))
    """Such as `AOSP 9.0`."""

    size: int | None = field(default=None, metadata=wire("image_size"))
    """Bytes."""

    domain_id: str | None = None
    project_id: str | None = None
    """Of private images only."""

    shared_by: str | None = field(default=None, metadata=wire("src_project_id"))
    """The project of who shares it."""

    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class ImageQuery:
    """Which images to list."""

    id: str | None = field(default=None, validator=IMAGE_ID, metadata=wire("image_id"))
    name: str | None = field(default=None, metadata=wire("image_name"))
    type: ImageType | None = field(
        default=None, validator=OneOf((*ImageType, None)), metadata=wire("image_type")
    )
    state: ImageState | None = field(
        default=None, validator=OneOf((*ImageState, None)), metadata=wire("status")
    )
    shared_by: str | None = field(default=None, metadata=wire("src_project_id"))
    # A number whose unit is not documented; milliseconds, as the members of an image have them.
    since: datetime | None = field(
        default=None, validator=aware, metadata=wire("create_since", as_text=format_milliseconds)
    )
    until: datetime | None = field(
        default=None, validator=aware, metadata=wire("create_until", as_text=format_milliseconds)
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))
    """How many to ask for at once; the list has them all."""


@frozen
class ImagePage:
    """One page of the images."""

    items: tuple[Image, ...] = field(default=(), metadata=wire("image_infos"))
    total: int | None = None


@frozen
class ImageRequest:
    """The image that a call is about."""

    image: str = field(validator=IMAGE_ID, metadata=wire("image_id"))


LIST: Final = Operation(
    "cph.images.list", "GET", "/v1/{project_id}/cloud-phone/images",
    ImageQuery, ImagePage, source="CPH 5.9.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

# A success is called "No Content" and shown with a body; both are read.
DELETE: Final = Operation(
    "cph.images.delete", "DELETE", "/v1/{project_id}/cloud-phone/images/{image_id}",
    ImageRequest, Accepted, source="CPH 5.9.2 (2025-02-08)", repeatable=True,
)  # fmt: skip


@frozen
class Images:
    """One's own images, and those that others share."""

    _session: Sender

    def list(self, query: ImageQuery = ImageQuery()) -> AsyncIterator[Image]:
        """Give every image of one's own, and every shared one, page after page.

        Args:
            query: Filters, all optional: id, name, whose it is, state, who shares it, when it was
                made (aware times); `limit` is how many to ask for at once, at most 100.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.9.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def delete(self, image: str) -> Accepted:
        """Delete an image of one's own.

        Args:
            image: One id.

        Raises:
            NotFound: There is no such image (CPS.0166), or no longer.
            NoAnswer: No answer came; it may be deleted.

        API: CPH 5.9.2 (2025-02-08)
        """
        return await self._session.send(DELETE, ImageRequest(image))
