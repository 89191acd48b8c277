"""Keep secrets out of texts that people read: errors, logs, tracebacks.

Two places carry secrets in this service. A link may be signed in its query (`Signature=`,
`AccessKeyId=`, `x-obs-security-token=`) or name a user before its host; and headers, bodies and
settings name a token, a password or a key before they give it.
"""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "***"
"""Stands in a text where a secret stood."""

_SIGNS: Final = (
    ":/",
    ":\\",
    "token",
    "authorization",
    "signature",
    "passw",
    "secret",
    "accesskey",
    "access_key",
    "_sk",
    "aes",
    "ticket",
)
"""One of these is in every text that the patterns below change; most texts hold none."""

_FLAGS: Final = re.IGNORECASE | re.ASCII | re.DOTALL | re.VERBOSE

# A link's scheme stays outside: a pattern that starts with letters reads a long word once a letter.
_SLASHES: Final = r":(?:\\*/){2}"  # JSON may write a slash as \/
_USER: Final = re.compile(rf"({_SLASHES}) [^\s\"'<>/?\#\\]+ @", _FLAGS)
_QUERY: Final = re.compile(rf"({_SLASHES} [^\s\"'<>?]*) (?: \? ([^\s\"'<>]*) )?", _FLAGS)
_AFTER_LINK: Final = ".,;:!)]}\\"
"""Belongs to the sentence, or to the JSON string, that holds a link when it ends one."""

_NAME: Final = r"""(?:token|authorization|signature|_sk|aes_?key|ticket
    |(?:passw(?:or)?d|secret|access_?key)[\w-]{0,40})"""
_NAMED: Final = re.compile(
    rf"""(
        (?: {_NAME} \\*["'] \s*+[:=]\s*+ [\[(]?\s*+                      # "password": "..."
          | (?:-token|authorization) ["'],\s*+                           # (b'X-Auth-Token', b'...')
          | (?P<line> (?:{_NAME}[ \t]*+: | authorization[ \t]*+=) [ \t]*+)    # X-Auth-Token: ...
          | {_NAME} [ \t]*+=[ \t]*+ )                                    # password=...
        (?: b (?=["']) )?
    )
    (?: (?P<quote> ["']) (?: \\. | (?! (?P=quote) ) [^\\] )+
      | (?P<nested> \\+["']) (?: (?! (?<!\\) (?P=nested) ) . )+          # JSON in a JSON string
      | (?! (?:null|none|true|false) \b )
        (?(line) [^\r\n"']+ | [^\s,;&"'<>(){{}}\[\]]+ ) )""",
    _FLAGS,
)


def redact(text: str) -> str:
    """Hide what may be a secret and leave every other character as it is.

    Scheme, host, port and path of a link stay. A named value ends where its quotes do; without quotes
    it ends with the line after `name:`, and with the word after `name=`.
    """
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    text = _NAMED.sub(_hide_value, text)
    text = _USER.sub(rf"\1{REDACTED}@", text)
    return _QUERY.sub(_cut_query, text)


def _hide_value(named: re.Match[str]) -> str:
    return f"{named[1]}{named['quote'] or named['nested'] or ''}{REDACTED}"


def _cut_query(link: re.Match[str]) -> str:
    place, query = link[1], link[2] or ""
    secret = query.rstrip(_AFTER_LINK)
    return f"{place}?{REDACTED}{query[len(secret) :]}" if secret else link[0]
