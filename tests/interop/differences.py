"""Where the vendor's client and ours differ, each with its reason. Whatever is not said here is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from tests.interop.buying_calls import SHARED

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Difference:
    """Places of a request that hold other values: the vendor's and ours."""

    reason: str
    places: Mapping[str, tuple[Any, Any]]


_IPV6: Final = "body.nics.0.ipv6_bandwidth"

DIFFERENT: Final[Mapping[str, Difference]] = {
    "cph.servers.change": Difference(
        "spelt `bandwidth_id` in CPH 5.1.6 (2025-02-08), and `band_width_id` by the vendor's client",
        {f"{_IPV6}.band_width_id": (SHARED, None), f"{_IPV6}.bandwidth_id": (None, SHARED)},
    ),
}

ONLY_OURS: Final[Mapping[str, str]] = {
    "cph.servers.buy_v1": "of 2020-07-30; the vendor's client has the newer order only",
} | dict.fromkeys(
    (
        "cph.undocumented.check_agency",
        "cph.undocumented.create_agency",
        "cph.undocumented.create_peering_routes",
        "cph.undocumented.delete_peering_routes",
        "cph.undocumented.export_phone_details",
        "cph.undocumented.list_availability_zones",
        "cph.undocumented.list_peering_routes",
        "cph.undocumented.list_subnets",
    ),
    "named by the table of permissions only",
)
"""Operations that the vendor's client does not have, and why."""

_FIRST_PAGE: Final = "only pages after the first name where they begin"

NOT_SENT: Final[Mapping[str, str]] = {
    "list_cloud_phone_server_model_offerings marker": _FIRST_PAGE,
    "list_cloud_phone_server_models marker": _FIRST_PAGE,
    "list_scheduled_events marker": _FIRST_PAGE,
    "list_share_apps_snapshot marker": _FIRST_PAGE,
    "list_cloud_phone_server_models limit": "the document has no pages, and gives every flavor at once",
    "list_image_members marker": "an image has at most 10 members, and the document has no pages",
    "list_image_members limit": "the same",
    "list_jobs request_id": "the older filter for one request; request_ids takes one too",
}
"""What the vendor's requests can hold and no call of ours sends, and why."""
