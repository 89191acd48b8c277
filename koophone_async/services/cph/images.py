"""Images: your own, and those that other accounts share with you."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, OneOf, Text, aware
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.encoders import format_milliseconds, format_time
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import PAGE_SIZE, wire

IMAGE_ID: Final = Text(64)
"""An image's id; no document states its maximum length."""


class ImageState(IntEnum):
    """State of an image (CPH 5.9.1)."""

    CREATING = 0
    READY = 1
    FAILED = 2


class ImageType(StrEnum):
    """Owner of an image (CPH 5.9.1)."""

    PRIVATE = "private"
    SHARED = "share"


@frozen
class Image:
    """An image of your own, or one that another account shares."""

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
    """None for shared images."""

    shared_by: str | None = field(default=None, metadata=wire("src_project_id"))
    """Project id of the account that shares it."""

    created_at: datetime | None = field(default=None, metadata=wire("create_time", as_text=format_time))
    updated_at: datetime | None = field(default=None, metadata=wire("update_time", as_text=format_time))


@frozen
class ImageQuery:
    """Filter of the list of images."""

    id: str | None = field(default=None, validator=IMAGE_ID, metadata=wire("image_id"))
    name: str | None = field(default=None, metadata=wire("image_name"))
    type: ImageType | None = field(
        default=None, validator=OneOf((*ImageType, None)), metadata=wire("image_type")
    )
    state: ImageState | None = field(
        default=None, validator=OneOf((*ImageState, None)), metadata=wire("status")
    )
    shared_by: str | None = field(default=None, metadata=wire("src_project_id"))
    # The unit is not documented; milliseconds, as in the list of members.
    since: datetime | None = field(
        default=None, validator=aware, metadata=wire("create_since", as_text=format_milliseconds)
    )
    until: datetime | None = field(
        default=None, validator=aware, metadata=wire("create_until", as_text=format_milliseconds)
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100), metadata=PAGE_SIZE)


@frozen
class ImagePage:
    """One page of the list of images."""

    items: tuple[Image, ...] = field(default=(), metadata=wire("image_infos"))
    total: int | None = None


@frozen
class ImageRequest:
    """Request about one image."""

    image: str = field(validator=IMAGE_ID, metadata=wire("image_id"))


LIST: Final = Operation(
    "cph.images.list", "GET", "/v1/{project_id}/cloud-phone/images",
    ImageQuery, ImagePage, source="CPH 5.9.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

# The document calls success "No Content" and shows a body; both are read.
DELETE: Final = Operation(
    "cph.images.delete", "DELETE", "/v1/{project_id}/cloud-phone/images/{image_id}",
    ImageRequest, Accepted, source="CPH 5.9.2 (2025-02-08)", repeatable=True,
)  # fmt: skip


@frozen
class Images:
    """Your images, and those that other accounts share with you."""

    _session: Sender

    def list(self, query: ImageQuery = ImageQuery()) -> Items[Image]:
        """Iterate over your images and the shared ones, page by page.

        Args:
            query: Filters, all optional: id, name, type, state, sharing project, time of creation (aware
                times); `limit` is the page size, at most 100.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.9.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def delete(self, image: str) -> Accepted:
        """Delete an image of yours.

        Args:
            image: Id of an image of yours.

        Raises:
            NotFound: The image does not exist, or was deleted before (CPS.0166).
            NoAnswer: No answer arrived; it may be deleted.

        API: CPH 5.9.2 (2025-02-08)
        """
        return await self._session.send(DELETE, ImageRequest(image))
