"""Images that phones can be given: the service's own, one's own, and those that others share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import IntEnum, StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Between, OneOf, Text
from koophone_async.operation import Operation, Sender
from koophone_async.services.cph.paging import PageInfo, items_by_marker
from koophone_async.services.cph.phone_models import ImageLabel
from koophone_async.wire import wire


class ImageScope(StrEnum):
    """Whose images to list (CPH 5.3.5)."""

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "share"
    ALL = "all"


class ImageVisibility(IntEnum):
    """Whose an image is (CPH 5.3.5). The service has no number for shared ones."""

    PUBLIC = 1
    PRIVATE = 2


class ShareState(IntEnum):
    """What became of the offer to share an image. Only the vendor's SDK knows it."""

    PENDING = 0
    ACCEPTED = 1
    REJECTED = 2


@frozen
class PhoneImage:
    """One image that phones can be given."""

    id: str = field(metadata=wire("image_id"))
    name: str | None = field(default=None, metadata=wire("image_name"))
    os_type: str | None = None
    os_name: str | None = None
    """Such as `AOSP7.1.1`."""

    visibility: ImageVisibility | int | None = field(default=None, metadata=wire("is_public"))
    label: ImageLabel | str | None = field(default=None, metadata=wire("image_label"))
    can_encrypt: bool | None = field(default=None, metadata=wire("is_support_encrypt"))
    """Whether phones can encrypt their files with it."""

    share_state: ShareState | int | None = field(default=None, metadata=wire("receive_status"))


@frozen
class PhoneImageQuery:
    """Which images to list."""

    scope: ImageScope | None = field(
        default=None, validator=OneOf((*ImageScope, None)), metadata=wire("image_type")
    )
    """What the service lists where nothing is said is not documented."""

    # The documents have no pages here; the vendor's SDK has, of 500 where nothing is said.
    marker: str | None = field(default=None, validator=Text(256))
    limit: int | None = field(default=None, validator=Between(1, 500))
    """How many to ask for at once; the list has them all."""


@frozen
class PhoneImagePage:
    """The images, or one page of them."""

    items: tuple[PhoneImage, ...] = field(default=(), metadata=wire("phone_images"))
    next: PageInfo | None = field(default=None, metadata=wire("page_info"))


LIST: Final = Operation(
    "cph.phone_images.list", "GET", "/v1/{project_id}/cloud-phone/phone-images",
    PhoneImageQuery, PhoneImagePage, source="CPH 5.3.5 (2025-02-08)", repeatable=True,
)  # fmt: skip


@frozen
class PhoneImages:
    """The images that phones can be given."""

    _session: Sender

    def list(self, query: PhoneImageQuery = PhoneImageQuery()) -> AsyncIterator[PhoneImage]:
        """Give every image that phones can be given.

        Args:
            query: Whose images: the service's, one's own, shared ones, or all.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.5 (2025-02-08)
        """
        return items_by_marker(self._session, LIST, query)
