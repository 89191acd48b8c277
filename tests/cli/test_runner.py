from __future__ import annotations

import signal

import pytest

from koophone_async import AccessKey, Outcome, Password, State
from koophone_async.batches import STOP_REASONS
from koophone_async.cli.config import shown
from koophone_async.cli.demo import verdict
from koophone_async.cli.errors import Exit, NoCredentials, Tally, complain, sum_up
from koophone_async.cli.runner import interruptible, some
from koophone_async.emulator import Emulator
from koophone_async.errors import (
    AnswerTimedOut,
    AuthenticationFailed,
    BadEndpoint,
    Forbidden,
    InvalidRequest,
    KooPhoneError,
    NotConnected,
    NotFound,
    QuotaTooSlow,
    Throttled,
    UnreadableAnswer,
)


@pytest.mark.parametrize(
    "error, code, advice",
    [
        (InvalidRequest("o", "f", "is wrong"), 2, ""),
        (NoCredentials("", "credentials", "not found"), 3, "koophone config"),
        (NotConnected("o", "refused"), 3, "Check the network"),
        (BadEndpoint("o", "bad"), 3, "Check the endpoints"),
        (QuotaTooSlow("o", "slow", 9.0), 3, "quota"),
        (AuthenticationFailed("o", 401, "APIGW.0301", "no"), 3, "HUAWEICLOUD_SDK_AK"),
        (Forbidden("o", 403, "X", "no"), 3, "permission"),
        (NotFound("o", 404, "X", "no"), 1, ""),
        (Throttled("o", 429, "X", "no"), 1, "Try again later"),
        (AnswerTimedOut("o", "late"), 1, "It may have happened"),
        (UnreadableAnswer("o", 200, "no JSON", b"secret"), 1, "It may have happened"),
    ],
)
def test_an_error_is_one_line_what_to_do_another(
    error: KooPhoneError, code: int, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complain(error) == code

    said = capsys.readouterr().err
    assert said.startswith(f"koophone: {error}\n")
    assert advice in said
    assert said.count("\n") == 1 + bool(advice)


REFUSED = State.REFUSED


@pytest.mark.parametrize(
    "outcomes, code",
    [
        ([], Exit.DONE),
        ([Outcome("p", State.SUCCEEDED), Outcome("q", State.ACCEPTED)], Exit.DONE),
        ([Outcome("p", State.SUCCEEDED), Outcome("q", REFUSED, error_code="APIGW.0301")], Exit.SOME_FAILED),
        ([Outcome("p", REFUSED, error_code="APIGW.0301")], Exit.NOT_STARTED),
        ([Outcome("p", REFUSED, error_code="")], Exit.NOT_STARTED),
        ([Outcome("p", REFUSED, error_code="KOOPHONE.API.1004")], Exit.NOT_STARTED),
        ([Outcome("p", REFUSED, error_code="KOOPHONE.API.1001")], Exit.SOME_FAILED),
        ([Outcome("p", REFUSED, error_code="KOOPHONE.API.5005")], Exit.SOME_FAILED),
        ([Outcome("p", State.NOT_SENT, error_message="o: not sent: refused")], Exit.NOT_STARTED),
        ([Outcome("", State.NOT_SENT, error_message="the id is empty")], Exit.SOME_FAILED),
        *(
            ([Outcome("p", State.NOT_SENT, error_message=why)], Exit.SOME_FAILED)
            for why in sorted(STOP_REASONS)
        ),
        ([Outcome("p", State.UNKNOWN)], Exit.SOME_FAILED),
        ([Outcome("p", State.FAILED)], Exit.SOME_FAILED),
    ],
)
def test_the_exit_code_says_whether_anything_was_begun(outcomes: list[Outcome], code: Exit) -> None:
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)

    assert tally.exit is code
    assert (tally.reason is None) == (code is not Exit.NOT_STARTED or not outcomes[0].error_message)


def test_of_what_may_have_happened_the_sum_says_to_look_first(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    tally.add(Outcome("p", State.UNKNOWN))

    sum_up(tally, Exit.INTERRUPTED)

    advice = "unknown: It may have happened: look before you do it again."
    assert capsys.readouterr().err == f"koophone: interrupted: 1 unknown\n  {advice}\n"


def test_only_the_first_ranges_of_many_are_named() -> None:
    assert some("a,b,c", 2) == "a,b and 1 more ranges"
    assert some("a,b", 2) == "a,b"


async def test_the_second_ctrl_c_ends_the_program() -> None:
    stops: list[None] = []

    async def stop() -> None:
        stops.append(None)

    before = signal.getsignal(signal.SIGINT)
    with interruptible(stop) as interruption:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert interruption.happened
    assert signal.getsignal(signal.SIGINT) is before


async def test_the_demo_says_when_the_ledger_does_not_agree() -> None:
    async with Emulator(phones=2) as emulator:
        emulator.ledger.executed("koophone.commands.run", ["phone0001", "phone0001"])

        said = verdict(emulator, ["phone0001", "phone0002"])

    assert said == "ledger: 1 of 2 phones never executed the command, 1 more than once"


def test_credentials_are_shown_without_their_secrets() -> None:
    assert shown(Password("anna", "hunter2", "acme", "cn-north-4")) == "password of anna"
    assert shown(AccessKey("ABCDEFGH", "hunter2")) == "permanent access key ABCD…"
    assert shown(AccessKey("ABCDEFGH", "hunter2", "token")) == "temporary access key ABCD…"
