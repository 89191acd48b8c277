"""Which proxy a request goes through.

Loopback is never reached through a proxy. The proxy of the argument is used for every other request; that of
the environment not for hosts that NO_PROXY names, in the forms that other programs read: `*`, a host and the
hosts below it, an address, a network in CIDR notation, each with a port or without.
"""

from __future__ import annotations

import re
from base64 import b64encode
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from attrs import field, frozen
from yarl import URL

from koophone_async.characters import ADDRESS
from koophone_async.endpoints import is_loopback
from koophone_async.errors import InvalidRequest
from koophone_async.protocol.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES: Final = {
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    "http": ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
}
"""The variables of a scheme. The first that is set counts, even if it is empty and turns the proxy off."""


@frozen
class Proxy:
    """A proxy, and the header that identifies the user to it."""

    url: URL
    """Without user and password, because aiohttp shows it in logs."""

    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, address: str, where: str = "proxy") -> Proxy:
        """Parse the address of a proxy; without a scheme it is an http one.

        Raises:
            InvalidRequest: It is not an http or https URL.
        """
        ADDRESS.check(where, address)
        try:
            url = URL(address if "://" in address else f"http://{address}")
            _ = url.origin().host  # decodes names such as xn--
        except ValueError:
            url = URL()
        if url.scheme not in ("http", "https"):
            raise InvalidRequest("", where, f"is {redact(address)!r}; it must be http://host:port")
        login = f"{url.user or ''}:{url.password or ''}".encode()
        headers = {"Proxy-Authorization": f"Basic {b64encode(login).decode()}"} if url.user else {}
        return cls(url.origin(), headers)


@frozen
class Proxies:
    """The proxies of a session."""

    always: Proxy | None = None
    """The proxy of the argument."""

    environ: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Of the environment, only the variables of proxies."""

    @classmethod
    def of(cls, proxy: str | None, environ: Mapping[str, str]) -> Proxies:
        """Return the proxy of the argument, else those of the environment.

        Raises:
            InvalidRequest: The argument is not an http or https URL.
        """
        if proxy:
            return cls(Proxy.parse(proxy))
        names = {name for variables in _VARIABLES.values() for name in variables} | {"no_proxy", "NO_PROXY"}
        if "REQUEST_METHOD" in environ:
            names.discard("HTTP_PROXY")  # in a CGI program it is the header `Proxy` of the request
        return cls(None, {name: environ[name] for name in names if name in environ})

    def proxy_for(self, url: URL) -> Proxy | None:
        """Return the proxy for a request, or None if it goes to the service directly.

        Raises:
            InvalidRequest: The variable of the environment is not an http or https URL.
        """
        if is_loopback(url.host or ""):
            return None
        if self.always is not None:
            return self.always
        variable = next((name for name in _VARIABLES.get(url.scheme, ()) if name in self.environ), None)
        if variable is None or not self.environ[variable] or self._is_excepted(url):
            return None
        return Proxy.parse(self.environ[variable], variable)

    def _is_excepted(self, url: URL) -> bool:
        patterns = self.environ.get("no_proxy", self.environ.get("NO_PROXY", ""))
        return any(_matches(pattern, url) for pattern in patterns.replace(",", " ").split())


def _matches(pattern: str, url: URL) -> bool:
    """Return whether a pattern of NO_PROXY names the host of a URL."""
    host = (url.host or "").lower().rstrip(".")
    pattern, port = _split_port(pattern.lower())
    if port is not None and port != url.port:
        return False
    if pattern == "*":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        name = pattern.removeprefix("*").lstrip(".").rstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ip_network(pattern, strict=False)
    except ValueError:
        return False


_PORT: Final = re.compile("[0-9]{1,5}")


def _split_port(pattern: str) -> tuple[str, int | None]:
    if pattern.startswith("["):  # an IPv6 address
        pattern, _, rest = pattern[1:].partition("]")
        return pattern, int(rest[1:]) if _PORT.fullmatch(rest[1:]) else None
    host, _, port = pattern.rpartition(":")
    return (host, int(port)) if _PORT.fullmatch(port) and ":" not in host and host else (pattern, None)
