"""Networks that fail before anything is sent: unknown host, closed port, full backlog, bad certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import define, field
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOBODY = "127.0.0.9"
"""A loopback address where nobody listens."""

HOST: Final = "koophone.test"
"""A host that only a proxy or a scripted resolver finds."""


def _queue(addresses: Iterable[str | None]) -> deque[str | None]:
    return deque(addresses)


@define(eq=False)
class ScriptedResolver(AbstractResolver):
    """Resolves to each scripted address once, and then to loopback; None is a name not found."""

    addresses: deque[str | None] = field(converter=_queue, factory=deque["str | None"])
    lookups: int = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.lookups += 1
        address = self.addresses.popleft() if self.addresses else "127.0.0.1"
        if address is None:
            raise OSError(None, "Name or service not known")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        pass

    def session(self, trust: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=self, use_dns_cache=False, ssl=trust or ssl.create_default_context()
        )
        return aiohttp.ClientSession(connector=connector)


@define(eq=False)
class FullBacklog:
    """A listener whose backlog is full, so that a new connection never opens."""

    host: str
    port: int
    _sockets: list[socket.socket] = field(factory=list[socket.socket], init=False)

    async def __aenter__(self) -> Self:
        listener = socket.create_server((self.host, self.port), backlog=0)
        self._sockets.append(listener)
        for _ in range(3):
            waiting = socket.socket()
            waiting.settimeout(0)
            waiting.connect_ex((self.host, self.port))
            self._sockets.append(waiting)
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()


@define
class Certificate:
    """A self-signed certificate of `localhost` and `HOST`, as a server shows it and as a client trusts it."""

    server: ssl.SSLContext
    trust: ssl.SSLContext

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        names = [x509.DNSName("localhost"), x509.DNSName(HOST), x509.IPAddress(ip_address("127.0.0.1"))]
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = folder / "localhost.pem"
        encoded = certificate.public_bytes(serialization.Encoding.PEM)
        pem.write_bytes(
            encoded
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pem)
        return cls(server, ssl.create_default_context(cadata=encoded.decode()))
