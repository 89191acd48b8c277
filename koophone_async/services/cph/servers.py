"""Servers: what there is, how it is, and what is done to it as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from math import inf
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Between, OneOf, Text, ids
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.cph.buying import (
    BUY,
    BUY_BARE,
    BUY_V1,
    MAX_SERVERS,
    NAME,
    SDK_SOURCE,
    BuyBareServers,
    BuyServers,
    BuyServersV1,
    Order,
    ServerOrder,
)
from koophone_async.services.cph.paging import items_by_marker, items_by_offset
from koophone_async.services.cph.server import (
    Network,
    Server,
    ServerDetail,
    ServerState,
)
from koophone_async.services.cph.server_changes import (
    CHANGE,
    CHANGE_MODEL,
    ChangeModel,
    ChangeServer,
)
from koophone_async.services.cph.server_models import (
    MODELS,
    OFFERINGS,
    ModelQuery,
    Offering,
    OfferingQuery,
    ProductType,
    ServerModel,
)
from koophone_async.services.cph.started_jobs import Accepted, Started, StartedOne
from koophone_async.wire import wire


@frozen
class ServerQuery:
    """Which servers to list, newest first."""

    name: str | None = field(default=None, metadata=wire("server_name"))
    """Also a part of one."""

    id: str | None = field(default=None, metadata=wire("server_id"))
    network: Network | str | None = field(
        default=None, validator=OneOf((*Network, None)), metadata=wire("network_version")
    )
    phone_model: str | None = field(default=None, metadata=wire("phone_model_name"))
    since: int | None = field(default=None, validator=Between(0, inf), metadata=wire("create_since"))
    """A timestamp; no document says whether in seconds or in milliseconds."""

    until: int | None = field(default=None, validator=Between(0, inf), metadata=wire("create_until"))
    state: ServerState | int | None = field(
        default=None, validator=OneOf((*ServerState, None)), metadata=wire("status")
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))
    """How many to ask for at once; the list has them all."""


@frozen
class ServerPage:
    """One page of the list."""

    items: tuple[Server, ...] = field(default=(), metadata=wire("servers"))
    total: int | None = field(default=None, metadata=wire("count"))
    """None in answers of 2020."""


@frozen
class ServerRequest:
    """The server that a call is about."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("server_id"))


@frozen
class ServersRequest:
    """The servers that a call is about."""

    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))


@frozen
class DeleteServers(ServersRequest):
    """Servers to give back."""

    # A DELETE with a body.
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids", place="body"))


@frozen
class RenameServer(ServerRequest):
    """A new name for a server."""

    name: str = field(validator=NAME, metadata=wire("server_name"))


