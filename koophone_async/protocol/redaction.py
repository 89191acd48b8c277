"""Redact secrets in texts that people read: errors, logs, tracebacks.

Secrets of these services appear in two forms. A link may be signed in its query (`Signature=`,
`AccessKeyId=`, `x-obs-security-token=`), or have user and password before its host. And in headers, bodies
and settings a token, password or key follows its name.
"""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "***"
"""Replaces a secret."""

_TRIGGERS: Final = (
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
"""Every text that the patterns below change contains one of these; most texts contain none."""

# The patterns are compiled when a text first contains a trigger: that takes longer than all else here.
_FLAGS: Final = re.IGNORECASE | re.ASCII | re.DOTALL | re.VERBOSE

# The scheme of a link is not matched: a pattern that begins with letters would scan a long word from each
# letter.
_SLASHES: Final = r":(?:\\*/){2}"  # JSON may write a slash as \/
_USER: Final = rf"({_SLASHES}) [^\s\"'<>/?\#\\]+ @"
_QUERY: Final = rf"({_SLASHES} [^\s\"'<>?]*) (?: \? ([^\s\"'<>]*) )?"
_AFTER_LINK: Final = ".,;:!)]}\\"
"""Characters that, after a link, belong to the sentence or JSON string around it."""

_NAME: Final = r"""(?:token|authorization|signature|_sk|aes_?key|ticket
    |(?:passw(?:or)?d|secret|access_?key)[\w-]{0,40})"""
_NAMED: Final = rf"""(
        (?: {_NAME} \\*["'] \s*+[:=]\s*+ [\[(]?\s*+                      # "password": "..."
          | (?:-token|authorization) ["'],\s*+                           # (b'X-Auth-Token', b'...')
          | (?P<line> (?:{_NAME}[ \t]*+: | authorization[ \t]*+=) [ \t]*+)    # X-Auth-Token: ...
          | {_NAME} [ \t]*+=[ \t]*+ )                                    # password=...
        (?: b (?=["']) )?
    )
    (?: (?P<quote> ["']) (?: \\. | (?! (?P=quote) ) [^\\] )+
      | (?P<nested> \\+["']) (?: (?! (?<!\\) (?P=nested) ) . )+          # JSON in a JSON string
      | (?! (?:null|none|true|false) \b )
        (?(line) [^\r\n"']+ | [^\s,;&"'<>(){{}}\[\]]+ ) )"""


def redact(text: str) -> str:
    """Return the text with everything that may be a secret replaced, and nothing else changed.

    Scheme, host, port and path of a link are kept. A named value ends with its quotes; without quotes it ends
    with the line after `name:`, and with the word after `name=`.
    """
    lowered = text.lower()
    if not any(trigger in lowered for trigger in _TRIGGERS):
        return text
    text = re.sub(_NAMED, _hide_value, text, flags=_FLAGS)
    text = re.sub(_USER, rf"\1{REDACTED}@", text, flags=_FLAGS)
    return re.sub(_QUERY, _cut_query, text, flags=_FLAGS)


def _hide_value(named: re.Match[str]) -> str:
    return f"{named[1]}{named['quote'] or named['nested'] or ''}{REDACTED}"


def _cut_query(link: re.Match[str]) -> str:
    place, query = link[1], link[2] or ""
    secret = query.rstrip(_AFTER_LINK)
    return f"{place}?{REDACTED}{query[len(secret) :]}" if secret else link[0]
