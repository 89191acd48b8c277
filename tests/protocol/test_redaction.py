"""No secret survives in a text that people read, and nothing else is touched."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.protocol.redaction import REDACTED, redact

if TYPE_CHECKING:
    from collections.abc import Callable

LINK = "https://bucket.obs.cn-north-7.example.com:443/apps/a.apk"
NAMES = [
    "X-Auth-Token",
    "x-subject-token",
    "Authorization",
    "X-Security-Token",
    "device_token",
    "deviceToken",
    "security_token",
    "password",
    "secret",
    "secretKey",
    "secret_access_key",
    "aes_key",
    "ticket",
]

token_letters = st.text(string.ascii_letters + string.digits + "+/=-_.", min_size=12, max_size=60).map(
    lambda body: f"s{body}s"  # a full stop at the end would belong to the sentence
)
anything = st.text(st.one_of(st.characters(), st.sampled_from("\"'\\:/?@=&{}[]()<>,; \r\n")), min_size=1)
names = st.sampled_from(NAMES)

IN_LINKS = [
    f"got {LINK}?AccessKeyId=A&Expires=1&Signature={{}} with 403",
    f'{{{{"url": "{LINK}?Signature={{}}", "size": 1}}}}',
    f"<{LINK}?x-obs-security-token={{}}>",
    f"({LINK}?{{}}), then",
    "connect to http://user:{}@proxy.example.com:8080/ failed",
    f"{LINK.replace('/', chr(92) + '/')}?Signature={{}}",
    "GET /apps/a.apk?Signature={} HTTP/1.1",
    "GET /apps/a.apk?AccessKeyId={}&Expires=1 HTTP/1.1",
]
HEADERS = "GET / HTTP/1.1\r\n{name}: {secret}\r\nHost: example.com\r\n\r\n"
WRITTEN: dict[str, Callable[[str, str], str]] = {
    "headers": lambda name, secret: HEADERS.format(name=name, secret=secret),
    "curl": lambda name, secret: f"curl -H '{name}: {secret}' -X GET",
    "form": lambda name, secret: f"grant=1&{name}={secret.replace('=', '')}",
    "settings": lambda name, secret: f"{name} = {secret}\nregion = cn-north-4",
    "pairs": lambda _, secret: f"((b'X-Auth-Token', b'{secret}'), (b'Host', b'example.com'))",
}
ENCODED: dict[str, Callable[[dict[str, object]], str]] = {
    "json": json.dumps,
    "readable json": lambda body: json.dumps(body, indent=2, ensure_ascii=False),
    "repr": repr,
    "nested json": lambda body: json.dumps({"body": json.dumps(body)}),
    "twice nested json": lambda body: json.dumps([json.dumps({"body": json.dumps(body)})]),
}


@pytest.mark.parametrize("place", IN_LINKS)
@given(secret=token_letters)
def test_a_secret_in_a_link_is_redacted_alone(place: str, secret: str) -> None:
    cut = redact(place.format(quote(secret, safe="")))

    assert cut == redact(place.format("another"))
    assert REDACTED in cut
    assert place.split("{}")[1].partition("&")[2] in cut


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@given(name=names, secret=token_letters)
def test_a_named_secret_is_redacted_alone(written: Callable[[str, str], str], name: str, secret: str) -> None:
    assert redact(written(name, secret)) == written(name, REDACTED)


@pytest.mark.parametrize("encode", ENCODED.values(), ids=ENCODED)
@given(name=names, secret=token_letters)
def test_a_secret_in_a_body_is_redacted_alone(
    encode: Callable[[dict[str, object]], str], name: str, secret: str
) -> None:
    around = {"job_id": 'say "yes"', "count": 3}

    assert redact(encode({name: secret, **around})) == encode({name: REDACTED, **around})


@pytest.mark.parametrize("encode", ENCODED.values(), ids=ENCODED)
@given(name=names, secret=anything)
def test_no_part_of_a_secret_is_left(
    encode: Callable[[dict[str, object]], str], name: str, secret: str
) -> None:
    hidden = encode({name: REDACTED}).replace("'", '"')  # repr chooses its quotes by the value

    assert hidden.startswith(redact(encode({name: secret})).replace("'", '"'))


@given(name=names, secret=anything)
def test_redacted_json_is_still_json(name: str, secret: str) -> None:
    body = {"first": 1, name: secret, "last": [None, "x"]}

    assert json.loads(redact(json.dumps(body))) == {**body, name: REDACTED}


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(st.text(string.ascii_letters + " /\"'{}[]()&?,.;#@=%\n\\").filter(lambda text: redact(text) == text))
def test_a_secret_is_redacted_in_any_context(harmless: str) -> None:
    assert redact(f"{harmless} X-Auth-Token: abcdef") == f"{harmless} X-Auth-Token: {REDACTED}"


@given(st.text(st.characters(exclude_characters=":=,")))
def test_a_text_without_link_or_name_is_unchanged(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KOOPHONE.API.1001: no instance permission (HTTP 401, request 5f7c)",
        "policy user over ratelimit,limit:6,time:1 minute",
        "Incorrect IAM authentication information: x-auth-token not found",
        "missing fields 'token', 'password'",
        f"downloaded {LINK}, see https://example.com/docs#secret",
        "why https://example.com/?",
        "mail ops@example.com: 12:30?",
        '{"device_token": null, "secret": "", "password": {"user": "x"}}',
        "Answer(token=None, password='')",
        "X-Auth-Token:\nHost: example.com",
        "X-Auth-Token: None",
    ],
)
def test_a_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text, hidden",
    [
        (f"(see {LINK}?Signature=ab%3D).", f"(see {LINK}?***)."),
        (rf'{{"text": "\"{LINK}?a=b\""}}', rf'{{"text": "\"{LINK}?***\""}}'),
        ("https://u:p@host/a?b=c", "https://***@host/a?***"),
        ("{'X-Auth-Token': ['abc', ], 'Host': ['h']}", "{'X-Auth-Token': ['***', ], 'Host': ['h']}"),
        ('{"secret": 123, "count": 4}', '{"secret": ***, "count": 4}'),
    ],
)
def test_the_text_around_a_secret_is_kept(text: str, hidden: str) -> None:
    assert redact(text) == hidden


def test_an_unclosed_quote_is_redacted_to_the_end() -> None:
    assert redact('{"password": "abc", "b": 1') == '{"password": "***", "b": 1'
    assert redact('{"password": "abc, "') == '{"password": "***"'
    assert redact('{"password": "abc') == '{"password": "***'


def test_an_authorization_header_is_redacted_entirely() -> None:
    header = "Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=0f0f"

    assert redact(f"{header}\nHost: h") == f"Authorization: {REDACTED}\nHost: h"
