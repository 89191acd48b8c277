"""Raw calls of operations that only the table of permissions names (CPH 7.1 of 2025-02-08).

Method and path are known; requests and answers are documented nowhere. The calls send any query and body, and
return the answer as JSON. Only the reads are retried.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Self

from attrs import define, field, frozen, make_class

from koophone_async.errors import UnreadableAnswer
from koophone_async.operation import Operation, Sender
from koophone_async.wire import decode, encode, wire

SOURCE: Final = "CPH 7.1 (2025-02-08), the path only"


@frozen
class RawRequest:
    """Any query and body. `RawRequest.of` creates one."""

    @staticmethod
    def of(query: Mapping[str, object] | None = None, body: Mapping[str, object] | None = None) -> RawRequest:
        """Create a request from query and body, by the names of the wire."""
        query, body = query or {}, body or {}
        return _request_class(tuple(query), tuple(body))(*query.values(), *body.values())


@cache
def _request_class(query: tuple[str, ...], body: tuple[str, ...]) -> type[RawRequest]:
    """Create a request class with these fields, which the session places like those of any other."""
    spelt = [wire(name, place="query") for name in query] + [wire(name, place="body") for name in body]
    fields = {f"field_{n}": field(metadata=metadata) for n, metadata in enumerate(spelt)}
    return make_class("RawRequest", fields, bases=(RawRequest,), frozen=True)


@define(init=False, eq=False, repr=False, slots=False)
class RawAnswer(bytes):
    """An answer as JSON text; `value` is the decoded JSON."""

    def __new__(cls, answer: object) -> Self:
        """Encode a decoded answer."""
        return super().__new__(cls, encode(answer))

    @property
    def value(self) -> Any:  # noqa: ANN401 - documented nowhere
        """The decoded JSON."""
        return decode(self)


LIST_AVAILABILITY_ZONES: Final = Operation(
    "cph.undocumented.list_availability_zones", "GET", "/v1/{project_id}/cloud-phone/availability-zones",
    RawRequest, RawAnswer, source=SOURCE, repeatable=True,
)  # fmt: skip

LIST_SUBNETS: Final = Operation(
    "cph.undocumented.list_subnets", "GET", "/v1/{project_id}/cloud-phone/subnets",
    RawRequest, RawAnswer, source=SOURCE, repeatable=True,
)  # fmt: skip

LIST_PEERING_ROUTES: Final = Operation(
    "cph.undocumented.list_peering_routes", "GET", "/v1/{project_id}/cloud-phone/peering-routes",
    RawRequest, RawAnswer, source=SOURCE, repeatable=True,
)  # fmt: skip

CREATE_PEERING_ROUTES: Final = Operation(
    "cph.undocumented.create_peering_routes", "POST", "/v1/{project_id}/cloud-phone/peering-routes",
    RawRequest, RawAnswer, source=SOURCE, repeatable=False,
)  # fmt: skip

DELETE_PEERING_ROUTES: Final = Operation(
    "cph.undocumented.delete_peering_routes", "DELETE", "/v1/{project_id}/cloud-phone/peering-routes",
    RawRequest, RawAnswer, source=SOURCE, repeatable=False,
)  # fmt: skip

# A phone with the id phone-export would have the same path.
EXPORT_PHONE_DETAILS: Final = Operation(
    "cph.undocumented.export_phone_details", "GET", "/v1/{project_id}/cloud-phone/phones/phone-export",
    RawRequest, RawAnswer, source=SOURCE, repeatable=True,
)  # fmt: skip

CREATE_AGENCY: Final = Operation(
    "cph.undocumented.create_agency", "POST", "/v1/{project_id}/agencies",
    RawRequest, RawAnswer, source=SOURCE, repeatable=False,
)  # fmt: skip

CHECK_AGENCY: Final = Operation(
    "cph.undocumented.check_agency", "GET", "/v1/{project_id}/agencies",
    RawRequest, RawAnswer, source=SOURCE, repeatable=True,
)  # fmt: skip


@frozen
class Undocumented:
    """Raw calls whose requests and answers are undocumented and may change at any time."""

    _session: Sender

    async def list_availability_zones(self, query: Mapping[str, object] | None = None) -> RawAnswer:
        """Return the zones and, by the name of its permission, the server types that are sold out there.

        Args:
            query: Query parameters by the names of the wire.

        Raises:
            Refused: The service refused to list.

        API: CPH 7.1 (2025-02-08), the path only
        """
        return await self._session.send(LIST_AVAILABILITY_ZONES, RawRequest.of(query))

    async def list_subnets(self, query: Mapping[str, object] | None = None) -> RawAnswer:
        """Return the subnets.

        Args:
            query: Query parameters by the names of the wire.

        Raises:
            Refused: The service refused to list.

        API: CPH 7.1 (2025-02-08), the path only
        """
        return await self._session.send(LIST_SUBNETS, RawRequest.of(query))

    async def list_peering_routes(self, query: Mapping[str, object] | None = None) -> RawAnswer:
        """Return the routes of peering connections.

        Args:
            query: Query parameters by the names of the wire.

        Raises:
            Refused: The service refused to list.

        API: CPH 7.1 (2025-02-08), the path only
        """
        return await self._session.send(LIST_PEERING_ROUTES, RawRequest.of(query))

    async def create_peering_routes(self, body: Mapping[str, object]) -> RawAnswer:
        """Add routes of a peering connection; CPS.0200 to 0203 mention its `peering_id`.

        Args:
            body: JSON object by the names of the wire.

        Raises:
            Refused: Nothing was added.
            NoAnswer: No answer arrived; the routes may have been added.

        API: CPH 7.1 (2025-02-08), the path only
        """
        return await self._session.send(CREATE_PEERING_ROUTES, RawRequest.of(body=body))

    async def delete_peering_routes(
        self, query: Mapping[str, object] | None = None, body: Mapping[str, object] | None = None
    ) -> RawAnswer:
        """Delete routes of a peering connection; whether query or body names them is unknown.

        Args:
            query: Query parameters by the names of the wire.
            body: JSON object by the names of the wire.

        Raises:
            Refused: Nothing was deleted.
            NoAnswer: No answer arrived; the routes may have been deleted.

        API: CPH 7.1 (2025-02-08), the path only
        """
        return await self._session.send(DELETE_PEERING_ROUTES, RawRequest.of(query, body))

    async def export_phone_details(self, query: Mapping[str, object] | None = None) -> bytes:
        """Return the details of all phones as bytes, unchanged, since the answer may be a file.

        Args:
            query: Query parameters by the names of the wire.

        Raises:
            Refused: The service refused to export.

        API: CPH 7.1 (2025-02-08), the path only
        """
        try:
            return await self._session.send(EXPORT_PHONE_DETAILS, RawRequest.of(query))
        except UnreadableAnswer as error:
            return error.answer

    async def create_agency(self, body: Mapping[str, object] | None = None) -> RawAnswer:
        """Create the agency that authorizes the service to act for the account.

        Args:
            body: JSON object by the names of the wire.

        Raises:
            Refused: No agency was created.
            NoAnswer: No answer arrived; the agency may have been created.

        API: CPH 7.1 (2025-02-08), the path only
        """
        return await self._session.send(CREATE_AGENCY, RawRequest.of(body=body))

    async def check_agency(self, query: Mapping[str, object] | None = None) -> RawAnswer:
        """Return whether the service is authorized to act for the account.

        Args:
            query: Query parameters by the names of the wire.

        Raises:
            Refused: The service refused to answer.

        API: CPH 7.1 (2025-02-08), the path only
        """
        return await self._session.send(CHECK_AGENCY, RawRequest.of(query))
