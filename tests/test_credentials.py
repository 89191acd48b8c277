from __future__ import annotations

import asyncio
import copy
import importlib
import pickle
import socket
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import AccessKey, Endpoints, Iam, Password, Retries, Session
from koophone_async.credentials import Chain, Environment, Metadata, ProfileFile, default_chain
from koophone_async.errors import InvalidRequest, KooPhoneError, NotConnected, Unavailable, UnreadableAnswer
from koophone_async.protocol.signing import Algorithm, Request
from tests.fake_server import FakeServer, ReceivedRequest, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from pathlib import Path

SECRETS = ("AKEXAMPLE0000000TEST", "the-secret-key", "the-security-token", "the-password")
REQUEST = Request("GET", "/", (), {}, None)
NOW = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
ENVIRONMENT = {
    "HUAWEICLOUD_SDK_AK": "AKEXAMPLE0000000TEST",
    "HUAWEICLOUD_SDK_SK": "the-secret-key",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN": "the-security-token",
    "HUAWEICLOUD_SDK_PROJECT_ID": "p",
    "HUAWEICLOUD_SDK_DOMAIN_ID": "d",
    "HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://iam.example.com",
}
KEY = AccessKey(
    *SECRETS[:3], project_id="p", domain_id="d", iam_endpoint="https://iam.example.com"
)  # fmt: skip

# The vendor's packages carry no types.
vendor: Any = importlib.import_module("huaweicloudsdkcore.auth.provider")
vendor_internal: Any = importlib.import_module("huaweicloudsdkcore.auth.internal")


def facts(key: Any) -> tuple[str, str, str | None]:  # noqa: ANN401 - it has no types
    """Return the parts of the vendor's credentials."""
    return key.ak, key.sk, key.security_token


# Keys and passwords.


def test_no_text_of_credentials_shows_a_secret() -> None:
    password = Password("user", "the-password", "domain", "cn-north-4")
    texts = f"{KEY!r} {KEY} {password!r} {password} {Environment(ENVIRONMENT)!r} {default_chain(ENVIRONMENT)}"

    assert not [secret for secret in SECRETS if secret in texts]
    assert "'AKEX…'" in texts


def test_a_key_signs_with_one_signer() -> None:
    signed = KEY.signer.sign(REQUEST, "localhost", NOW)

    assert KEY.signer is KEY.signer
    assert signed["X-Security-Token"] == "the-security-token"
    assert signed["Authorization"].startswith("SDK-HMAC-SHA256 Access=AKEXAMPLE0000000TEST, ")


def through_a_pickle(key: AccessKey) -> AccessKey:
    again: AccessKey = pickle.loads(pickle.dumps(key))  # noqa: S301 - our own
    return again


@pytest.mark.parametrize("copied", [through_a_pickle, copy.copy, copy.deepcopy])
def test_a_key_that_has_signed_can_be_copied(copied: Callable[[AccessKey], AccessKey]) -> None:
    KEY.signer.sign(REQUEST, "localhost", NOW)
    again = copied(KEY)

    assert again == KEY
    assert again.signer.sign(REQUEST, "localhost", NOW) == KEY.signer.sign(REQUEST, "localhost", NOW)


def test_a_derived_key_signs_for_its_region_and_service() -> None:
    key = AccessKey("A", "S", algorithm=Algorithm.DERIVED, region="cn-north-4", service="cph")
    signed = key.signer.sign(REQUEST, "localhost", NOW)

    assert " Credential=A/20250102/cn-north-4/cph, " in signed["Authorization"]


def test_invalid_fields_of_a_key_are_refused() -> None:
    for region, service in (("", ""), ("cn-north-4", ""), ("", "cph")):
        with pytest.raises(InvalidRequest, match="needs a region and a service"):
            AccessKey("a", "s", algorithm=Algorithm.DERIVED, region=region, service=service)
    with pytest.raises(InvalidRequest, match=r"expires_at: .* must be an aware datetime"):
        AccessKey("a", "s", expires_at=NOW.replace(tzinfo=None))


def test_a_password_does_not_expire() -> None:
    assert Password("user", "the-password", "domain", "cn-north-4").expires_at is None


# The environment.


