"""Refuse requests that a web page of another site sends to the emulator's own interface.

A browser lets any page send a POST to loopback, and lets a page whose name is made to resolve to loopback
(DNS rebinding) read the answers too. The first shows in the headers `Origin` and `Sec-Fetch-Site`, the second
in `Host`. Programs such as curl send neither of the first two.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]+)?")
"""A name or an address, which in IPv6 is in brackets, and perhaps a port."""


def foreign(method: str, headers: CIMultiDictProxy[str], listening: str) -> str | None:
    """Return why a request is refused; None if it comes from a program or from the emulator's own page.

    Args:
        method: The method of the request.
        headers: Its headers.
        listening: The address that the emulator listens on.
    """
    hosts = headers.getall("Host", [])
    for host in hosts:
        if not _is_own(host, listening):
            return f"the host {host!r} is not the emulator's; use its address"
    for origin in headers.getall("Origin", []):
        if origin.lower() not in {f"http://{host}".lower() for host in hosts}:
            return f"requests from pages of {origin!r} are refused"
    site = headers.get("Sec-Fetch-Site", "none").lower()
    is_link = method == "GET" and headers.get("Sec-Fetch-Mode", "").lower() == "navigate"
    if site not in ("none", "same-origin") and not is_link:
        return "requests from pages of other sites are refused"
    return None


def _is_own(host: str, listening: str) -> bool:
    """Whether a value of `Host` names the emulator, whatever the port, which may be forwarded."""
    if (match := _HOST.fullmatch(host.lower())) is None:
        return False
    name = match[1].strip("[]").rstrip(".")
    if name in ("localhost", listening.lower()) or _is_loopback(name):
        return True
    if _is_loopback(listening) or listening == "localhost":
        return False
    # Addresses and names in a private network, as containers have them. No page can have them as its site.
    return _is_address(name) or "." not in name


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ip_address(name).is_loopback


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
