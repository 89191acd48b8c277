"""Key pairs that open the phones of a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Listed, Text
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.services.cph.order_models import KEYPAIR
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire


@frozen
class ServerKeypair:
    """Which key pair is to open the phones of one server."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("server_id"))
    keypair: str = field(validator=KEYPAIR, metadata=wire("keypair_name"))


@frozen
class UpdateKeypairs:
    """A key pair for each of many servers."""

    servers: tuple[ServerKeypair, ...] = field(validator=Listed())


# Setting the same key twice would do no harm, but while the first job runs a second call is refused
# (CPS.0098), and the answer would tell nothing of the job that goes on.
UPDATE: Final = Operation(
    "cph.keypairs.update", "PUT", "/v1/{project_id}/cloud-phone/servers/open-access",
    UpdateKeypairs, Started, source="CPH 5.5.1 (2025-02-08)",
    batch=Batch("servers", max=UNSTATED), repeatable=False,
)  # fmt: skip


@frozen
class Keypairs:
    """The key pairs that open the phones of servers."""

    _session: Sender

    async def update(self, keypairs: Mapping[str, str]) -> Started:
        """Let other key pairs open the phones of servers.

        Args:
            keypairs: The name of a key pair, at most 64 bytes, for each server id. No document states
                how many servers one call takes; 100 are sent at most.

        Raises:
            Refused: The service refused the whole call; no key pair was changed.
            NoAnswer: No answer came; the key pairs may be changing.

        API: CPH 5.5.1 (2025-02-08)
        """
        servers = tuple(ServerKeypair(server, keypair) for server, keypair in keypairs.items())
        return await self._session.send(UPDATE, UpdateKeypairs(servers))
