"""Differences between the requests of the vendor's client and ours, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.catalogue import OPERATIONS
from tests.interop.buying_calls import SHARED

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Difference:
    """Places of a request with different values: the vendor's and ours."""

    reason: str
    places: Mapping[str, tuple[Any, Any]]


_IPV6: Final = "body.nics.0.ipv6_bandwidth"

DIFFERENT: Final[Mapping[str, Difference]] = {
    "cph.servers.change": Difference(
        "spelled `bandwidth_id` in CPH 5.1.6 (2025-02-08), and `band_width_id` by the vendor's client",
        {f"{_IPV6}.band_width_id": (SHARED, None), f"{_IPV6}.bandwidth_id": (None, SHARED)},
    ),
}

ONLY_OURS: Final = frozenset(
    name
    for name, operation in OPERATIONS.items()
    if operation.service == "cph" and operation.source.endswith((" only", "(2020-07-30)"))
)
"""Operations that the vendor's client does not have: undocumented ones, and those of 2020-07-30 alone."""

_FIRST_PAGE: Final = "only requests for later pages have it"

NOT_SENT: Final[Mapping[str, str]] = {
    "list_cloud_phone_server_model_offerings marker": _FIRST_PAGE,
    "list_cloud_phone_server_models marker": _FIRST_PAGE,
    "list_scheduled_events marker": _FIRST_PAGE,
    "list_share_apps_snapshot marker": _FIRST_PAGE,
    "list_cloud_phone_server_models limit": "the document has no pages and returns all flavors at once",
    "list_image_members marker": _FIRST_PAGE,
    "list_image_members limit": "the size of a page is left to the service",
    "list_jobs request_id": "the older filter for one request; request_ids accepts one too",
}
"""Fields of the vendor's requests that no call of ours sends, and why."""
