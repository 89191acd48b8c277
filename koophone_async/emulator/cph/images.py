"""Models of phones, and the images that can be installed on them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from koophone_async.emulator.android.releases import Release
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import PHONES, PUBLIC, SERVERS, PhoneFlavor
from koophone_async.emulator.cph.project import Resource, marked, page
from koophone_async.emulator.cph.state import TenantImage
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import image_members, images, phone_images, phone_models
from koophone_async.services.cph.image_members import Member, ShareAnswer
from koophone_async.services.cph.images import Image, ImageState, ImageType
from koophone_async.services.cph.phone_images import ImageScope, ImageVisibility, PhoneImage, ShareState
from koophone_async.services.cph.phone_models import (
    DiskMode,
    ImageLabel,
    ModelVersion,
    PhoneModel,
    Product,
    SaleState,
)
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import encode

MAX_MEMBERS: Final = 10
BYTES: Final = 1_306_150_912
"""The size of every image."""

_RECEIPTS: Final = {ShareAnswer.ACCEPTED: ShareState.ACCEPTED, ShareAnswer.REJECTED: ShareState.REJECTED}


class Images(Resource):
    """Lists models and images, shares images, and accepts or rejects those that others share."""

    @serves(phone_models.MODELS)
    async def models(self, request: phone_models.PhoneModelQuery) -> phone_models.PhoneModelPage:
        """Return one page of the models, all of which are on sale; there is no total."""
        found = [_model(flavor) for flavor in PHONES.values() if request.state is not SaleState.OFFLINE]
        return phone_models.PhoneModelPage(page(found, request.offset, request.limit))

    @serves(phone_images.LIST)
    async def for_phones(self, request: phone_images.PhoneImageQuery) -> phone_images.PhoneImagePage:
        """List the images that can be installed on phones, by default of every scope."""
        scope = request.scope or ImageScope.ALL
        rows: list[PhoneImage] = []
        if scope in (ImageScope.PUBLIC, ImageScope.ALL):
            rows += [_public(id_, release) for id_, release in PUBLIC.items()]
        rows += [_offered(image) for image in self._own() if scope in (ImageScope.ALL, _scope(image))]
        return phone_images.PhoneImagePage(*marked(rows, request.marker, request.limit or 500))

    @serves(images.LIST)
    async def list(self, request: images.ImageQuery) -> images.ImagePage:
        """Return one page of the private images, and of those that others share."""
        found = [image for image in self._own() if _matches(image, request)]
        rows = page(found, request.offset, request.limit)
        return images.ImagePage(tuple(map(self._row, rows)), len(found))

    @serves(images.DELETE)
    async def delete(self, request: images.ImageRequest) -> Accepted:
        del self.project.cph.images[self._image(request.image).id]
        return Accepted()

    @serves(image_members.LIST)
    async def members(self, request: image_members.MemberQuery) -> image_members.Members:
        image = self._image(request.image)
        members = [_member(image, *one) for one in image.members.items()]
        return image_members.Members(*marked(members, request.marker, request.limit or MAX_MEMBERS))

    @serves(image_members.ADD)
    async def share(self, request: image_members.AddMember) -> Accepted:
        """Share an image with a project, at most with ten (CPS.0196: no page has a code of its own)."""
        image = self._image(request.image)
        if request.project not in image.members and len(image.members) >= MAX_MEMBERS:
            raise cph_refusal(error_table.QUOTA_EXCEEDED)
        image.members.setdefault(request.project, int(self.project.now.timestamp() * 1000))
        return Accepted()

    @serves(image_members.REMOVE)
    async def unshare(self, request: image_members.RemoveMember) -> Accepted:
        if self._image(request.image).members.pop(request.project, None) is None:
            raise cph_refusal(error_table.NO_RESOURCE, reason=request.project)
        return Accepted()

    @serves(image_members.ANSWER)
    async def answer(self, request: image_members.AnswerShare) -> Accepted:
        """Accept or reject an image that another tenant shares; the last answer applies."""
        self._image(request.image, is_own=False).receipt = _RECEIPTS[ShareAnswer(request.verdict)]
        return Accepted()

    def _own(self) -> Sequence[TenantImage]:
        return [image for image in self.project.cph.images.values() if image.region == self.project.region]

    def _image(self, id_: str, *, is_own: bool = True) -> TenantImage:
        """Return a private image, or one that another tenant shares.

        Raises:
            Refusal: There is none of this kind (CPS.0166).
        """
        image = self.project.cph.images.get(id_)
        if image is None or image.region != self.project.region or (image.shared_by is None) != is_own:
            raise cph_refusal(error_table.NO_IMAGE, reason=id_)
        return image

    def _row(self, image: TenantImage) -> Image:
        is_own = image.shared_by is None
        return Image(
            image.id,
            image.name,
            ImageType.PRIVATE if is_own else ImageType.SHARED,
            ImageState(image.state),
            f"AOSP {image.release.removeprefix('AOSP')}.0",
            BYTES,
            self.project.domain,
            self.project.id if is_own else None,
            image.shared_by,
            image.created,
            image.updated,
        )


def _scope(image: TenantImage) -> ImageScope:
    return ImageScope.PRIVATE if image.shared_by is None else ImageScope.SHARED


def _matches(image: TenantImage, query: images.ImageQuery) -> bool:
    made = image.created
    return (
        query.id in (None, image.id)
        and (query.name or "") in image.name
        and query.type in (None, _scope(image).value)
        and query.state in (None, image.state)
        and query.shared_by in (None, image.shared_by)
        and (query.since is None or made >= query.since)
        and (query.until is None or made <= query.until)
    )


def _public(id_: str, release: Release) -> PhoneImage:
    return PhoneImage(
        id_,
        "AOSP",
        "aosp",
        f"AOSP{release.number}",
        ImageVisibility.PUBLIC,
        ImageLabel.PHONE,
        can_encrypt=True,
    )


def _offered(image: TenantImage) -> PhoneImage:
    is_own = image.shared_by is None
    return PhoneImage(
        image.id,
        image.name,
        "aosp",
        image.release,
        ImageVisibility.PRIVATE if is_own else None,
        ImageLabel.PHONE,
        can_encrypt=False,
        share_state=None if is_own else ShareState(image.receipt),
    )


def _member(image: TenantImage, project: str, since: int) -> Member:
    at = datetime.fromtimestamp(since / 1000, UTC)
    return Member(project, image.id, at, at)


def _model(flavor: PhoneFlavor) -> PhoneModel:
    model, server = flavor.model, SERVERS[flavor.server]
    more = {"eip_count": 1, "vip_count": 1}
    shared = {"max_share_disk_size_g": flavor.shared_storage} if flavor.shared_storage else {}
    return PhoneModel(
        flavor.name,
        flavor.server,
        SaleState.ON_SALE,
        model.vcpus,
        model.memory * 1024,
        model.storage,
        f"{model.width}x{model.height}",
        encode(more | shared).decode(),
        flavor.name,
        flavor.capacity,
        ImageLabel.PHONE,
        Product(server.product_type or 0),
        ModelVersion.V2 if flavor.own_disk else ModelVersion.V1,
        model.density,
        "60",
        DiskMode.OWN if flavor.own_disk else DiskMode.SHARED,
        60,
        60,
    )