LIST: Final = Operation(
    "cph.servers.list", "GET", "/v1/{project_id}/cloud-phone/servers",
    ServerQuery, ServerPage, source="CPH 5.1.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

SHOW: Final = Operation(
    "cph.servers.show", "GET", "/v1/{project_id}/cloud-phone/servers/{server_id}",
    ServerRequest, ServerDetail, source="CPH 5.1.2 (2025-02-08)", repeatable=True,
)  # fmt: skip

RESTART: Final = Operation(
    "cph.servers.restart", "POST", "/v1/{project_id}/cloud-phone/servers/batch-restart",
    ServersRequest, Started, source="CPH 5.1.5 (2025-02-08)",
    batch=Batch("servers", max=100), repeatable=False,
)  # fmt: skip

RENAME: Final = Operation(
    "cph.servers.rename", "PUT", "/v1/{project_id}/cloud-phone/servers/{server_id}",
    RenameServer, Accepted, source="CPH 5.1.13 (2025-02-08)", repeatable=True,
)  # fmt: skip

DELETE: Final = Operation(
    "cph.servers.delete", "DELETE", "/v2/{project_id}/cloud-phone/servers",
    DeleteServers, StartedOne, source=SDK_SOURCE,
    batch=Batch("servers", max=MAX_SERVERS), repeatable=False,
)  # fmt: skip


@frozen
class Servers:
    """The tenant's servers."""

    _session: Sender

    def list(self, query: ServerQuery = ServerQuery()) -> AsyncIterator[Server]:
        """Give every server that the query describes, newest first, page after page.

        Args:
            query: Filters, all optional: part of a name, id, network, flavor of the phones, state;
                `limit` is how many to ask for at once (at most 100).

        Raises:
            Refused: The service refused to list.

        API: CPH 5.1.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def show(self, server: str) -> ServerDetail:
        """Tell everything of one server, its bandwidths and disks too.

        Raises:
            NotFound: There is no such server.

        API: CPH 5.1.2 (2025-02-08)
        """
        return await self._session.send(SHOW, ServerRequest(server))

    def models(self, product_type: ProductType | None = None) -> AsyncIterator[ServerModel]:
        """Give every flavor of servers.

        Args:
            product_type: For phones or for gaming; else both.

        API: CPH 5.1.3 (2025-02-08)
        """
        return items_by_marker(self._session, MODELS, ModelQuery(product_type))

    def offerings(self) -> AsyncIterator[Offering]:
        """Give every flavor of every zone that is open to you, and whether it is sold out there.

        API: huaweicloudsdkcph 3.1.219
        """
        return items_by_marker(self._session, OFFERINGS, OfferingQuery())

    async def buy(self, order: BuyServers) -> ServerOrder:
        """Buy servers in a network of your own. This costs money, and nothing makes it be sent again.

        Args:
            order: At most 10 servers of one flavor, their name of at most 60 characters, the phones on
                them, the network, and how long they are paid for.

        Raises:
            Refused: Nothing was bought; a quota of servers or addresses may be too small.
            NoAnswer: No answer came; the order may have been made.

        API: CPH 5.1.4 (2025-02-08)
        """
        return await self._session.send(BUY, order)

    async def buy_v1(self, order: BuyServersV1) -> Order:
        """Buy servers in a network of the service's, as in 2020. This costs money.

        The answer names no servers: find them by the order's name.

        Args:
            order: At most 10 servers of one flavor, their name of at most 60 characters, the phones on
                them, and how long they are paid for.

        Raises:
            Refused: Nothing was bought; some flavors can only be bought by `buy` (CPS.0256).
            NoAnswer: No answer came; the order may have been made.

        API: CPH 4.1.4 (2020-07-30)
        """
        return await self._session.send(BUY_V1, order)

    async def buy_bare(self, order: BuyBareServers) -> ServerOrder:
        """Buy servers without phones. This costs money.

        Args:
            order: At most 10 servers of one flavor, their name of at most 60 characters, their network,
                the key pair that signs in, and how long they are paid for.

        Raises:
            Refused: Nothing was bought.
            NoAnswer: No answer came; the order may have been made.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(BUY_BARE, order)

    async def restart(self, servers: Iterable[str]) -> Started:
        """Restart servers, and with them every phone on them.

        Args:
            servers: At most 100 ids. Each is begun or refused by itself; see `Started.refused`.

        Raises:
            Refused: The service refused the whole call; nothing was restarted.
            NoAnswer: No answer came; the servers may be restarting.

        API: CPH 5.1.5 (2025-02-08)
        """
        return await self._session.send(RESTART, ServersRequest(servers))

    async def change(self, change: ChangeServer) -> StartedOne:
        """Put a new machine in the place of a server. Its phones are made anew and lose all their data.

        Name, id, zone and price stay. While it lasts, resources and quota for both are needed.

        Args:
            change: The server, the phones it is to hold, and their network.

        Raises:
            Refused: Nothing was changed; only servers paid by the month or year can be, not too many
                at a time (CPS.1103, CPS.0326).
            NoAnswer: No answer came; the server may be in the making.

        API: CPH 5.1.6 (2025-02-08)
        """
        return await self._session.send(CHANGE, change)

    async def change_model(self, change: ChangeModel) -> Order:
        """Give a server another flavor. A better one costs money, a lesser one brings some back.

        It takes about two minutes and has no job: look at the server's `model`.

        Args:
            change: The server, its new flavor of the same generation, and that of its phones, which must be
                as many as before.

        Raises:
            Refused: Nothing was changed.
            NoAnswer: No answer came; the order may have been made.

        API: CPH 5.1.12 (2025-02-08)
        """
        return await self._session.send(CHANGE_MODEL, change)

    async def rename(self, server: str, name: str) -> Accepted:
        """Give a server another name.

        Args:
            server: Its id.
            name: At most 60 letters, digits, Chinese characters, `_` and `-`.

        Raises:
            NotFound: There is no such server.
            NoAnswer: No answer came; the name may be the new one.

        API: CPH 5.1.13 (2025-02-08)
        """
        return await self._session.send(RENAME, RenameServer(server, name))

    async def delete(self, servers: Iterable[str]) -> StartedOne:
        """Give servers back, with all that is on them.

        Args:
            servers: At most 10 ids of servers that are paid by use.

        Raises:
            Refused: The service refused the whole call; nothing was given back.
            NoAnswer: No answer came; the servers may be gone.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(DELETE, DeleteServers(servers))
