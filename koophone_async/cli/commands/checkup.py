"""What `koophone doctor` checks: each check has a result, and what to do if it is not good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

import aiohttp
from attrs import define, frozen
from yarl import URL

from koophone_async.cli.errors import NoCredentials, advice_on
from koophone_async.cli.settings import Account, Settings, describe
from koophone_async.clock import TOLERANCE
from koophone_async.clock import describe as describe_clock
from koophone_async.connection_errors import is_handshake, reason_of
from koophone_async.endpoints import VARIABLES, is_loopback
from koophone_async.errors import AuthenticationFailed, InvalidRequest, KooPhoneError, Throttled
from koophone_async.proxies import Proxies, Proxy
from koophone_async.retry import Retries
from koophone_async.services.cph.client import CloudPhone
from koophone_async.services.cph.servers import ServerQuery
from koophone_async.services.iam import Iam
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.instances import InstanceQuery
from koophone_async.session import Session, Timeouts

_SECONDS: Final = 5.0
"""How long each check may take."""


class Verdict(StrEnum):
    """Result of a check."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not needed, or not possible before something else is mended."""


@frozen
class Check:
    """A check that was made."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""

    @classmethod
    def failed(cls, check: str, found: object, advice: str) -> Check:
        """Return a check that failed, and what to do."""
        return cls(check, Verdict.FAILED, str(found), advice)


async def examine(settings: Settings, now: Callable[[], datetime]) -> AsyncIterator[Check]:
    """Yield the checks of the settings, the network, the clock and the account, as they are made."""
    account, checks = await _account(settings)
    for check in checks:
        yield check
    environ = account.environ if account else settings.environ
    try:
        session = Session(
            account.chain if account else None,
            environ=environ,
            timeouts=Timeouts(connect=_SECONDS, read=_SECONDS, total=2 * _SECONDS),
            retries=Retries(attempts=1),
            max_quota_wait=0,
            now=now,
        )
        proxies = Proxies.of(None, environ)
    except InvalidRequest as error:
        yield Check.failed("settings", error, f"Correct {error.field}.")
        return
    async with session:
        yield _region(session, settings)
        examination = Examination(session, proxies, account, now)
        for service in VARIABLES:
            async for check in examination.checks(service):
                yield check


async def _account(settings: Settings) -> tuple[Account | None, list[Check]]:
    try:
        account = await settings.account()
    except NoCredentials as error:
        advice = (
            "Set the variables or write the file. `koophone demo` and `koophone emulator` need no account."
        )
        return None, [Check.failed("credentials", f"{error.field}: {error.problem}", advice)]
    found = f"{describe(account.credentials)} from {account.source}"
    checks = [Check("credentials", Verdict.OK, found)]
    if account.conflict:
        checks.append(Check.failed("conflict", account.conflict, "Unset the variable that is not meant."))
    return account, checks


def _region(session: Session, settings: Settings) -> Check:
    if session.region:
        return Check("region", Verdict.OK, session.region)
    if all(settings.environ.get(VARIABLES[service]) for service in ("cph", "iam")):
        return Check("region", Verdict.SKIPPED, "not set; the endpoints of CPH and IAM are")
    return Check("region", Verdict.SKIPPED, "not set; CPH needs one", "For CPH, set KOOPHONE_REGION.")


@define
class Examination:
    """The checks of the services."""

    session: Session
    proxies: Proxies
    account: Account | None
    now: Callable[[], datetime]
    is_refused: bool = False
    """Whether a service refused the credentials: the vendor locks a key after five refusals."""

    async def checks(self, service: str) -> AsyncIterator[Check]:
        """Yield the checks of a service, up to the first that makes the rest impossible."""
        try:
            url = self.session.origin(service)
            proxy = self.proxies.proxy_for(url)
        except InvalidRequest as error:
            yield self._without_endpoint(service, error)
            return
        yield Check(f"endpoint {service}", Verdict.OK, str(url))
        if proxy:
            yield Check(f"proxy {service}", Verdict.OK, str(proxy.url))
        elif not is_loopback(url.host or ""):
            check = await _resolve(service, url)
            yield check
            if check.verdict is Verdict.FAILED:
                return
        name = f"{'tls' if url.scheme == 'https' else 'connection'} {service}"
        try:
            date = await _date(url, proxy)
        except (aiohttp.ClientError, OSError) as error:
            yield Check.failed(name, *_explained(error, url))
            return
        yield Check(name, Verdict.OK, f"{url.host} answers")
        yield self._clock(service, date)
        yield await self._permission(service)

    def _without_endpoint(self, service: str, error: InvalidRequest) -> Check:
        # Who uses KooPhone alone has no region, which the hosts of the others contain.
        is_needed = service == "koophone" or self.session.region is not None
        verdict = Verdict.FAILED if is_needed else Verdict.SKIPPED
        return Check(
            f"endpoint {service}", verdict, f"{error.field} {error.problem}", f"Set {VARIABLES[service]}."
        )

    def _clock(self, service: str, date: str) -> Check:
        name = f"clock {service}"
        try:
            ahead = self.now() - parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            return Check(name, Verdict.SKIPPED, f"the service sends no valid time: {date!r}")
        if abs(ahead) <= TOLERANCE:
            return Check(name, Verdict.OK, f"differs by {abs(ahead) // timedelta(seconds=1)} s")
        found = f"{describe_clock(ahead.total_seconds())} that of the service"
        return Check.failed(name, found, "Set the clock of this machine, such as with NTP.")

    async def _permission(self, service: str) -> Check:
        name = f"permissions {service}"
        if self.account is None or self.is_refused:
            reason = "the credentials were refused" if self.is_refused else "needs credentials"
            return Check(name, Verdict.SKIPPED, reason)
        operation, read = _READS[service]
        try:
            await read(self.session)
        except Throttled as error:
            advice = "Wait a minute, and lower the rate of other programs of this account."
            return Check.failed(f"quota {service}", error, advice)
        except KooPhoneError as error:
            self.is_refused = isinstance(error, AuthenticationFailed)
            return Check.failed(name, error, advice_on(type(error)) or "Correct the setting that it names.")
        return Check(name, Verdict.OK, f"{operation} is allowed, and within the quota")


async def _resolve(service: str, url: URL) -> Check:
    name = f"dns {service}"
    try:
        async with asyncio.timeout(_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port)
    except OSError as error:
        advice = "Check the endpoint, and the DNS of this machine."
        return Check.failed(name, f"{url.host}: {error.strerror or 'no answer'}", advice)
    return Check(name, Verdict.OK, f"{url.host} is {found[0][4][0]}")


async def _first(items: AsyncIterator[object]) -> None:
    async for _ in items:
        return


_READS: Final[Mapping[str, tuple[str, Callable[[Session], Any]]]] = {
    "koophone": (
        "koophone.instances.list",
        lambda session: _first(KooPhone(session).instances.list(InstanceQuery(size=1))),
    ),
    "cph": (
        "cph.servers.list",
        lambda session: _first(CloudPhone(session).servers.list(ServerQuery(limit=1))),
    ),
    "iam": ("iam.projects.list", lambda session: Iam(session).projects.list(session.region)),
}
"""A read of each service that costs nothing."""


async def _date(url: URL, proxy: Proxy | None) -> str:
    """Return the `Date` of an answer of the service to a request without credentials."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    options: dict[str, Any] = {"proxy": proxy.url, "proxy_headers": proxy.headers} if proxy else {}
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(url, allow_redirects=False, **options) as answer,
    ):
        return answer.headers.get("Date", "")


def _explained(error: Exception, url: URL) -> tuple[str, str]:
    """Return why there is no connection, and what to do."""
    where = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "the proxy cannot be reached", "Check HTTPS_PROXY, or set NO_PROXY for this host."
        case aiohttp.ClientHttpProxyError():
            advice = "Check the user of the proxy, and that it allows this host."
            return f"the proxy refuses {where} (HTTP {error.status})", advice
        case aiohttp.ClientConnectorCertificateError():
            advice = "Check the endpoint. If a proxy reads TLS, set SSL_CERT_FILE to its certificate."
            return f"the certificate of {where} is not trusted: {error.certificate_error}", advice
        case aiohttp.ClientConnectorError() if is_handshake(error.os_error):
            return reason_of(error), "Check scheme and port of the endpoint, and the proxy."
        case TimeoutError():
            return f"no answer of {where} in {_SECONDS:g} s", "Check firewall and proxy."
        case _:
            reason = getattr(error, "strerror", None) or type(error).__name__
            return f"no connection with {where}: {reason}", "Check host, port and firewall."