async def test_the_environment_is_read_as_the_vendor_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    assert await Environment()() == KEY
    assert facts(vendor.EnvCredentialProvider.get_basic().get_credentials()) == SECRETS[:3]


@pytest.mark.parametrize("environ", [{}, {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}])
async def test_an_empty_environment_has_no_key(environ: Mapping[str, str]) -> None:
    assert await Environment(environ)() is None


async def test_an_empty_variable_is_not_set() -> None:
    key = {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": "s"}

    assert await Environment(dict.fromkeys(ENVIRONMENT, "") | key)() == AccessKey("a", "s")


@pytest.mark.parametrize(
    "there,missing",
    [("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"), ("HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_AK")],
)
async def test_an_incomplete_key_in_the_environment_is_an_error(there: str, missing: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{missing}: is not set, though {there} is$"):
        await Environment({there: "half"})()


# The profile file.


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".huaweicloud").mkdir()
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / ".huaweicloud" / "credentials"
    path.write_text(text, encoding="utf-8")
    return path


def at(home: Path, **more: str) -> ProfileFile:
    return ProfileFile(environ={"HOME": str(home), **more})


FULL = """[basic]
ak = AKEXAMPLE0000000TEST
sk = the-secret-key
security_token = the-security-token
project_id = p
domain_id = d
iam_endpoint = https://iam.example.com
"""


async def test_the_file_is_read_as_the_vendor_reads_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, FULL)
    monkeypatch.setenv("HOME", str(home))

    assert await at(home)() == KEY
    assert facts(vendor.ProfileCredentialProvider.get_basic().get_credentials()) == SECRETS[:3]


async def test_the_home_directory_of_windows_is_used(home: Path) -> None:
    write(home, FULL)

    assert await ProfileFile(environ={"USERPROFILE": str(home)})() == KEY


async def test_the_last_of_duplicate_options_counts(home: Path) -> None:
    write(home, "[basic]\nak=old\nsk=s\n[basic]\nak=new\n")

    assert await at(home)() == AccessKey("new", "s")


