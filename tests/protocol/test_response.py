"""What an error says of an answer that is not from the service."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import KooPhoneError, Refused, UnreadableAnswer
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.koophone.commands import RUN
from koophone_async.wire import Edition

PAGE: Final = b"<html><title>Sign in</title>\r\n"


def error_of(status: int, body: bytes = b"", **headers: str) -> KooPhoneError:
    """Return the error for a response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(KooPhoneError) as caught:
        read(RUN, RawResponse(status, named, body), Edition.CHINA, None)
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location, place",
    [
        ("https://login.example/sso?token=hunter2&to=x", "https://login.example/sso"),
        ("https://ann:hunter2@login.example/#hunter2", "https://login.example/"),
        ("//login.example/a?hunter2", "//login.example/a"),
        ("/login?secret=hunter2", "/login"),
        ("", "nowhere"),
        ("http://[::1", "nowhere"),
        ("https://host:99999/hunter2", "nowhere"),
    ],
)
def test_a_redirect_names_the_place_without_user_and_query(status: int, location: str, place: str) -> None:
    error = error_of(status, PAGE, Location=location, Content_Type="text/html; charset=utf-8")

    assert isinstance(error, Refused)
    assert f"redirected to {place}, the answer is text/html: <html><title>Sign in</title>" in str(error)
    assert f"HTTP {status}" in str(error)
    assert "hunter2" not in f"{error} {error!r}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 418, 502, 503])
@pytest.mark.parametrize(
    "body, kind, words",
    [
        (PAGE, "text/html", "the answer is text/html: <html><title>Sign in</title>"),
        (b"no healthy upstream", "text/plain", "the answer is text/plain: no healthy upstream"),
        (b"", "text/html", "the answer is empty"),
        (b"<a>password=hunter2</a>", "application/xml", "the answer is application/xml: <a>password=***</a>"),
        (b"no healthy upstream", "", "no healthy upstream"),
    ],
)
def test_a_failure_without_a_code_says_what_the_answer_was(
    status: int, body: bytes, kind: str, words: str
) -> None:
    text = str(error_of(status, body, Content_Type=kind))

    assert words in text
    assert f"HTTP {status}" in text


@pytest.mark.parametrize(
    "body, kind, words",
    [
        (PAGE, "text/html", "it is not JSON, the answer is text/html"),
        (b"hunter2", "text/plain", "the answer is text/plain"),
        (b"", "application/json", "the answer is empty"),
    ],
)
def test_a_success_that_is_no_json_says_what_the_answer_was(body: bytes, kind: str, words: str) -> None:
    error = error_of(200, body, Content_Type=kind)

    assert isinstance(error, UnreadableAnswer)
    assert words in str(error)
    assert "hunter2" not in str(error)


def test_an_answer_of_the_service_is_not_described() -> None:
    body = b'{"error_code":"KOOPHONE.API.1001","error_msg":"no such instance"}'
    text = str(error_of(404, body, Content_Type="text/plain"))

    assert text == "koophone.commands.run: KOOPHONE.API.1001: no such instance (HTTP 404)"


@given(status=st.integers(300, 599), location=st.text(), kind=st.text(), body=st.binary())
def test_any_answer_is_an_error_of_one_line_and_little_text(
    status: int, location: str, kind: str, body: bytes
) -> None:
    text = str(error_of(status, body, Location=location, Content_Type=kind))

    assert len(text) < 1_000
