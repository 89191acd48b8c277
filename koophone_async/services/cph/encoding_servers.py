"""Encoding servers, which encode the screens of phones as video."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, Between, OneOf, Text, ids
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import PAGE_SIZE, wire


class EncodingType(IntEnum):
    """What an encoding server runs as (CPH 5.6.1)."""

    SERVER = 0
    CONTAINER = 1


class EncodingState(IntEnum):
    """State of an encoding server in answers (CPH 5.6.1). Three numbers mean creating."""

    CREATING = 0
    RUNNING = 1
    ABNORMAL = 2
    RESTARTING = 3
    CREATING_4 = 4
    CREATING_5 = 5

    @property
    def is_creating(self) -> bool:
        """Whether the encoding server is still being created."""
        return self in (self.CREATING, self.CREATING_4, self.CREATING_5)


class EncodingFilter(IntEnum):
    """State of an encoding server in queries; 4 and 5 contradict the answers (CPH 5.6.1)."""

    CREATING = 0
    RUNNING = 1
    ABNORMAL = 2
    RESTARTING = 3
    FROZEN = 4
    STOPPED = 5
    CREATING_100 = 100
    CREATING_1014 = 1014


@frozen
class EncodingAccess:
    """One port of an encoding server and its addresses."""

    listen_port: int | None = None
    access_port: int | None = None
    """The port at the public address."""

    internal: str | None = field(default=None, metadata=wire("server_ip"))
    internal_ipv6: str | None = field(default=None, metadata=wire("server_ipv6"))
    public: str | None = field(default=None, metadata=wire("public_ip"))
    """Empty where there is none."""

    old_internal: str | None = field(default=None, metadata=wire("intranet_ip", "internet_ip"))
    """The internal address under its former name."""

    old_public: str | None = field(default=None, metadata=wire("access_ip"))
    """The public address under its former name; the internal one if there is none."""

    type: str | None = None
    """`adb`, `vnc`, `cph_app_server`, `cph_h5_server`, or the name of a custom port."""


@frozen
class EncodingServer:
    """One encoding server."""

    id: str = field(metadata=wire("encode_server_id"))
    name: str | None = field(default=None, metadata=wire("encode_server_name"))
    ip: str | None = field(default=None, metadata=wire("encode_server_ip"))
    ipv6: str | None = field(default=None, metadata=wire("encode_server_ipv6"))
    server: str | None = field(default=None, metadata=wire("server_id"))
    """The server that it belongs to."""

    keypair: str | None = field(default=None, metadata=wire("keypair_name"))
    type: EncodingType | int | None = None
    state: EncodingState | int | None = field(default=None, metadata=wire("status"))
    accesses: tuple[EncodingAccess, ...] = field(default=(), metadata=wire("access_infos"))


@frozen
class EncodingServerQuery:
    """Filter of the list of encoding servers."""

    server: str | None = field(default=None, validator=Text(32), metadata=wire("server_id"))
    type: EncodingType | int | None = field(default=None, validator=OneOf((*EncodingType, None)))
    state: EncodingFilter | int | None = field(
        default=None, validator=OneOf((*EncodingFilter, None)), metadata=wire("status")
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100), metadata=PAGE_SIZE)


@frozen
class EncodingServerPage:
    """One page of the list of encoding servers."""

    items: tuple[EncodingServer, ...] = field(default=(), metadata=wire("encode_servers"))
    total: int | None = field(default=None, metadata=wire("count"))
    """Not documented for this list."""


@frozen
class RestartEncodingServers:
    """Request to restart encoding servers."""

    encoding_servers: tuple[str, ...] = field(
        converter=ids, validator=IDS, metadata=wire("encode_server_ids")
    )


LIST: Final = Operation(
    "cph.encoding_servers.list", "GET", "/v1/{project_id}/cloud-phone/encode-servers",
    EncodingServerQuery, EncodingServerPage, source="CPH 5.6.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

# Jobs of 2025 do not name their encoding server: only this answer does.
RESTART: Final = Operation(
    "cph.encoding_servers.restart", "POST", "/v1/{project_id}/cloud-phone/encode-servers/batch-restart",
    RestartEncodingServers, Started, source="CPH 5.6.2 (2025-02-08)",
    batch=Batch("encoding_servers", max=UNSTATED), repeatable=False,
)  # fmt: skip


@frozen
class EncodingServers:
    """The tenant's encoding servers."""

    _session: Sender

    def list(self, query: EncodingServerQuery = EncodingServerQuery()) -> Items[EncodingServer]:
        """Iterate over the encoding servers that match a query, page by page.

        Args:
            query: Filters, all optional: server, type, state; `limit` is how many to ask for at once
                (at most 100).

        Raises:
            Refused: The service refused to list.

        API: CPH 5.6.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def restart(self, encoding_servers: Iterable[str]) -> Started:
        """Restart encoding servers.

        Args:
            encoding_servers: At most 100 ids; no document states a maximum.

        Raises:
            Refused: The service refused the whole call; nothing was restarted.
            NoAnswer: No answer arrived; they may be restarting.

        API: CPH 5.6.2 (2025-02-08)
        """
        return await self._session.send(RESTART, RestartEncodingServers(encoding_servers))
