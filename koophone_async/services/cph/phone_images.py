"""Images that phones can run: public ones, your own, and those shared with you."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, OneOf, Text
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.paging import PageInfo, items_by_marker
from koophone_async.services.cph.phone_models import ImageLabel
from koophone_async.wire import PAGE_SIZE, doc, wire


class ImageScope(StrEnum):
    """Owner of the images to list (CPH 5.3.5)."""

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "share"
    ALL = "all"


class ImageVisibility(IntEnum):
    """Owner of an image (CPH 5.3.5). Shared images have no number."""

    PUBLIC = 1
    PRIVATE = 2


class ShareState(IntEnum):
    """State of an offer to share an image. Only the vendor's SDK has it."""

    PENDING = 0
    ACCEPTED = 1
    REJECTED = 2


@frozen
class PhoneImage:
    """An image that phones can run."""

    id: str = field(metadata=wire("image_id"))
    name: str | None = field(default=None, metadata=wire("image_name"))
    os_type: str | None = None
    os_name: str | None = None
    """Such as `AOSP7.1.1`."""

    visibility: ImageVisibility | int | None = field(default=None, metadata=wire("is_public"))
    label: ImageLabel | str | None = field(default=None, metadata=wire("image_label"))
    can_encrypt: bool | None = field(default=None, metadata=wire("is_support_encrypt"))
    """Whether phones with this image can encrypt their files."""

    share_state: ShareState | int | None = field(default=None, metadata=wire("receive_status"))


@frozen
class PhoneImageQuery:
    """Filter of the list of phone images."""

    scope: ImageScope | None = field(
        default=None,
        validator=OneOf((*ImageScope, None)),
        metadata=wire("image_type") | doc("The default is not documented."),
    )
    # Only the vendor's SDK has pages here, of 500 by default.
    marker: str | None = field(default=None, validator=Text(256))
    limit: int | None = field(default=None, validator=Between(1, 500), metadata=PAGE_SIZE)


@frozen
class PhoneImagePage:
    """One page of the list of phone images, or all of them."""

    items: tuple[PhoneImage, ...] = field(default=(), metadata=wire("phone_images"))
    next: PageInfo | None = field(default=None, metadata=wire("page_info"))


LIST: Final = Operation(
    "cph.phone_images.list", "GET", "/v1/{project_id}/cloud-phone/phone-images",
    PhoneImageQuery, PhoneImagePage, source="CPH 5.3.5 (2025-02-08)", repeatable=True,
)  # fmt: skip


@frozen
class PhoneImages:
    """Images that phones can run."""

    _session: Sender

    def list(self, query: PhoneImageQuery = PhoneImageQuery()) -> Items[PhoneImage]:
        """Iterate over the images that phones can run.

        Args:
            query: Which images: public ones, your own, shared ones, or all.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.5 (2025-02-08)
        """
        return items_by_marker(self._session, LIST, query)
