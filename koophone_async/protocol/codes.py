"""The meaning of each error code for the caller.

The codes are those of the documents' error tables (KooPhone 6.2 of 2025-12-31, CPH 7.2 of 2020-07-30 and 8.2
of 2025-02-08), of single operations and examples, and of the vendor's table of gateway codes. The documents
state messages and remedies; what a code proves is concluded from these.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.errors import (
    AuthenticationFailed,
    Busy,
    Forbidden,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Meaning:
    """What an error code proves, and what can be done about it."""

    error: type[Refused]

    not_executed: bool = False
    """Nothing was executed, for any id of the call."""

    retryable: bool = False
    """Nothing was executed, and the same call can succeed after a delay."""

    blames_ids: bool = False
    """Nothing was executed because of some ids; bisecting the batch isolates them and serves the others.

    Where `retryable` applies too, bisect first, so that only the busy ids are delayed.
    """

    renew: bool = False
    """The token is expired or unreadable: renew it once and retry. Nothing was executed."""


_WRONG: Final = Meaning(Refused, not_executed=True)
_WRONG_IDS: Final = Meaning(Refused, not_executed=True, blames_ids=True)
_FORBIDDEN: Final = Meaning(Forbidden, not_executed=True)
_FORBIDDEN_IDS: Final = Meaning(Forbidden, not_executed=True, blames_ids=True)
_MISSING: Final = Meaning(NotFound, not_executed=True)
_MISSING_IDS: Final = Meaning(NotFound, not_executed=True, blames_ids=True)
_BUSY: Final = Meaning(Busy, not_executed=True, retryable=True)
_BUSY_IDS: Final = Meaning(Busy, not_executed=True, retryable=True, blames_ids=True)
# Something else must happen first (a start, a free slot, the next day): a short delay does not help.
_LATER: Final = Meaning(Busy, not_executed=True)
_LATER_IDS: Final = Meaning(Busy, not_executed=True, blames_ids=True)
_THROTTLED: Final = Meaning(Throttled, not_executed=True, retryable=True)
_SIGN_IN: Final = Meaning(AuthenticationFailed, not_executed=True)
_EXPIRED: Final = Meaning(AuthenticationFailed, not_executed=True, renew=True)
_CLOSED: Final = Meaning(Unavailable, not_executed=True)
_NOT_ACCEPTED: Final = Meaning(Unavailable, not_executed=True, retryable=True)
_OUTAGE: Final = Meaning(Unavailable)
_UNPROVEN: Final = Meaning(Refused)

_KOOPHONE: Final[Mapping[Meaning, str]] = {
    _WRONG: """0001 0002 0003 0005 1000 1005 3001 3002 3003 3006 3007 3008 5002 5004 6000 40010
        62005 62006 62015 62016""",
    _WRONG_IDS: "1002 5001",
    _FORBIDDEN: "1003 1004 2002 6002",
    _FORBIDDEN_IDS: "1001 1012 2004",
    _MISSING: "0000 0004 1323 2001",
    _MISSING_IDS: "2210 4001",
    _BUSY: "9002",
    _BUSY_IDS: "2005 2006",
    _LATER: "2003 2209",
    _LATER_IDS: "5005",
    _EXPIRED: "6001",
    _OUTAGE: "3009 4999 9001 9003 9999",
    # 62010, 62017, 62020 and 62021 occur while an app is being downloaded or installed, so other phones of
    # the call may already have it.
    _UNPROVEN: "9000 62010 62017 62019 62020 62021",
}

_CPS: Final[Mapping[Meaning, str]] = {
    # 0077, 0081 and 0095 are about the list itself, 0161, 0209 and 0359 about its length: no id is at fault.
    _WRONG: """0002 0009 0010 0014 0020 0021 0022 0023 0024 0025 0026 0027 0028 0029 0030 0031 0032 0033
        0034 0035 0036 0037 0038 0039 0040 0041 0043 0045 0046 0047 0048 0049 0051 0052 0055 0056 0057
        0058 0059 0060 0063 0064 0065 0066 0068 0069 0070 0071 0072 0073 0074 0075 0076 0077 0078 0079
        0081 0082 0083 0084 0085 0086 0087 0088 0089 0093 0095 0096 0107 0111 0112 0116 0117 0118 0119
        0125 0126 0127 0128 0129 0130 0131 0132 0133 0134 0135 0136 0138 0139 0140 0142 0143 0144 0145
        0148 0155 0157 0160 0161 0162 0163 0164 0167 0168 0169 0170 0171 0172 0173 0174 0175 0176 0190
        0192 0193 0194 0196 0197 0198 0199 0200 0205 0206 0207 0209 0210 0211 0214 0215 0217 0218 0221
        0222 0223 0224 0225 0226 0227 0228 0234 0235 0237 0238 0239 0240 0241 0242 0247 0250 0251
        0252 0253 0254 0255 0256 0257 0259 0261 0262 0265 0266 0267 0300 0301 0303 0304 0305 0306 0307
        0309 0310 0311 0312 0313 0314 0315 0316 0318 0319 0320 0321 0323 0325 0332 0347 0356 0358 0359""",
    _WRONG_IDS: """0004 0016 0080 0094 0097 0121 0122 0137 0147 0158 0219 0231 0232 0233 0245 0263 0264 0322
        0338 0354 0379 0381 1103""",
    # 0001 and 0317 are also sent for a token of the wrong scope, which bisecting would not fix.
    _FORBIDDEN: "0001 0006 0007 0008 0101 0212 0317",
    _FORBIDDEN_IDS: "0053 0195 0380 1028",
    _MISSING: "0017 0019 0067 0100 0104 0113 0115 0166 0201 0203 0229 0236 0243 0246 0302 0327",
    _MISSING_IDS: "0005 0011 0015 0018 0044 0050 0123 0156 0159 1104",
    # The system was too busy to accept the call, and the stated remedy is to retry.
    _BUSY: "0042",
    _BUSY_IDS: "0099 0124 0213 0349 1027 1102",
    _LATER: "0202 0204 0220 0230 0326 0348",
    _LATER_IDS: "0098 0105 0141 0165 0208 0216 0350",
    # Under maintenance: no call is served.
    _CLOSED: "0258",
    _OUTAGE: "0003 0054 0061",
    # 0191 means a wrong subnet, but also a synchronous command that was executed and failed (CPH 5.7.5).
    # 1105 is sent for a restart that was already accepted.
    _UNPROVEN: """0062 0090 0091 0092 0102 0103 0106 0108 0109 0110 0114 0191 0244 0248 0249 0260 0324 0337
        0339 0346 0351 0352 0353 0355 0357 1040 1105""",
}

_GATEWAY: Final[Mapping[Meaning, str]] = {
    # 0303, 0305 and 0311 concern other authentication schemes, so that a new token does not help.
    _SIGN_IN: "0303 0305 0311",
    _EXPIRED: "0301 0307",
    _THROTTLED: "0308",
    # The gateway has no route to the service, which therefore never received the call.
    _CLOSED: "0103 0104 0105 0605 0606 0608 0609 0611 0612 0705",
    # IAM is down, which the gateway asks before it forwards a call.
    _NOT_ACCEPTED: "0613",
}

_CODES: Final[Mapping[str, Meaning]] = {
    f"{service}.{number}": meaning
    for service, table in {
        "KOOPHONE.API": _KOOPHONE,
        "CPS": _CPS,
        "APIG": _GATEWAY,
        "AS": {_WRONG: "0001"},
    }.items()
    for meaning, numbers in table.items()
    for number in numbers.split()
}

_AMBIGUOUS: Final[Mapping[tuple[str, int], Meaning]] = {("KOOPHONE.API.6002", 500): _EXPIRED}
"""6002 is "No permission." with 403 and "Token parsing failed." with 500 (KooPhone 6.2)."""

_STATUSES: Final[Mapping[int, Meaning]] = {
    401: _EXPIRED,
    403: _FORBIDDEN,
    404: _MISSING,
    405: _WRONG,
    411: _WRONG,
    413: _WRONG,
    414: _WRONG,
    415: _WRONG,
    429: _THROTTLED,
    502: _OUTAGE,
    503: _OUTAGE,
    504: _OUTAGE,
}
"""400 is missing on purpose: CPH also uses it for failures of its own, such as CPS.0054."""

_CALLERS_FAULT: Final = {*range(400, 500)} - {HTTPStatus.REQUEST_TIMEOUT}

_SPELLING: Final = re.compile(r"([A-Z][A-Z.]*?)\.?([0-9]{1,9})")
_PREFIXES: Final = {"KP.API": "KOOPHONE.API", "KPAPI": "KOOPHONE.API", "APIGW": "APIG"}


def normalise(code: str) -> str:
    """Return the canonical spelling of a code, such as `CPS.0005` for `CPS0005`.

    The documents vary case, dots and prefix, and the gateway uses APIG and APIGW. Anything that is not a
    prefix and a number is returned in upper case, otherwise unchanged.
    """
    code = code.strip().upper()
    parts = _SPELLING.fullmatch(code)
    if parts is None:
        return code
    prefix, number = parts.groups()
    return f"{_PREFIXES.get(prefix, prefix)}.{int(number):04}"


def meaning(code: str | None, status: int) -> Meaning:
    """Return the meaning of an error with this code and HTTP status.

    429 means throttled whatever the code. A code that no document lists is judged by the status, and is
    not a reason to retry.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _THROTTLED
    name = normalise(code or "")
    listed = _AMBIGUOUS.get((name, status)) or _CODES.get(name)
    return listed or _by_status(status, from_gateway=name.startswith("APIG."))


def _by_status(status: int, *, from_gateway: bool) -> Meaning:
    """Judge by the status alone. A call that the gateway rejects with 4xx never reached the service."""
    if status in _STATUSES:
        return _STATUSES[status]
    return _WRONG if from_gateway and status in _CALLERS_FAULT else _UNPROVEN