async def test_a_variable_selects_another_file(home: Path) -> None:
    path = write(home, FULL)

    assert await ProfileFile(environ={"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)})() == KEY
    assert await ProfileFile(path, environ={})() == KEY


async def test_a_variable_selects_a_section(home: Path) -> None:
    path = write(home, FULL + "[other]\nak=a\nsk=s\n")

    assert await at(home, KOOPHONE_PROFILE="other")() == AccessKey("a", "s")
    assert await ProfileFile(path, "other", {})() == AccessKey("a", "s")


async def test_the_global_section_is_the_fallback(home: Path) -> None:
    write(home, "[basic]\nproject_id=p\n[global]\nak=a\nsk=s\ndomain_id=d\n")

    assert await at(home)() == AccessKey("a", "s", domain_id="d")


values = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(secret=values)
async def test_any_secret_is_read_unchanged(tmp_path_factory: pytest.TempPathFactory, secret: str) -> None:
    path = tmp_path_factory.getbasetemp() / "credentials"
    path.write_text(f"\ufeff[basic]\nAK: a%(sk)s\nnonsense\nsk={secret}\n[empty]\n", encoding="utf-8")

    assert await ProfileFile(path)() == AccessKey("a%(sk)s", secret)


async def test_without_file_or_key_there_are_no_credentials(home: Path) -> None:
    assert await at(home)() is None
    assert await ProfileFile(environ={})() is None
    write(home, "[basic]\nak=\nsk\n[other]\nak=a\nsk=s\n")
    assert await at(home)() is None


@pytest.mark.parametrize("there,missing", [("ak", "sk"), ("sk", "ak")])
async def test_an_incomplete_key_in_the_file_is_an_error(home: Path, there: str, missing: str) -> None:
    path = write(home, f"[basic]\n{there} = half\n")

    with pytest.raises(InvalidRequest) as raised:
        await at(home)()

    assert str(raised.value) == f"{path} [basic] {missing}: is not set, though {there} is"


async def test_a_missing_section_is_reported_with_those_present(home: Path) -> None:
    path = write(home, "[basic]\n[global]\n")

    with pytest.raises(InvalidRequest) as raised:
        await at(home, KOOPHONE_PROFILE="mine")()

    assert str(raised.value) == f"profile: [mine] has no key in {path}; its sections: [basic], [global]"


@pytest.mark.parametrize("name", ["HUAWEICLOUD_SDK_CREDENTIALS_FILE", "KOOPHONE_PROFILE"])
async def test_a_configured_file_must_exist(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        await ProfileFile(environ={"HOME": str(tmp_path), name: str(tmp_path / "none")})()


@pytest.mark.parametrize(
    "content,problem",
    [
        (b"the-secret-key", r"is not an INI file \(MissingSectionHeaderError\)"),
        (b"[basic]\nsk=the-secret-key\n=the-secret-key", r"is not an INI file \(ParsingError\)"),
        (b"[basic]\nsk\n  the-secret-key", r"is not an INI file \(an indented line .* without a value\)"),
        (b"the-secret-key \xff", "cannot be read: not UTF-8"),
    ],
)
async def test_an_invalid_file_is_reported_without_its_content(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "credentials"
    path.write_bytes(content)

    with pytest.raises(InvalidRequest, match=f"credentials: {problem}$") as raised:
        await ProfileFile(path)()

    assert "the-secret-key" not in str(raised.value)
    assert raised.value.__context__ is None


async def test_a_directory_is_not_a_profile_file(tmp_path: Path) -> None:
    (tmp_path / ".huaweicloud" / "credentials").mkdir(parents=True)

    for file in (ProfileFile(tmp_path), at(tmp_path)):
        with pytest.raises(InvalidRequest, match="cannot be read: Is a directory"):
            await file()


@given(
    st.lists(
        st.sampled_from(
            [
                "[basic]",
                "[",
                "]",
                "ak",
                "=",
                ":",
                "x",
                " ",
                "\t",
                "\n",
                "#",
                ";",
                "%",
                "[DEFAULT]",
                "\r",
                "\x00",
            ]
        )
    )
)
async def test_any_text_is_a_profile_file_or_an_invalid_request(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces"
    path.write_text("".join(pieces), encoding="utf-8")

    with suppress(InvalidRequest):
        assert await ProfileFile(path)() is None


# The metadata service.

ISSUED = {
    "credential": {
        "access": "AKEXAMPLE0000000TEST",
        "secret": "the-secret-key",
        "securitytoken": "the-security-token",
        "expires_at": "2025-01-03T03:04:05.678000Z",
    }
}
PUT, GET = "/meta-data/latest/api/token", "/openstack/latest/securitykey"
ELSEWHERE = {"Location": "/elsewhere"}
"""Where a redirect leads: to a key that nobody may take, and a session that nobody gave."""


@define
class MetadataService:
    """The metadata service of a virtual machine."""

    token: int = 200
    """The status of the reply to the request for a session."""

    session: bytes = b"session"
    key: int = 200
    """The status of the reply to the request for a key."""

    body: object = field(factory=lambda: ISSUED)
    server: FakeServer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = FakeServer.handling(self.handle)

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.line == f"PUT {PUT}":
            return Reply(self.session, self.token, ELSEWHERE)
        if request.line == f"GET {GET}":
            if isinstance(self.body, str):
                return Reply(self.body.encode(), self.key, ELSEWHERE)
            return Reply(self.body, self.key)
        return Reply(ISSUED)

    @property
    def seen(self) -> list[tuple[str, str, str | None]]:
        """Method, path and session header of each request."""
        names = {"PUT": "x-metadata-token-ttl-seconds", "GET": "x-metadata-token"}
        return [(one.method, one.path, one.headers.get(names[one.method])) for one in self.server.received]


@asynccontextmanager
async def served(service: MetadataService) -> AsyncGenerator[str]:
    async with service.server as server:
        yield server.url


async def test_a_temporary_key_is_fetched_with_a_metadata_token() -> None:
    service = MetadataService()
    async with served(service) as endpoint:
        key = await Metadata(endpoint)()

    ends = datetime(2025, 1, 3, 3, 4, 5, 678000, tzinfo=UTC)
    assert key == AccessKey(*SECRETS[:3], expires_at=ends)
    assert service.seen == [("PUT", PUT, "60"), ("GET", GET, "session")]


async def test_the_vendors_client_makes_the_same_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    service = MetadataService()
    async with served(service) as endpoint:
        monkeypatch.setattr(vendor_internal.MetadataAccessor, "_METADATA_ENDPOINT", endpoint)
        theirs = await asyncio.to_thread(vendor_internal.MetadataAccessor().get_credential)
        ours = await Metadata(endpoint)()

    assert ours is not None
    assert (ours.access_key, ours.secret_key) == (theirs.access, theirs.secret)
    assert ours.security_token == theirs.security_token
    assert service.seen[0][:2] == service.seen[2][:2]
    assert service.seen[1] == service.seen[3]


async def test_a_web_page_is_not_a_metadata_token() -> None:
    service = MetadataService(session=b"<html>\r\n<p>Sign in to caf\xe9", key=404)
    async with served(service) as endpoint:
        assert await Metadata(endpoint)() is None

    assert service.seen[-1] == ("GET", GET, None)


@pytest.mark.parametrize("status", [302, 404, 405, 503])
async def test_an_older_service_needs_no_metadata_token(status: int) -> None:
    service = MetadataService(token=status)
    async with served(service) as endpoint:
        assert await Metadata(endpoint)() is not None

    assert service.seen[-1] == ("GET", GET, None)


async def test_a_time_without_a_zone_is_utc() -> None:
    naive = {"credential": ISSUED["credential"] | {"expires_at": "2025-01-03T03:04:05"}}
    async with served(MetadataService(body=naive)) as endpoint:
        key = await Metadata(endpoint)()

    assert key is not None
    assert key.expires_at == datetime(2025, 1, 3, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("status", [302, 401, 404])
async def test_a_server_without_an_agency_has_no_key(status: int) -> None:
    async with served(
        MetadataService(key=status, body="Please configure Cloud Service Agency first")
    ) as endpoint:
        assert await Metadata(endpoint)() is None


async def test_a_machine_without_the_service_has_no_key(unused_tcp_port: int) -> None:
    assert await Metadata(f"http://127.0.0.1:{unused_tcp_port}")() is None


async def test_a_silent_metadata_service_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert await Metadata(f"http://127.0.0.1:{port}", timeout=0.01)() is None


async def test_a_long_answer_of_the_metadata_service_is_not_read_on() -> None:
    async with served(MetadataService(body="x" * 2_000_000)) as endpoint:
        with pytest.raises(UnreadableAnswer) as caught:
            await Metadata(endpoint)()

    assert len(caught.value.answer) == 2**16


async def test_a_failing_metadata_service_is_an_error() -> None:
    async with served(MetadataService(key=500)) as endpoint:
        with pytest.raises(Unavailable):
            await Metadata(endpoint)()


@pytest.mark.parametrize("body", ["the-secret-key", {}, {"credential": {"access": "the-secret-key"}}])
async def test_an_invalid_key_is_unreadable_and_not_shown(body: object) -> None:
    async with served(MetadataService(body=body)) as endpoint:
        with pytest.raises(UnreadableAnswer) as raised:
            await Metadata(endpoint)()

    assert "the-secret-key" not in f"{raised.value} {raised.value!r}"


# The chain.


async def test_the_first_provider_with_credentials_wins(home: Path) -> None:
    write(home, "[basic]\nak=from-the-file\nsk=s\n")

    found = await default_chain({"HOME": str(home)})()
    assert isinstance(found, AccessKey)
    assert found.access_key == "from-the-file"
    assert await default_chain({"HOME": str(home), **ENVIRONMENT})() == KEY


async def test_the_successful_provider_is_tried_first_next_time() -> None:
    asked: list[str] = []

    async def empty() -> None:
        asked.append("empty")

    async def full() -> AccessKey:
        asked.append("full")
        return KEY

    chain = Chain(empty, full)
    assert [await chain(), await chain()] == [KEY, KEY]
    assert asked == ["empty", "full", "full"]


async def test_other_providers_are_tried_when_the_first_has_none() -> None:
    results: list[AccessKey | None] = [KEY, None]
    other = AccessKey("a", "s")

    async def empty_later() -> AccessKey | None:
        return results.pop(0)

    async def full() -> AccessKey:
        return other

    chain = Chain(empty_later, full)
    assert [await chain(), await chain()] == [KEY, other]


async def next_in_line() -> AccessKey:
    return AccessKey("next", "s")


@pytest.fixture(params=["no directory", "is a directory", "loop of links", "name too long"])
def unreadable_home(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A home directory whose credentials nobody can read, not even root."""
    folder = tmp_path / ".huaweicloud"
    if request.param == "no directory":
        return "/dev/null"
    if request.param == "name too long":
        return str(tmp_path / ("n" * 300))
    if request.param == "is a directory":
        (folder / "credentials").mkdir(parents=True)
    if request.param == "loop of links":
        folder.mkdir()
        (folder / "credentials").symlink_to(folder / "credentials")
    return str(tmp_path)


async def test_a_default_file_that_cannot_be_read_lets_the_next_try(unreadable_home: str) -> None:
    file = ProfileFile(environ={"HOME": unreadable_home})

    assert await Chain(Environment({}), file, next_in_line)() == AccessKey("next", "s")
    with pytest.raises(InvalidRequest, match=r"which cannot be read: .*\. Set HUAWEICLOUD_SDK_AK"):
        await Chain(Environment({}), file)()


@pytest.mark.parametrize("variable", ["HUAWEICLOUD_SDK_CREDENTIALS_FILE", "HOME"])
async def test_a_file_without_end_is_not_read_to_it(variable: str, tmp_path: Path) -> None:
    (tmp_path / ".huaweicloud").mkdir()
    (tmp_path / ".huaweicloud" / "credentials").symlink_to("/dev/zero")
    file = ProfileFile(environ={variable: "/dev/zero" if variable != "HOME" else str(tmp_path)})

    with pytest.raises(InvalidRequest, match="is larger than 1 MiB"):
        await file()


async def test_a_named_file_that_cannot_be_read_ends_the_search(unreadable_home: str) -> None:
    environ = {"HOME": unreadable_home}
    path = f"{unreadable_home}/.huaweicloud/credentials"
    for file in (
        ProfileFile(path, environ=environ),
        ProfileFile(profile="mine", environ=environ),
        ProfileFile(environ=environ | {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": path}),
        ProfileFile(environ=environ | {"KOOPHONE_PROFILE": "mine"}),
    ):
        with pytest.raises(InvalidRequest, match="cannot be read"):
            await Chain(file, next_in_line)()


@pytest.mark.parametrize("home", ["a\0b", "a\ud83d"])
async def test_a_home_that_is_no_path_is_an_invalid_request(home: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: not a valid path"):
        await ProfileFile(environ={"HOME": home})()


# Providers of the user.


async def fails() -> AccessKey:
    raise KeyError("the-secret-key")


async def is_offline() -> AccessKey:
    raise ConnectionRefusedError("the-secret-key")


async def is_too_slow() -> AccessKey:
    raise TimeoutError


async def is_cancelled() -> AccessKey:
    raise asyncio.CancelledError


async def is_refused() -> AccessKey:
    raise Unavailable("vault", 503, "", "sealed")


def is_not_async() -> AccessKey:
    return KEY


async def takes_an_argument(_: str) -> AccessKey:
    return KEY


def returning(value: object) -> Any:  # noqa: ANN401 - what no provider may return
    async def wrong_type() -> object:
        return value

    return wrong_type


PROVIDERS: dict[str, tuple[Any, type[KooPhoneError], str]] = {
    "raises": (fails, InvalidRequest, "credentials: fails raised KeyError"),
    "offline": (is_offline, NotConnected, "is_offline raised ConnectionRefusedError"),
    "slow": (is_too_slow, NotConnected, "is_too_slow raised TimeoutError"),
    "cancelled": (is_cancelled, InvalidRequest, "is_cancelled was cancelled from within"),
    "error of ours": (is_refused, Unavailable, "vault: no code: sealed"),
    "not async": (is_not_async, InvalidRequest, "is_not_async must be an async function"),
    "argument": (takes_an_argument, InvalidRequest, "takes_an_argument raised TypeError"),
    **{
        type(value).__name__: (returning(value), InvalidRequest, "returned .*; it must return an AccessKey")
        for value in (("a", "s"), {"ak": "a", "sk": "s"}, "a:s", b"a", 0, False, object(), fails)
    },
}


@pytest.mark.parametrize("provider, error, words", PROVIDERS.values(), ids=PROVIDERS)
async def test_a_failing_provider_is_a_clear_error(
    provider: Any,  # noqa: ANN401 - whatever a user may pass
    error: type[KooPhoneError],
    words: str,
) -> None:
    async with FakeServer() as server:
        for source in (provider, Chain(provider, next_in_line)):
            async with server.session(credentials=source, retries=Retries(attempts=1)) as ours:
                with pytest.raises(error, match=words) as caught:
                    await Iam(ours).projects.accessible()
            assert "the-secret-key" not in f"{caught.value} {caught.value!r}"

    assert server.request_count == 0


@pytest.mark.parametrize("credentials", ["a:s", ("a", "s"), {"ak": "a"}, 5, AccessKey, Password, Environment])
def test_credentials_of_another_type_are_refused(credentials: Any) -> None:  # noqa: ANN401 - as above
    with pytest.raises(InvalidRequest, match=r"credentials: is .*; it must be an AccessKey, a Password or"):
        Session(credentials, environ={})


def fails_at_once() -> datetime:
    raise OSError


CLOCKS: dict[str, tuple[Any, str]] = {
    "naive": (lambda: NOW.replace(tzinfo=None), "returned a time without a zone"),
    "seconds": (lambda: 1.5, "returned float"),
    "raises": (fails_at_once, "raised OSError"),
}


@pytest.mark.parametrize("clock, words", CLOCKS.values(), ids=CLOCKS)
async def test_a_clock_that_returns_no_aware_time_is_an_invalid_request(
    clock: Any,  # noqa: ANN401 - as above
    words: str,
) -> None:
    async with FakeServer() as server, server.session(now=clock) as ours:
        with pytest.raises(InvalidRequest, match=f"now: {words}"):
            await Iam(ours).projects.accessible()

    assert server.request_count == 0


async def test_missing_credentials_are_reported_with_a_remedy(home: Path, unused_tcp_port: int) -> None:
    metadata = Metadata(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(InvalidRequest) as raised:
        await Chain(Environment({}), at(home), metadata)()

    for part in (
        "environment (HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK)",
        str(home),
        "[basic] or [global]",
        metadata.endpoint,
        "Set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or",
    ):
        assert part in str(raised.value)
    assert "([mine])" in str(ProfileFile(profile="mine"))


@pytest.mark.parametrize("explicit", [None, "argument", "environment"])
async def test_projects_are_looked_up_at_the_endpoint_of_the_profile(
    explicit: str | None, tmp_path: Path
) -> None:
    projects = FakeServer.handling(lambda _: Reply({"projects": [{"id": "p1", "name": "cn-north-4"}]}))
    async with projects as server, FakeServer.handling(lambda _: Reply(status=404)) as other:
        named, configured = (server.url, other.url) if explicit is None else (other.url, server.url)
        path = tmp_path / "credentials"
        path.write_text(f"[basic]\nak = a\nsk = s\niam_endpoint = {named}\n")
        environ = {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path), "KOOPHONE_REGION": "cn-north-4"}
        if explicit == "environment":
            environ["HUAWEICLOUD_SDK_IAM_ENDPOINT"] = configured
        endpoints = Endpoints(iam=configured) if explicit == "argument" else None
        async with Session(environ=environ, endpoints=endpoints) as session:
            assert await session.project_id() == "p1"

    assert [request.path for request in server.received] == ["/v3/projects"]
    assert other.received == []


@pytest.mark.parametrize(
    "address", ["http://iam.example.com", "iam.example.com", "https://iam.example.com/v3"]
)
async def test_an_invalid_endpoint_of_the_key_is_named(address: str) -> None:
    key = AccessKey("a", "s", iam_endpoint=address)
    async with Session(key, region="cn-north-4", environ={}) as session:
        with pytest.raises(InvalidRequest, match=r"^iam_endpoint: is "):
            await session.project_id()
