"""Connections: addresses and access tickets for streaming from phones."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, OneOf, ids
from koophone_async.operation import Batch, Operation
from koophone_async.wire import wire


class ClientType(StrEnum):
    """Kind of streaming client (CPH 5.3.3)."""

    ANDROID = "ANDROID"
    WINDOWS = "WINDOWS"
    H5_MOBILE = "H5_MOBILE"
    H5_PC = "H5_PC"
    IOS = "IOS"


@frozen
class ConnectionRequest:
    """Request for connections of one kind of client to phones."""

    phones: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("phone_ids"))
    client: ClientType = field(validator=OneOf(tuple(ClientType)), metadata=wire("client_type"))


@frozen
class Access:
    """Addresses of a phone, and the access ticket for it."""

    public_ip: str | None = field(default=None, metadata=wire("access_ip"))
    internal_ip: str | None = field(default=None, metadata=wire("intranet_ip"))
    ipv6: str | None = field(default=None, metadata=wire("access_ipv6"))
    port: int | None = field(default=None, metadata=wire("access_port"))
    session: str | None = field(default=None, metadata=wire("session_id"))
    timestamp: str | None = None
    """Passed back by the streaming client; its unit is not documented."""

    ticket: str | None = field(default=None, repr=False)
    """Secret. Its lifetime, and whether the next ticket invalidates it, are not documented."""


@frozen
class Connection:
    """Connection to one phone."""

    phone: str = field(metadata=wire("phone_id"))
    access: Access = field(metadata=wire("access_info"))


@frozen
class RefusedConnection:
    """A phone without a connection, and the reason."""

    phone: str = field(metadata=wire("phone_id"))
    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))


@frozen
class Connections:
    """Answer with a connection or a refusal for each phone; HTTP 200 in both cases."""

    connections: tuple[Connection, ...] = field(default=(), metadata=wire("connect_infos"))
    refused: tuple[RefusedConnection, ...] = field(default=(), metadata=wire("errors"))
    request: str | None = field(default=None, metadata=wire("request_id"))


def _phones(answer: Connections) -> tuple[str, ...]:
    return (*(each.phone for each in answer.connections), *(each.phone for each in answer.refused))


# Repeatable: the phone does not change, and the ticket of a lost answer is never used.
CONNECTIONS: Final = Operation(
    "cph.phones.connections", "POST", "/v1/{project_id}/cloud-phone/phones/batch-connection",
    ConnectionRequest, Connections, source="CPH 5.3.3 (2025-02-08)",
    batch=Batch("phones", max=10), repeatable=True,
    answer_ids=_phones,
)  # fmt: skip
