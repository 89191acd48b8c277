"""Endpoints: the addresses of the services, by edition and region."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from attrs import asdict, frozen
from yarl import URL

from koophone_async.characters import ADDRESS, REGION
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.protocol.redaction import redact
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARED_ENDPOINTS: Final = {"gaming": "cph"}
"""Services that are served by the endpoint of another."""

VARIABLES: Final = {
    "koophone": "KOOPHONE_ENDPOINT",
    "cph": "KOOPHONE_CPH_ENDPOINT",
    "iam": "HUAWEICLOUD_SDK_IAM_ENDPOINT",
}
"""The environment variables of the endpoints."""

ALLOW_HTTP: Final = "KOOPHONE_ALLOW_HTTP"
"""The variable with hosts that may be reached by plain http, separated by commas."""

_is_host: Final = re.compile(r"[A-Za-z0-9._:-]+").fullmatch


@frozen
class Endpoints:
    """The addresses of the services. None stands for the published address, by region and edition."""

    koophone: str | None = None
    cph: str | None = None
    iam: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Endpoints:
        """Read KOOPHONE_ENDPOINT, KOOPHONE_CPH_ENDPOINT and HUAWEICLOUD_SDK_IAM_ENDPOINT."""
        return cls(**{service: environ.get(variable) for service, variable in VARIABLES.items()})

    def origins(self, environ: Mapping[str, str] | None = None) -> dict[str, URL]:
        """Return the addresses that are set, by service.

        Args:
            environ: Where KOOPHONE_ALLOW_HTTP names other hosts that may be reached by plain http.

        Raises:
            InvalidRequest: One is not a URL, or is plain http to a host that is neither loopback nor named.
        """
        addresses = {service: address for service, address in asdict(self).items() if address}
        return {
            service: parse_origin(f"endpoints.{service} or {VARIABLES[service]}", address, environ or {})
            for service, address in addresses.items()
        }


CPH_REGIONS: Final = (
    "af-north-1", "ap-southeast-1", "ap-southeast-3", "cn-east-2", "cn-east-3", "cn-east-4", "cn-north-4",
    "cn-north-9", "cn-south-1", "cn-southwest-2", "la-north-2", "la-south-2", "ru-northwest-2",
)  # fmt: skip
"""The regions where CPH is known to be served. Any other one needs an explicit endpoint."""


def published_endpoint(service: str, edition: Edition, region: str | None) -> URL:
    """Return the published address of a service.

    Raises:
        InvalidRequest: None is published, or the region is not set or not known to have one.
    """
    if service == "koophone":
        if edition is Edition.CHINA:
            return URL("https://koophone.myhuaweicloud.com")
        raise InvalidRequest(
            "", "KOOPHONE_ENDPOINT", "is not set; the host of the international edition is not published"
        )
    if not region:
        raise InvalidRequest(
            "",
            "KOOPHONE_REGION",
            f"is not set; the host of {service} contains the region, such as cn-north-4",
        )
    REGION.check("region", region)
    if service == "cph" and region not in CPH_REGIONS:
        problem = f"is {region!r}; without an endpoint it must be one of {', '.join(CPH_REGIONS)}"
        raise InvalidRequest("", "region", problem, Rule.NOT_A_CHOICE)
    return URL(f"https://{service}.{region}.myhuaweicloud.com")


def parse_edition(value: Edition | str) -> Edition:
    """Parse the name of an edition.

    Raises:
        InvalidRequest: There is no such edition.
    """
    try:
        return Edition(value)
    except ValueError:
        raise InvalidRequest("", "edition", f"is {value!r}; it must be {' or '.join(Edition)}") from None


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Return whether a host is this machine; every request asks it of the host of its service."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def parse_origin(where: str, address: str, environ: Mapping[str, str]) -> URL:
    """Parse the address of a service.

    Args:
        where: Where the address is set, for the error.
        address: Scheme, host and port.
        environ: Where KOOPHONE_ALLOW_HTTP names other hosts that may be reached by plain http.

    Raises:
        InvalidRequest: It is not a URL, or is plain http to a host that is neither loopback nor named.
    """
    ADDRESS.check(where, address)
    named = environ.get(ALLOW_HTTP, "").lower().replace(",", " ").split()
    http_hosts = frozenset(host.strip("[]") for host in named)
    try:
        url = URL(address)
        origin = url.origin()
        host = origin.host or ""  # decodes names such as xn--
    except ValueError:
        raise InvalidRequest("", where, f"is {redact(address)!r}, which is not a URL") from None
    if not _is_host(host):
        raise InvalidRequest("", where, f"is {redact(address)!r}, whose host is not valid")
    if url.scheme != "https" and not (url.scheme == "http" and (is_loopback(host) or host in http_hosts)):
        problem = (
            f"is {redact(address)!r}; it must be https (http on loopback, and for hosts in {ALLOW_HTTP})"
        )
        raise InvalidRequest("", where, problem)
    if url.user is not None or url.password is not None:
        raise InvalidRequest("", where, "contains a user or password, which would not be used")
    if url != origin / "" or "?" in address or "#" in address:
        problem = f"is {redact(address)!r}; it must have no path, query or fragment"
        raise InvalidRequest("", where, problem)
    return origin
