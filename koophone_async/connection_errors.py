"""Why there is no connection or no answer: aiohttp's own texts lose the cause, or quote an answer."""

from __future__ import annotations

import os
import ssl

import aiohttp

from koophone_async.protocol.redaction import redact


class LeaseEndedError(aiohttp.ClientConnectionResetError):
    """The lease of a shared quota ended before the request was written."""

    def __init__(self) -> None:
        super().__init__("the lease of its shared quota ended before it could be written")


def reason_of(error: Exception, *, no_tunnel: bool = False) -> str:
    """Return the reason for a failed exchange, without anything that was received.

    Args:
        error: What aiohttp raised.
        no_tunnel: Whether it failed before a proxy had opened the tunnel, or before TLS was set up in it.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            reason = f"the proxy answered {error.status}"
        case aiohttp.ClientConnectorError() if is_handshake(error.os_error):
            where = ", in the tunnel that the proxy opened" if no_tunnel else ""
            reason = f"{error.host}:{error.port}: {_handshake(error.os_error)}{where}"
        case aiohttp.ClientConnectorCertificateError():
            problem = _certificate_problem(error)
            reason = f"{error.host}:{error.port}: its certificate is not trusted: {problem}"
        case aiohttp.ClientConnectorError():
            reason = f"{error.host}:{error.port}: {_cause(error.os_error)}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() if no_tunnel:
            reason = f"the proxy closed the connection instead of opening a tunnel ({_text(error)})"
        case aiohttp.ClientOSError(__cause__=LeaseEndedError() as cause):  # while aiohttp wrote a body
            reason = str(cause)
        case _ if "content-encoding" in str(error):  # aiohttp's ContentEncodingError, in either wrapper
            reason = "the body of the answer is not in the encoding that its header names"
        case aiohttp.ClientResponseError():  # its text would quote the answer
            reason = "the proxy does not speak HTTP" if no_tunnel else "the answer is not HTTP"
        case _:
            reason = _text(error)
    return reason


def _text(error: Exception) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        return "the connection was closed within the head of the answer"  # which its text would quote
    if isinstance(error, OSError) and error.errno:
        return _cause(error)
    return redact(str(error)) or type(error).__name__


def _cause(error: OSError) -> str:
    """Return the system's words, such as `connection refused`; asyncio replaces them by the address."""
    number = error.errno or 0  # those of getaddrinfo are negative
    text = os.strerror(number) if number > 0 else error.strerror or redact(str(error)) or type(error).__name__
    return f"{text[:1].lower()}{text[1:]}"


def _certificate_problem(error: aiohttp.ClientConnectorCertificateError) -> str:
    problem = error.certificate_error
    return getattr(problem, "verify_message", "") or str(problem)


def is_handshake(error: OSError) -> bool:
    """Whether TLS could not be set up: asyncio reports a closed connection then without a text."""
    is_cut = isinstance(error, ConnectionError) and error.strerror is None
    return is_cut or (isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLCertVerificationError))


def _handshake(error: OSError) -> str:
    """Return why TLS could not be set up. OpenSSL's name of the cause is what people search for."""
    if not isinstance(error, ssl.SSLError):
        return "the connection was closed during the TLS handshake"
    name = error.reason or type(error).__name__
    if name in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE"):
        return f"what answers there does not speak TLS ({name})"
    if "PROTOCOL" in name or "VERSION" in name:
        return f"no common version of TLS ({name})"
    return f"the TLS handshake failed ({name})"
