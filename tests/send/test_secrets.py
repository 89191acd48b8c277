"""No secret in any text: repr, errors, log, tracebacks, whatever the server replies."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import pickle
import pkgutil
import pydoc
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from attrs import frozen

import koophone_async
from koophone_async import AccessKey, KooPhone, Password, Retries, Session
from koophone_async.credentials import Environment, ProfileFile, default_chain
from koophone_async.errors import KooPhoneError
from koophone_async.iam import Token, TokenDetails
from koophone_async.koophone import Package, StreamAccess
from koophone_async.operation import Operation
from koophone_async.virtual_time import EPOCH
from tests.fake_server import (
    Behaviour,
    Connection,
    FakeServer,
    close,
    cut,
    garbage,
    replies,
    reset_after_request,
    stall,
)
from tests.send.operations import RUN, Note, session
from tests.send.test_sign_in import account

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE_TOKEN: Final = "dee5081f40c83ddea3ded91c387351e9"
SIGNED: Final = f"https://obs.example/app.apk?AccessKeyId=HSTAZ7UE&Signature=BdSN1CflPrz{DEVICE_TOKEN}"
KEY: Final = AccessKey("AKPUBLICHALF", "sk-very-secret", "st-very-secret")
USER: Final = Password("ann", "pw-very-secret", "acme", "cn-north-4")
SECRETS: Final = (
    "sk-very-secret",
    "st-very-secret",
    "pw-very-secret",
    "token-1",
    DEVICE_TOKEN,
    "BdSN1CflPrz",
)


@frozen
class Install:
    url: str = SIGNED


@frozen
class Number:
    status: int


INSTALL: Final = Operation(
    "koophone.notes.install", "POST", "/v1/notes", Install, Number, source="made up", repeatable=True
)


COUNT: Final = Operation(
    "koophone.notes.count", "GET", "/v1/notes", Note, Number, source="made up", repeatable=True
)


def texts(error: BaseException) -> Iterator[str]:
    yield str(error)
    yield repr(error)
    yield "".join(traceback.format_exception(error))


def body(content: object) -> Behaviour:
    return replies(200, message=msgspec.json.encode(content).decode())


REFUSALS: Final[dict[str, Behaviour]] = {
    "signed link in a refusal": replies(200, "KOOPHONE.API.62017", f"Download failed: {SIGNED}."),
    "token in a refusal": replies(403, "KOOPHONE.API.6002", f"X-Auth-Token: {DEVICE_TOKEN}"),
    "signed link in a page": replies(404, message=f"<html>{SIGNED}</html>"),
    "signed link in an outage": replies(500, message=f'{{"error_code":"X","error_msg":"{SIGNED}"}}'),
    "garbage": garbage,
    "cut": cut(200, f'{{"device_token":"{DEVICE_TOKEN}"'.encode(), then=close),
    "no JSON": replies(200, message=f"device_token={DEVICE_TOKEN}"),
    "JSON that is no envelope": body([DEVICE_TOKEN]),
    "a token for a number": body({"error_code": "0", "data": {"text": DEVICE_TOKEN}}),
    "a token for an object": body({"error_code": "0", "data": DEVICE_TOKEN}),
    "reset": reset_after_request,
    "stall": stall,
}


@pytest.mark.parametrize("behaviour", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("operation", [INSTALL, COUNT], ids=["install", "count"])
async def test_no_failure_shows_a_secret(
    behaviour: Behaviour, operation: Operation[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    request = Install() if operation is INSTALL else Note()
    async with (
        FakeServer(default=behaviour) as server,
        session(server.url, KEY, retries=Retries(attempts=2)) as ours,
    ):
        ends = await asyncio.gather(ours.send(operation, request), return_exceptions=True)

    error = ends[0]
    assert isinstance(error, KooPhoneError)
    texts_shown = [*texts(error), *texts(pickle.loads(pickle.dumps(error))), caplog.text]  # noqa: S301 - our own
    assert server.request_count
    assert [(secret, text) for secret in SECRETS for text in texts_shown if secret in text] == []


@pytest.mark.parametrize("behaviour", REFUSALS.values(), ids=REFUSALS)
async def test_no_failed_authentication_shows_a_secret(
    behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    iam = account(iam=[behaviour] * 20)
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(KooPhoneError) as caught:
            await ours.send(RUN, Note())

    texts_shown = [*texts(caught.value), caplog.text]
    assert [(secret, text) for secret in SECRETS for text in texts_shown if secret in text] == []


async def test_a_successful_call_logs_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    iam = account(dead={"token-1"})
    async with iam.server as server, session(server.url, USER) as ours:
        await ours.send(RUN, Note())

    assert server.executions == 1
    assert [secret for secret in SECRETS if secret in caplog.text] == []


@pytest.mark.parametrize("credentials", [KEY, USER], ids=["key", "password"])
async def test_asyncio_and_aiohttp_log_no_secret_in_debug_mode(
    credentials: AccessKey | Password, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # logs every callback, with its arguments
    iam = account()
    async with iam.server as server, session(server.url, credentials) as ours:
        await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(3)))
    loop.set_debug(False)

    assert "Executing" in caplog.text
    assert [secret for secret in SECRETS if secret in caplog.text] == []


MODULES: Final = sorted(
    module.name
    for module in pkgutil.walk_packages(koophone_async.__path__, "koophone_async.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_no_documentation_shows_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "sk-very-secret")
    module = importlib.import_module(name)

    assert "sk-very-secret" not in pydoc.plain(pydoc.render_doc(module))
    for each in vars(module).values():
        if inspect.isclass(each) or inspect.isfunction(each):
            with suppress(ValueError):  # classes of C have no signature
                assert "sk-very-secret" not in str(inspect.signature(each))


@pytest.mark.parametrize("name", MODULES)
def test_every_function_of_a_class_has_a_module(name: str) -> None:
    """Python 3.13 cannot render the documentation of others, such as those that attrs generates to cache."""
    classes = [each for each in vars(importlib.import_module(name)).values() if inspect.isclass(each)]

    assert [
        function
        for each in classes
        if each.__module__ == name
        for function in vars(each).values()
        if inspect.isfunction(function) and not function.__module__
    ] == []


def test_objects_keep_no_copy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "sk-very-secret")
    ours = Session()
    providers = [Environment(), ProfileFile(), *default_chain().providers]

    assert (
        "sk-very-secret"
        not in f"{vars(ours)} {[vars(part) for part in vars(ours).values() if hasattr(part, '__dict__')]}"
    )
    assert b"sk-very-secret" not in pickle.dumps(providers)


async def test_no_repr_shows_a_secret() -> None:
    async def provider() -> AccessKey:
        await asyncio.sleep(0)
        return KEY

    shown = [
        KEY,
        USER,
        KEY.signer,
        Token(TokenDetails(EPOCH), "token-1"),
        StreamAccess(DEVICE_TOKEN),
        Package("com.example", "a.apk", "1", "12", SIGNED),
        session("http://localhost:1", KEY),
        session("http://localhost:1", USER, proxy="http://ann:pw-very-secret@localhost:3128"),
        session("http://localhost:1", provider),
        KooPhone(session("http://localhost:1", KEY)),
    ]

    texts_shown = [text for each in shown for text in (repr(each), str(each), f"{each}")]
    assert [(secret, text) for secret in SECRETS for text in texts_shown if secret in text] == []


async def test_an_unreadable_answer_shows_only_the_field() -> None:
    async def odd(connection: Connection) -> bool:
        await connection.request(executed=True)
        await connection.reply(200, DEVICE_TOKEN.encode())
        return True

    async with FakeServer([odd]) as server, session(server.url) as ours:
        with pytest.raises(KooPhoneError) as caught:
            await ours.send(RUN, Note())

    assert DEVICE_TOKEN not in "".join(texts(caught.value))
    assert vars(caught.value)["answer"] == DEVICE_TOKEN.encode()
