"""How the emulator says no: in the service's own words, with the HTTP status that the documents give."""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from attrs import define, field

from koophone_async.emulator.cph.error_table import CPS
from koophone_async.protocol.dialect import DIALECTS
from koophone_async.services.koophone import commands
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.operation import AnyOperation
    from koophone_async.protocol.dialect import Json

_GATEWAY: Final = "APIGW."

# Of the error table (KooPhone 6.2, 2025-12-31); where only the page of an operation has a code, and no
# table its status, 400 is taken: those pages list it for 400 and 500 alike.
_KOOPHONE: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
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

_WORDS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        **{f"KOOPHONE.API.{number}": words for number, words in _KOOPHONE.items()},
        "KPAPI.2209": (400, "No device can be assigned."),
        **CPS,
        "APIGW.0101": (404, "The API does not exist or has not been published in the environment"),
        "APIGW.0301": (401, "Incorrect IAM authentication information"),
    }
)


@define(eq=False, slots=False)
class Refusal(Exception):
    """An answer that says no."""

    status: int
    code: str
    message: str
    """The service's words."""

    reason: str = ""
    """What was wrong, for the people who read the list of requests; the service tells less."""

    headers: Mapping[str, str] = field(factory=dict[str, str])

    def body(self, operation: AnyOperation | None, edition: Edition, request_id: str) -> Json:
        """Say it in the envelope of the service, or of the gateway that stands before all of them."""
        if operation is None or self.code.startswith(_GATEWAY):
            return {"error_msg": self.message, "error_code": self.code, "request_id": request_id}
        code = self.code or str(self.status)
        said = DIALECTS[operation.service].wrap_error(code, self.message, request_id)
        # One page, in one edition, spells the field otherwise (KooPhone 4.1.1, 2025-12-31).
        if operation is commands.RUN_SYNC and edition is Edition.INTERNATIONAL and self.status in (400, 500):
            said["error_info"] = said.pop("error_msg")
        return said


def words(code: str) -> str:
    """The service's words for a code; empty where it has none."""
    return _WORDS.get(code, (0, ""))[1]


def refusal(code: str, reason: str = "", *, detail: str = "") -> Refusal:
    """Refuse with a code of the documents.

    Args:
        code: As the service spells it.
        reason: For the list of requests only.
        detail: Follows the words after a colon, as the gateway has it.
    """
    status, said = _WORDS[code]
    return Refusal(status, code, f"{said}: {detail}" if detail else said, reason)


def koophone(number: str, reason: str = "") -> Refusal:
    """Refuse with a code of KooPhone, by its number."""
    return refusal(f"KOOPHONE.API.{number}", reason)


def cph(code: str, *figures: object, reason: str = "") -> Refusal:
    """Refuse with a code of CPH, with what its words leave room for."""
    status, said = CPS[code]
    return Refusal(status, code, said.format(*figures) if figures else said, reason)


def throttled(limit: int, per: str, retry_after: float | None = None, *, figures: bool = True) -> Refusal:
    """Refuse a call that is one too many.

    Args:
        limit: How many calls the quota allows.
        per: In which time, such as `1 minute`.
        retry_after: Seconds, for the header; no document has it.
        figures: Whether the words tell the quota.
    """
    told = f": policy user over ratelimit,limit:{limit},time:{per}" if figures else ""
    again = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    message = f"The throttling threshold has been reached{told}"
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "APIGW.0308", message, headers=again)


def unauthorized() -> Refusal:
    """Refuse a sign-in, in IAM's words."""
    message = "The username or password is wrong."
    return Refusal(HTTPStatus.UNAUTHORIZED, "", message)


def invalid(reason: str) -> Refusal:
    """Refuse a body that cannot be read, in IAM's words."""
    return Refusal(HTTPStatus.BAD_REQUEST, "", "Request body is invalid.", reason)
