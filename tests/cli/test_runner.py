from __future__ import annotations

import pytest

from koophone_async import AccessKey, Outcome, Password, State
from koophone_async.batches import STOP_REASONS
from koophone_async.cli.commands.demo import check_ledger
from koophone_async.cli.errors import Exit, NoCredentials, report_error
from koophone_async.cli.output.summary import Tally, print_summary
from koophone_async.cli.settings import describe
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
    Refused,
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
        (AuthenticationFailed("o", 401, "APIGW.0301", "no"), 3, "Check the credentials"),
        (Forbidden("o", 403, "X", "no"), 3, "permission"),
        (NotFound("o", 404, "X", "no"), 1, "Nothing was done. Check the ids"),
        (Refused("o", 400, "X", "no"), 1, "Nothing was done. Change what the message names"),
        (Refused("o", 400, "X", "no", not_executed=False), 1, "It may have been executed"),
        (AuthenticationFailed("o", 401, "X", "no", clock_ahead=9.0), 3, "Nothing was done. Set the clock"),
        (Throttled("o", 429, "X", "no"), 1, "Try again later"),
        (Throttled("o", 429, "X", "no", retry_after=7.0), 1, "Nothing was done. Try again in 7 s."),
        (Throttled("o", 429, "X", "over ratelimit,limit:6,time:1 minute"), 1, "Try again in 60 s."),
        (AnswerTimedOut("o", "late"), 1, "It may have been executed"),
        (AnswerTimedOut("koophone.instances.list", "late"), 1, "Nothing was changed: it only reads. Run it"),
        (UnreadableAnswer("koophone.instances.status", 200, "x", b""), 1, "Nothing was changed: it only"),
        (AnswerTimedOut("koophone.instances.reset", "late"), 1, "It may have been executed"),
        (UnreadableAnswer("o", 200, "no JSON", b"secret"), 1, "It may have been executed"),
    ],
)
def test_an_error_is_printed_with_advice_on_a_second_line(
    error: KooPhoneError, code: int, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_error(error) == code

    err = capsys.readouterr().err
    suffix = ". Nothing was sent." if code == 2 else ""
    assert err.startswith(f"koophone: {error}{suffix}\n")
    assert advice in err
    assert err.count("\n") == 1 + bool(advice)


REFUSED = State.REFUSED
FAILED = [Outcome(f"q{n}", State.FAILED, error_code="Y", error_message="late") for n in (1, 2)]


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
def test_the_exit_code_of_outcomes(outcomes: list[Outcome], code: Exit) -> None:
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)

    assert tally.exit is code
    assert (tally.reason is None) == (code is not Exit.NOT_STARTED or not outcomes[0].error_message)


def test_the_summary_of_unknown_outcomes_advises_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    tally.add(Outcome("p", State.UNKNOWN))

    print_summary(tally, Exit.INTERRUPTED)

    advice = "unknown: It may have been executed. Check before you run it again."
    assert capsys.readouterr().err == f"koophone: interrupted: 1 unknown\n  1 unknown\n    on p\n  {advice}\n"


def test_the_summary_has_the_commands_that_wait(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    tally.add(Outcome("p", State.UNFINISHED))

    print_summary(tally, Exit.SOME_FAILED, wait_commands=["koophone jobs wait kp1.x"])

    assert capsys.readouterr().err.splitlines()[3:] == [
        "  unfinished: Still running. Go on waiting with:",
        "  koophone jobs wait kp1.x",
    ]


@pytest.mark.parametrize(
    "outcomes, lines",
    [
        (
            [Outcome("p", REFUSED, error_code="APIGW.0301", error_message="no")],
            ["koophone: nothing was done: no", "  `koophone doctor` finds the cause"],
        ),
        ([], ["koophone: no phones matched; nothing was done"]),
        (
            [Outcome("p1", State.SUCCEEDED), Outcome("p3", State.FAILED, error_code="X"), *FAILED],
            [
                "koophone: 1 succeeded · 3 failed",
                "  2 failed: Y late",
                "    on q[1-2]",
                "  1 failed: X",
                "    on p3",
            ],
        ),
        (
            [Outcome("p", State.SUCCEEDED), Outcome("q", REFUSED, error_code="KOOPHONE.API.5005")],
            [
                "koophone: 1 succeeded · 1 refused",
                "  1 refused: KOOPHONE.API.5005",
                "    on q",
                "  KOOPHONE.API.5005: ",
            ],
        ),
    ],
)
def test_the_summary_has_counts_causes_ids_and_advice(
    outcomes: list[Outcome], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)

    print_summary(tally, tally.exit)

    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == len(lines)
    assert all(text.startswith(start) for text, start in zip(printed, lines, strict=True))


async def test_the_demo_reports_a_ledger_mismatch() -> None:
    async with Emulator(phones=2) as emulator:
        emulator.ledger.executed("koophone.commands.run", ["phone0001", "phone0001"])

        message = check_ledger(emulator, ["phone0001", "phone0002"])

    assert message == "ledger: 1 of 2 phones never executed the command, 1 more than once"


def test_credentials_are_shown_without_their_secrets() -> None:
    assert describe(Password("anna", "hunter2", "acme", "cn-north-4")) == "password of anna"
    assert describe(AccessKey("ABCDEFGH", "hunter2")) == "permanent access key ABCD…"
    assert describe(AccessKey("ABCDEFGH", "hunter2", "token")) == "temporary access key ABCD…"
