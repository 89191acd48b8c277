"""Key pairs for ADB access to the phones of a server."""

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
    """New key pair of one server."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("server_id"))
    keypair: str = field(validator=KEYPAIR, metadata=wire("keypair_name"))


@frozen
class UpdateKeypairs:
    """Request to replace the key pairs of servers."""

    servers: tuple[ServerKeypair, ...] = field(validator=Listed())


# Setting the same key twice is harmless, but a second call during the first job is refused (CPS.0098), and
# its answer does not name the running job.
UPDATE: Final = Operation(
    "cph.keypairs.update", "PUT", "/v1/{project_id}/cloud-phone/servers/open-access",
    UpdateKeypairs, Started, source="CPH 5.5.1 (2025-02-08)",
    batch=Batch("servers", max=UNSTATED), repeatable=False,
)  # fmt: skip


@frozen
class Keypairs:
    """Key pairs for ADB access to the phones of servers."""

    _session: Sender

    async def update(self, keypairs: Mapping[str, str]) -> Started:
        """Start replacing the key pairs of servers, which give ADB access to their phones.

        Args:
            keypairs: Mapping from server id to key pair name (at most 64 bytes); at most 100 servers, as no
                document states a maximum.

        Raises:
            Refused: The service refused the whole call; no key pair was changed.
            NoAnswer: No answer arrived; the key pairs may be changing.

        API: CPH 5.5.1 (2025-02-08)
        """
        servers = tuple(ServerKeypair(server, keypair) for server, keypair in keypairs.items())
        return await self._session.send(UPDATE, UpdateKeypairs(servers))
