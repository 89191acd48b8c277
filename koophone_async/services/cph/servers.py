"""Servers: list, buy, change, restart, rename and delete them."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

from attrs import evolve, field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Between, OneOf, Text, ids
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.rows import Items
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
from koophone_async.services.cph.started_jobs import SEPARATOR, Accepted, Started, StartedOne
from koophone_async.wire import PAGE_SIZE, doc, wire


@frozen
class ServerQuery:
    """Filter of the list of servers, newest first."""

    name: str | None = field(default=None, metadata=wire("server_name") | doc("The name or a part of it."))
    id: str | None = field(default=None, metadata=wire("server_id"))
    network: Network | str | None = field(
        default=None, validator=OneOf((*Network, None)), metadata=wire("network_version")
    )
    phone_model: str | None = field(default=None, metadata=wire("phone_model_name"))
    since: int | None = field(
        default=None,
        validator=Between(0, inf),
        metadata=wire("create_since")
        | doc("A timestamp; no document states whether in seconds or milliseconds."),
    )
    until: int | None = field(default=None, validator=Between(0, inf), metadata=wire("create_until"))
    state: ServerState | int | None = field(
        default=None, validator=OneOf((*ServerState, None)), metadata=wire("status")
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100), metadata=PAGE_SIZE)


@frozen
class ServerPage:
    """One page of the list of servers."""

    items: tuple[Server, ...] = field(default=(), metadata=wire("servers"))
    total: int | None = field(default=None, metadata=wire("count"))
    """None in answers of 2020."""


@frozen
class ServerRequest:
    """Request about one server."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("server_id"))


@frozen
class ServersRequest:
    """Request about servers."""

    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))


@frozen
class DeleteServers(ServersRequest):
    """Request to delete servers."""

    # A DELETE with a JSON body.
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids", place="body"))


@frozen
class RenameServer(ServerRequest):
    """Request to rename a server."""

    name: str = field(validator=NAME, metadata=wire("server_name"))


LIST: Final = Operation(
    "cph.servers.list", "GET", "/v1/{project_id}/cloud-phone/servers",
    ServerQuery, ServerPage, source="CPH 5.1.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

SHOW: Final = Operation(
    "cph.servers.show", "GET", "/v1/{project_id}/cloud-phone/servers/{server_id}",
    ServerRequest, ServerDetail, source="CPH 5.1.2 (2025-02-08)", repeatable=True,
    answer_ids=lambda answer: (answer.id,),
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
    """Servers of the project."""

    _session: Sender

    def list(self, query: ServerQuery = ServerQuery()) -> Items[Server]:
        """Iterate over the servers that match a query, newest first, page by page.

        Args:
            query: Filters, all optional: part of the name, id, network, phone model, state;
                `limit` is the page size, at most 100.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.1.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def show(self, server: str) -> ServerDetail:
        """Return the details of one server, with its bandwidths and disks.

        Args:
            server: Its id.

        Raises:
            NotFound: The server does not exist.

        API: CPH 5.1.2 (2025-02-08)
        """
        return await self._session.send(SHOW, ServerRequest(server))

    def models(self, product_type: ProductType | None = None) -> Items[ServerModel]:
        """Iterate over the server flavors.

        Args:
            product_type: For phones or for gaming; None for both.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.1.3 (2025-02-08)
        """
        return items_by_marker(self._session, MODELS, ModelQuery(product_type))

    def offerings(self) -> Items[Offering]:
        """Iterate over the server flavors of each zone that is open to you, on sale or sold out.

        Raises:
            Refused: The service refused to list.

        API: huaweicloudsdkcph 3.1.219
        """
        return items_by_marker(self._session, OFFERINGS, OfferingQuery())

    async def buy(self, order: BuyServers) -> ServerOrder:
        """Buy servers in a network of your own. This costs money and is never retried.

        Args:
            order: At most 10 servers of one flavor, their name of at most 60 characters, their phones,
                network and billing period.

        Raises:
            Refused: Nothing was bought, for example because a quota of servers or addresses is exceeded.
            NoAnswer: No answer arrived; the order may have been made.

        API: CPH 5.1.4 (2025-02-08)
        """
        return await self._session.send(BUY, order)

    async def buy_v1(self, order: BuyServersV1) -> Order:
        """Buy servers in a network of the service's, as in 2020. This costs money and is never retried.

        The answer has no server ids: find the servers by the order's name.

        Args:
            order: At most 10 servers of one flavor, their name of at most 60 characters, their phones
                and billing period.

        Raises:
            Refused: Nothing was bought; some flavors can only be bought by `buy` (CPS.0256).
            NoAnswer: No answer arrived; the order may have been made.

        API: CPH 4.1.4 (2020-07-30)
        """
        return await self._session.send(BUY_V1, order)

    async def buy_bare(self, order: BuyBareServers) -> ServerOrder:
        """Buy servers without phones. This costs money and is never retried.

        Args:
            order: At most 10 servers of one flavor, their name of at most 60 characters, their network,
                key pair and billing period.

        Raises:
            Refused: Nothing was bought.
            NoAnswer: No answer arrived; the order may have been made.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(BUY_BARE, order)

    async def restart(self, servers: Iterable[str]) -> Started:
        """Restart servers, and with them every phone on them.

        Args:
            servers: At most 100 ids. Each is started or refused by itself; see `Started.refused`.

        Raises:
            Refused: The service refused the whole call; nothing was restarted.
            NoAnswer: No answer arrived; the servers may be restarting.

        API: CPH 5.1.5 (2025-02-08)
        """
        return await self._session.send(RESTART, ServersRequest(servers))

    async def change(self, change: ChangeServer) -> StartedOne:
        """Replace the machine of a server. Its phones are created anew and lose all their data.

        Name, id, zone and price stay the same. Resources and quota for both machines are needed meanwhile.

        Args:
            change: The server, its new phones and their network.

        Raises:
            Refused: Nothing was changed; only servers billed by the month or year can be replaced (CPS.1103),
                and only a limited number at a time (CPS.0326).
            NoAnswer: No answer arrived; the replacement may be running.

        API: CPH 5.1.6 (2025-02-08)
        """
        return await self._session.send(CHANGE, change)

    async def change_model(self, change: ChangeModel) -> Order:
        """Change the flavor of a server. A larger one costs money, a smaller one refunds some.

        It takes about two minutes and has no job: poll the server's `model`.

        Args:
            change: The server, its new flavor of the same generation, and the phone model, whose number of
                phones must be the same as before.

        Raises:
            Refused: Nothing was changed.
            NoAnswer: No answer arrived; the order may have been made.

        API: CPH 5.1.12 (2025-02-08)
        """
        return await self._session.send(CHANGE_MODEL, change)

    async def rename(self, server: str, name: str) -> Accepted:
        """Rename a server.

        Args:
            server: Its id.
            name: At most 60 letters, digits, Chinese characters, `_` and `-`.

        Raises:
            NotFound: The server does not exist.
            NoAnswer: No answer arrived; the name may have changed.

        API: CPH 5.1.13 (2025-02-08)
        """
        return await self._session.send(RENAME, RenameServer(server, name))

    async def delete(self, servers: Iterable[str]) -> StartedOne:
        """Start deleting servers, with all their phones and data.

        Args:
            servers: At most 10 ids of servers that are billed by use.

        Raises:
            Refused: The service refused the whole call; nothing was deleted.
            NoAnswer: No answer arrived; the servers may be deleted.

        API: huaweicloudsdkcph 3.1.219
        """
        request = DeleteServers(servers)
        started = await self._session.send(DELETE, request)
        return evolve(started, server=started.server or SEPARATOR.join(request.servers))
