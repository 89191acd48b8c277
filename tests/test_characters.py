"""Characters of everything that is signed, sent in a header, or part of an address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import aiohttp
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import AccessKey, Endpoints, Password, Session
from koophone_async.call import SendTracker
from koophone_async.credentials import Environment, ProfileFile
from koophone_async.errors import InvalidRequest, NotConnected
from koophone_async.operation import Operation
from koophone_async.protocol.signing import Algorithm, Request
from koophone_async.virtual_time import EPOCH
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

KEY: Final = AccessKey("access", "secret")
REQUEST: Final = Request("GET", "/", (), {}, None)


@frozen
class Note:
    id: str = "n"
    request_id: str = "r"


READ: Final = Operation(
    "koophone.notes.read", "GET", "/v1/notes/{id}", Note, Note, source="made up", repeatable=True
)
HIDDEN: Final = "hIdDeN"
"""Is part of every value; no error may show it."""

INVISIBLE: Final = {
    "line feed at the end": f"{HIDDEN}\n",
    "CR LF at the end": f"{HIDDEN}\r\n",
    "line feed inside": f"{HIDDEN}\n{HIDDEN}",
    "carriage return at the start": f"\r{HIDDEN}",
    "tab": f"{HIDDEN}\t",
    "NUL": f"{HIDDEN}\0",
    "escape": f"{HIDDEN}\x1b[0m",
    "delete": f"{HIDDEN}\x7f",
    "next line": f"{HIDDEN}\x85",
    "line separator": f"{HIDDEN}\u2028{HIDDEN}",
    "no-break space": f"\xa0{HIDDEN}",
    "zero-width space": f"{HIDDEN}\u200b",
    "byte order mark": f"\ufeff{HIDDEN}",
    "lone surrogate": f"{HIDDEN}\ud83d",
    "surrogate of an undecoded byte": f"{HIDDEN}\udcff",
}
SPACES: Final = {"space at the end": f"{HIDDEN} ", "space at the start": f" {HIDDEN}"}
NOT_ASCII: Final = {"latin-1": f"{HIDDEN}é", "Chinese": f"云{HIDDEN}", "emoji": f"{HIDDEN}😀"}
EMPTY: Final = {"empty": ""}
NO_HEADER: Final = {**INVISIBLE, **SPACES, **NOT_ASCII, "space inside": f"{HIDDEN} {HIDDEN}"}


def session(**options: Any) -> Session:  # noqa: ANN401 - handed on
    options.setdefault("environ", {})
    return Session(KEY, **options)


def derived(*, region: str = "r", service: str = "s") -> AccessKey:
    return AccessKey("a", "s", algorithm=Algorithm.DERIVED, region=region, service=service)


@frozen
class Sort:
    """A sort of values, and how each of its fields is set."""

    wrong: dict[str, str]
    fields: dict[str, Callable[[str], object]]
    """By name of the field, with a remark in brackets where there are several ways to set it."""


HEADERS: Final = Sort(
    NO_HEADER | {"empty": ""},
    {
        "access_key": lambda v: AccessKey(v, "s"),
        "security_token": lambda v: AccessKey("a", "s", v),
        "project_id": lambda v: AccessKey("a", "s", project_id=v),
        "domain_id": lambda v: AccessKey("a", "s", domain_id=v),
        "iam_endpoint": lambda v: AccessKey("a", "s", iam_endpoint=v),
    },
)
SCOPES: Final = Sort(
    NO_HEADER,
    {
        "region (of a key)": lambda v: derived(region=v),
        "service": lambda v: derived(service=v),
        "project_id (bound)": lambda v: session().bind(project_id=v),
        "region (bound)": lambda v: session().bind(region=v),
        "region (of a session)": lambda v: session(region=v),
        "region (of the environment)": lambda v: session(environ={"KOOPHONE_REGION": v}),
        "HUAWEICLOUD_SDK_PROJECT_ID": lambda v: session(environ={"HUAWEICLOUD_SDK_PROJECT_ID": v}),
        "endpoints.koophone or KOOPHONE_ENDPOINT": lambda v: session(
            endpoints=Endpoints(koophone=f"https://{v}")
        ),
        "endpoints.cph or KOOPHONE_CPH_ENDPOINT": lambda v: session(
            environ={"KOOPHONE_CPH_ENDPOINT": f"https://cph.example{v}"}
        ),
        "endpoints.iam or HUAWEICLOUD_SDK_IAM_ENDPOINT": lambda v: session(
            endpoints=Endpoints(iam=f"{v}https://iam.example")
        ),
        "proxy": lambda v: session(proxy=f"http://{v}:3128"),
    },
)
NAMES: Final = Sort(
    INVISIBLE | SPACES | EMPTY,
    {
        "user": lambda v: Password(v, "p", "d", "r"),
        "domain": lambda v: Password("u", "p", v, "r"),
        "project": lambda v: Password("u", "p", "d", v),
    },
)
SECRETS: Final = Sort(INVISIBLE | SPACES | EMPTY, {"secret_key": lambda v: AccessKey("a", v)})
PASSWORDS: Final = Sort(INVISIBLE | EMPTY, {"password": lambda v: Password("u", v, "d", "r")})
MAKERS: Final = HEADERS.fields | NAMES.fields | SECRETS.fields | PASSWORDS.fields
CASES: Final = [
    pytest.param(name.partition(" (")[0], make, value, id=f"{name}: {what}")
    for sort in (HEADERS, SCOPES, NAMES, SECRETS, PASSWORDS)
    for name, make in sort.fields.items()
    for what, value in sort.wrong.items()
]


@pytest.mark.parametrize("name, make, value", CASES)
def test_a_wrong_character_is_refused_and_the_value_not_shown(
    name: str, make: Callable[[str], object], value: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make(value)

    assert caught.value.field == name
    assert HIDDEN not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("value", [b"bytes", 5, ["text"]])
def test_a_value_of_another_type_is_refused(make: Callable[[Any], object], value: object) -> None:
    with pytest.raises(InvalidRequest, match="it must be a string"):
        make(value)


@given(st.text(min_size=1))
async def test_any_text_is_refused_or_arrives_as_it_is(text: str) -> None:
    try:
        keys = [AccessKey(text, "s"), AccessKey("a", text), AccessKey("a", "s", text)]
    except InvalidRequest:
        assert not re.fullmatch(r"[A-Za-z0-9+/=_-]+", text)
        return
    for key in keys:
        assert f"Access={key.access_key}," in key.signer.sign(REQUEST, "host", EPOCH)["Authorization"]


@given(st.text())
def test_any_endpoint_is_refused_or_used_as_it_is(text: str) -> None:
    address = f"https://{text}"
    try:
        url = session(endpoints=Endpoints(koophone=address)).origin("koophone")
    except InvalidRequest:
        return
    assert text == "" or str(url).removeprefix("https://") == text.lower().removesuffix("/").removesuffix(
        ":443"
    )


def test_names_and_passwords_of_any_language_are_accepted() -> None:
    password = Password("安娜", " pässword ", "华为 acme", "cn-north-4_test")

    assert password.password == " pässword "


async def test_a_wrong_variable_and_option_are_named(tmp_path: Path) -> None:
    environ = {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": "s", "HUAWEICLOUD_SDK_SECURITY_TOKEN": "t\n"}
    with pytest.raises(InvalidRequest, match=r"^HUAWEICLOUD_SDK_SECURITY_TOKEN: starts or ends"):
        await Environment(environ)()
    path = tmp_path / "credentials"
    path.write_text("[basic]\nak=a\nsk=s s\n")
    with pytest.raises(InvalidRequest, match=r"credentials \[basic\] sk: contains U\+0020 as character 2"):
        await ProfileFile(path)()


# Values of a call, and of the service.


@pytest.mark.parametrize("value", NO_HEADER.values(), ids=NO_HEADER)
async def test_a_call_with_a_wrong_project_region_or_request_id_is_not_sent(value: str) -> None:
    tracker = SendTracker()
    async with FakeServer() as server, server.session() as ours:
        sends: dict[str, Callable[[], Awaitable[object]]] = {
            "project_id": lambda: ours.send(READ, Note(), tracker=tracker, project_id=value),
            "region": lambda: ours.send(READ, Note(), tracker=tracker, region=value),
            "request_id": lambda: ours.send(READ, Note(request_id=value), tracker=tracker),
        }
        for name, send in sends.items():
            with pytest.raises(InvalidRequest) as caught:
                await send()
            assert caught.value.field == name

    assert (server.request_count, tracker.sent) == (0, False)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/v1/notes", "/v1/notes/{id}"])
async def test_a_lone_surrogate_in_a_request_names_its_field(
    method: Literal["GET", "POST"], path: str
) -> None:
    operation = Operation("koophone.notes.any", method, path, Note, Note, source="made up", repeatable=False)
    async with FakeServer() as server, server.session() as ours:
        with pytest.raises(InvalidRequest, match=r"koophone\.notes\.any: id: contains a lone surrogate"):
            await ours.send(operation, Note(id="half \ud83d"))

    assert server.request_count == 0


async def test_a_token_that_no_header_may_contain_is_not_sent() -> None:
    odd = Reply({"token": {"expires_at": "2099-01-01T00:00:00.000000Z"}}, 201, {"X-Subject-Token": "té"})
    user = Password("u", "p", "d", "r")
    async with FakeServer.handling(lambda _: odd) as server, server.session(credentials=user) as ours:
        with pytest.raises(NotConnected, match="the token contains characters that no header may"):
            await ours.send(READ, Note())

    assert {request.path for request in server.received} == {"/v3/auth/tokens"}


async def test_a_project_id_that_no_header_may_contain_is_not_sent() -> None:
    odd = Reply({"projects": [{"id": "p\n", "name": "cn-north-4"}]})
    async with FakeServer.handling(lambda _: odd) as server, server.session(region="cn-north-4") as ours:
        with pytest.raises(NotConnected, match="the id of the project contains characters"):
            await ours.project_id()


async def test_a_header_of_the_callers_trace_that_cannot_be_sent_is_an_error() -> None:
    tracker, trace = SendTracker(), aiohttp.TraceConfig()

    async def add(_: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        params.headers["X-Team"] = f"{HIDDEN}\n"

    trace.on_request_start.append(add)
    async with FakeServer() as server, aiohttp.ClientSession(trace_configs=[trace]) as http:
        ours = server.session(http=http)
        with pytest.raises(InvalidRequest, match="http: has a header that cannot be sent"):
            await ours.send(READ, Note(), tracker=tracker)

    assert (server.executions, tracker.sent) == (0, False)
