"""KooPhone's error messages and HTTP statuses, by the number of the code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# From the error table (KooPhone 6.2, 2025-12-31). The table lacks some codes of the pages of operations,
# which list 400 and 500 for all of their codes alike; 400 is used for these.
KOOPHONE: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "0002": (200, "missing request header 'x-request-id'."),
        "0003": (400, "invalid request header 'x-request-id'."),
        "1000": (
            400,
            (
                "There is an error in the interface request parameters. Check if the request parameter type "
                "or range is consistent with the interface."
            ),
        ),
        "1001": (
            401,
            "no instance permission, Check whether the instance ID passed in by the request is correct.",
        ),
        "1002": (
            400,
            (
                "The instance list to be operated on does not belong to the same region. Please modify the "
                "requested instances to the same region."
            ),
        ),
        "1003": (
            401,
            "tenant have no auth to use the API, please contact us to add you to the whitelist.",
        ),
        "1004": (200, "Services not subscribed."),
        "1005": (
            400,
            "request param error, Request param not contain the all needed encode and net combinations.",
        ),
        "1012": (200, "instances are not belong to one tenant."),
        "1323": (400, "The application installation task does not exist."),
        "2003": (200, "No idle instance."),
        "2004": (200, "the instance already frozen."),
        "2005": (200, "the instance is in recover."),
        "2006": (200, "the instance is in backup."),
        "2210": (400, "The binding relationship between the user and the instance does not exist."),
        "3001": (400, "input instance sku param need to match band sku."),
        "3002": (200, "no such sku or region."),
        "3003": (200, "common instance need os version."),
        "3006": (200, "if period type is month, period num should between 1-9."),
        "3007": (200, "if period type is year, period num should between 1-3."),
        "3008": (200, "fast_install in request param should be 0 or 1."),
        "3009": (200, "query phoneId error."),
        "4001": (200, "instance not exist."),
        "40010": (200, "out of stock."),
        "4999": (400, "Invoking third api error."),
        "5001": (400, "Cannot delete on-demand instances."),
        "5002": (400, "The time request format is incorrect."),
        "5004": (400, "The query end date is earlier than the query start date."),
        "5005": (400, "Not all instances are running."),
        "6000": (400, "Invalid request parameter."),
        "6001": (401, "Authenticate Failed!"),
        "6002": (403, "No permission."),
        "62006": (200, "The app size must be a number."),
        "62010": (200, "The cloud instance is abnormal."),
        "62015": (200, "The size of the app package exceeds the limit of 2G."),
        "62017": (200, "Download failed, please check the install_package_url."),
        "62020": (200, "Version Conflict."),
        "62021": (200, "not enough space."),
        "9002": (500, "failed to acquire the redis lock."),
        "9003": (500, "invoke third api error."),
        "9999": (500, "unknown error."),
    }
)
