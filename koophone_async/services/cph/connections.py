"""What clients need to stream from phones."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, OneOf, ids
from koophone_async.operation import Batch, Operation
from koophone_async.wire import wire


class ClientType(StrEnum):
    """What streams (CPH 5.3.3)."""

    ANDROID = "ANDROID"
    WINDOWS = "WINDOWS"
    H5_MOBILE = "H5_MOBILE"
    H5_PC = "H5_PC"
    IOS = "IOS"


@frozen
class ConnectionRequest:
    """Which phones a client wants to stream from."""

    phones: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("phone_ids"))
    client: ClientType = field(validator=OneOf(tuple(ClientType)), metadata=wire("client_type"))


@frozen
class Access:
    """Where a phone is reached, and with what."""

    public_ip: str | None = field(default=None, metadata=wire("access_ip"))
    internal_ip: str | None = field(default=None, metadata=wire("intranet_ip"))
    ipv6: str | None = field(default=None, metadata=wire("access_ipv6"))
    port: int | None = field(default=None, metadata=wire("access_port"))
    session: str | None = field(default=None, metadata=wire("session_id"))
    timestamp: str | None = None
    """For the client, which gives it back; its unit is not documented."""

    ticket: str | None = field(default=None, repr=False)
    """A secret. How long it lasts, and whether the next one ends it, is not documented."""


@frozen
class Connection:
    """One phone that can be streamed from."""

    phone: str = field(metadata=wire("phone_id"))
    access: Access = field(metadata=wire("access_info"))


@frozen
class RefusedConnection:
    """One phone that cannot be streamed from, and why."""

    phone: str = field(metadata=wire("phone_id"))
    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))


@frozen
class Connections:
    """Each phone of the call is in one of the two lists; HTTP is 200 for both."""

    connections: tuple[Connection, ...] = field(default=(), metadata=wire("connect_infos"))
    refused: tuple[RefusedConnection, ...] = field(default=(), metadata=wire("errors"))
    request: str | None = field(default=None, metadata=wire("request_id"))


# Nothing about a phone changes, and the ticket of an answer that got lost serves nobody.
CONNECTIONS: Final = Operation(
    "cph.phones.connections", "POST", "/v1/{project_id}/cloud-phone/phones/batch-connection",
    ConnectionRequest, Connections, source="CPH 5.3.3 (2025-02-08)",
    batch=Batch("phones", max=10), repeatable=True,
)  # fmt: skip
