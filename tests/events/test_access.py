"""Whether an access is genuine."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.events import (
    VERIFY,
    Access,
    Cipher,
    Encoding,
    Grant,
    Limits,
    Mode,
    Reason,
    Receiver,
    Stamp,
    Validity,
)
from koophone_async.events.access import UsedTickets
from koophone_async.events.errors import Rejected
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.service import CONTENT, KEY, TICKET, access, ask, at

if TYPE_CHECKING:
    from pathlib import Path

CBC: Final = Cipher(Mode.CBC, Encoding.HEX, Encoding.HEX)
GRANT: Final = Grant(KEY, TICKET, CONTENT)
SECRETS: Final = (TICKET, KEY.hex(), str(KEY), str(CONTENT), CONTENT.decode())


def granting(receiver: Receiver, grant: Grant | None = GRANT) -> Receiver:
    @receiver.on_verify
    async def look_up(_: Access) -> Grant | None:
        return grant

    return receiver


def virtual(cipher: Cipher | None = None, **bounds: int) -> Receiver:
    return Receiver(
        cipher=cipher or Cipher(), bounds=Limits(**bounds), now=lambda: VirtualTimeLoop.running().now()
    )


def refusals(receiver: Receiver) -> list[Reason]:
    return list(receiver.counts.refused.elements())


@pytest.mark.parametrize("cipher", [Cipher(), CBC], ids=["gcm", "cbc"])
async def test_a_genuine_access_is_answered_with_the_key(cipher: Cipher) -> None:
    async with granting(virtual(cipher)) as receiver:
        status, told = await ask(receiver, access(cipher), VERIFY)

    assert status == 200
    assert told["aes_key"] == cipher.key_encoding.write(KEY)
    assert receiver.counts.admitted == 1


async def test_a_plain_key_is_given_as_it_is() -> None:
    cipher = Cipher(key_encoding=Encoding.PLAIN)
    key = b"sixteen letters!"
    async with granting(virtual(cipher), Grant(key)) as receiver:
        _, told = await ask(receiver, access(cipher, key=key), VERIFY)

    assert told["aes_key"] == "sixteen letters!"


@given(st.binary(), st.binary(min_size=16, max_size=16), st.sampled_from([16, 24, 32]), st.sampled_from(Mode),
       st.sampled_from([Encoding.BASE64, Encoding.HEX]))  # fmt: skip
def test_what_is_sealed_is_opened(
    content: bytes, iv: bytes, size: int, mode: Mode, encoding: Encoding
) -> None:
    cipher = Cipher(mode, encoding)

    assert cipher.open(KEY[:size], *cipher.seal(KEY[:size], iv, content)) == content


@pytest.mark.parametrize("cipher", [Cipher(), CBC], ids=["gcm", "cbc"])
async def test_a_wrong_key_is_found_out(cipher: Cipher) -> None:
    async with granting(virtual(cipher)) as receiver:
        status, _ = await ask(receiver, access(cipher, key=KEY[::-1]), VERIFY)

    assert status == 403
    assert refusals(receiver)[0] in (Reason.DATA, Reason.CONTENT)


async def test_of_all_wrong_keys_none_gets_through_cbc() -> None:
    async with granting(virtual(CBC)) as receiver:
        for number in range(600):  # about two of them leave a padding that fits
            wrong = number.to_bytes(32, "big")
            assert (await ask(receiver, access(CBC, key=wrong), VERIFY))[0] == 403

    assert receiver.counts.refused[Reason.CONTENT] > 0


async def test_cbc_without_a_content_to_compare_proves_nothing() -> None:
    async with granting(virtual(CBC), Grant(KEY)) as receiver:
        await ask(receiver, access(CBC), VERIFY)

    assert refusals(receiver) == [Reason.UNPROVEN]


@pytest.mark.parametrize("verdict, status", [(True, 200), (False, 403)])
async def test_a_function_may_judge_the_content(verdict: bool, status: int) -> None:  # noqa: FBT001
    seen: list[bytes] = []

    def judge(opened: bytes) -> bool:
        seen.append(opened)
        return verdict

    async with granting(virtual(CBC), Grant(KEY, content=judge)) as receiver:
        answered, _ = await ask(receiver, access(CBC), VERIFY)

    assert (answered, seen) == (status, [CONTENT])


@pytest.mark.parametrize("changes", [{"data": ""}, {"iv": ""}, {"data": "!"}, {"data": "é"}, {"iv": "AAAA"}])
@pytest.mark.parametrize("cipher", [Cipher(), CBC], ids=["gcm", "cbc"])
async def test_data_that_is_none_is_refused(cipher: Cipher, changes: dict[str, str]) -> None:
    async with granting(virtual(cipher)) as receiver:
        question = access(cipher)
        changed = Access(
            question.session,
            question.ticket,
            question.stamp,
            changes.get("data", question.data),
            changes.get("iv", question.iv),
        )
        await ask(receiver, changed, VERIFY)

    assert refusals(receiver) == [Reason.DATA]


async def test_a_function_that_does_not_return_true_lets_nobody_in() -> None:
    def judge(_: bytes) -> Any:  # noqa: ANN401 - such as the coroutine of an async function
        return "anything else"

    async with granting(virtual(CBC), Grant(KEY, content=judge)) as receiver:
        await ask(receiver, access(CBC), VERIFY)

    assert refusals(receiver) == [Reason.CONTENT]


async def test_data_with_a_character_that_base64_lacks_is_refused() -> None:
    async with granting(virtual()) as receiver:
        question = access(Cipher())
        await ask(receiver, evolve(question, data=f"{question.data}!"), VERIFY)

    assert refusals(receiver) == [Reason.DATA]


async def test_another_content_is_refused() -> None:
    async with granting(virtual()) as receiver:
        await ask(receiver, access(receiver.cipher, content=b"another"), VERIFY)

    assert refusals(receiver) == [Reason.CONTENT]


async def test_another_ticket_is_refused() -> None:
    async with granting(virtual()) as receiver:
        await ask(receiver, access(receiver.cipher, ticket="gue\U0001f600ssed"), VERIFY)

    assert refusals(receiver) == [Reason.TICKET]


async def test_a_session_that_nobody_knows_is_refused() -> None:
    async with granting(virtual(), None) as receiver:
        await ask(receiver, access(receiver.cipher), VERIFY)

    assert refusals(receiver) == [Reason.UNGRANTED]


async def test_without_a_look_up_nobody_gets_in() -> None:
    async with virtual() as receiver:
        status, _ = await ask(receiver, access(receiver.cipher), VERIFY)

    assert (status, refusals(receiver)) == (403, [Reason.UNSERVED])


async def test_all_refusals_of_an_access_read_alike() -> None:
    async with granting(virtual()) as receiver:
        wrong = [
            access(receiver.cipher, ticket="guessed"),
            access(receiver.cipher, key=KEY[::-1]),
            access(receiver.cipher, content=b"another"),
            access(receiver.cipher, ends=-3600),
        ]
        answers = [await ask(receiver, question, VERIFY) for question in wrong]

    assert {(status, told["error_code"], told["error_msg"]) for status, told in answers} == {
        (403, "access_refused", "the access is not allowed")
    }
    assert len(set(refusals(receiver))) == 4


@pytest.mark.parametrize("stamp, begins, ends", [(Stamp.EXPIRES, -3_570, 60), (Stamp.ISSUED, 30, 3_660)])
def test_a_ticket_is_valid_in_its_time_and_not_outside(stamp: Stamp, begins: int, ends: int) -> None:
    """With one hour at most and 30 s of skew; the stamp says 30 s after the epoch."""
    validity = Validity(stamp, longest=3_600, skew=30)
    ticket = int(at(30).timestamp() * 1000)

    assert validity.until(ticket, at(ends)) == validity.until(ticket, at(begins - 30))
    for moment in (begins - 30.002, ends + 0.002):
        with pytest.raises(Rejected, match="expired"):
            validity.until(ticket, at(moment))


@pytest.mark.parametrize("stamp", [0, -1, 10**30, 128234892384])
async def test_stamps_that_are_no_time_of_now_are_expired(stamp: int) -> None:
    async with granting(virtual()) as receiver:
        status, _ = await ask(receiver, evolve(access(receiver.cipher), stamp=stamp), VERIFY)

    assert (status, refusals(receiver)) == (403, [Reason.EXPIRED])


async def test_a_ticket_lets_in_once() -> None:
    async with granting(virtual()) as receiver:
        question = access(receiver.cipher)
        answers = [await ask(receiver, question, VERIFY) for _ in range(2)]

    assert [status for status, _ in answers] == [200, 403]
    assert refusals(receiver) == [Reason.REPLAYED]


async def test_a_ticket_lets_in_once_when_it_is_shown_twice_at_once() -> None:
    receiver = virtual()

    @receiver.on_verify
    async def slow(_: Access) -> Grant:
        await asyncio.sleep(1)
        return GRANT

    async with receiver:
        question = access(receiver.cipher)
        answers = await asyncio.gather(*(ask(receiver, question, VERIFY) for _ in range(5)))

    assert sorted(status for status, _ in answers) == [200, 403, 403, 403, 403]


async def test_a_ticket_that_ends_while_it_is_looked_up_lets_nobody_in() -> None:
    receiver, waits = virtual(), iter([91, 92])
    receiver.bounds = Limits(look_up_seconds=100)

    @receiver.on_verify
    async def slow(_: Access) -> Grant:
        await asyncio.sleep(next(waits))
        return GRANT

    async with receiver:
        question = access(receiver.cipher, ends=60)
        answers = await asyncio.gather(*(ask(receiver, question, VERIFY) for _ in range(2)))

    assert [status for status, _ in answers] == [403, 403]
    assert refusals(receiver) == [Reason.EXPIRED, Reason.EXPIRED]


async def test_a_refused_access_does_not_use_the_ticket_up() -> None:
    async with granting(virtual()) as receiver:
        await ask(receiver, access(receiver.cipher, content=b"another"), VERIFY)
        status, _ = await ask(receiver, access(receiver.cipher), VERIFY)

    assert status == 200


async def test_a_used_ticket_is_still_used_after_a_restart(tmp_path: Path) -> None:
    receiver = granting(Receiver(journal=tmp_path / "events.db", now=VirtualTimeLoop.running().now))
    question = access(receiver.cipher)
    statuses: list[int] = []
    for _ in range(2):
        async with receiver:
            statuses.append((await ask(receiver, question, VERIFY))[0])

    assert statuses == [200, 403]


async def test_the_memory_of_tickets_is_bounded_and_never_forgets_a_valid_one() -> None:
    async with granting(virtual(tickets=2), Grant(KEY)) as receiver:
        questions = [access(receiver.cipher, ticket=f"ticket {number}") for number in range(3)]
        early = [(await ask(receiver, question, VERIFY))[0] for question in questions]
        await asyncio.sleep(120)
        later = access(receiver.cipher, ticket="ticket 3", ends=180)

        assert early == [200, 200, 503]
        assert (await ask(receiver, later, VERIFY))[0] == 200
        assert (await ask(receiver, questions[0], VERIFY))[0] == 403


def test_a_ticket_is_remembered_to_its_last_millisecond() -> None:
    spent, last = UsedTickets(10), int(at(1).timestamp() * 1000)
    spent.spend(b"t", last, at(0))

    with pytest.raises(Rejected, match="replayed"):
        spent.spend(b"t", last, at(1))


def test_a_ticket_that_was_given_back_and_used_again_is_forgotten_at_its_new_end() -> None:
    spent = UsedTickets(10)
    spent.spend(b"t", 1000, at(-1e9))
    spent.give_back(b"t")
    spent.spend(b"t", int(at(10).timestamp() * 1000), at(0))
    spent.spend(b"u", int(at(90).timestamp() * 1000), at(5))
    assert b"t" in spent

    spent.spend(b"v", int(at(90).timestamp() * 1000), at(11))
    assert b"t" not in spent
    assert len(spent) == 2


@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_look_up_that_fails_or_hangs_is_answered_with_later(
    seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = virtual()

    @receiver.on_verify
    async def broken(asked: Access) -> Grant:
        await asyncio.sleep(seconds)
        raise KeyError(asked.ticket)

    async with receiver:
        status, _ = await ask(receiver, access(receiver.cipher), VERIFY)

    assert (status, refusals(receiver)) == (503, [Reason.LOOK_UP])
    assert ("KeyError at test_access.py" in caplog.text) != ("longer than 5 s" in caplog.text)
    assert TICKET not in caplog.text


async def test_a_key_that_cannot_be_written_is_a_failed_look_up() -> None:
    cipher = Cipher(key_encoding=Encoding.PLAIN)
    key = bytes(range(200, 232))
    async with granting(virtual(cipher), Grant(key)) as receiver:
        status, _ = await ask(receiver, access(cipher, key=key), VERIFY)

    assert status == 503


def test_data_has_no_plain_encoding() -> None:
    with pytest.raises(ValueError, match="encoding"):
        Cipher(encoding=Encoding.PLAIN)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_every_size_of_aes_is_taken(size: int) -> None:
    cipher, key = Cipher(), bytes(size)

    assert cipher.open(key, *cipher.seal(key, bytes(12), CONTENT)) == CONTENT
    assert Grant(key).key == key


def test_a_key_of_a_wrong_size_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidRequest, match="has 3 bytes") as caught:
        Grant(b"key")

    assert "b'key'" not in str(caught.value)


def test_there_is_one_look_up() -> None:
    receiver = granting(Receiver())

    with pytest.raises(InvalidRequest, match="already has a look-up"):
        granting(receiver)


async def test_no_secret_is_in_any_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with granting(virtual(CBC), Grant(KEY, TICKET, lambda _: False)) as receiver:
        question = access(CBC)
        _, told = await ask(receiver, question, VERIFY)

    texts = [caplog.text, repr(receiver), repr(question), repr(GRANT), json.dumps(told)]
    for text in texts:
        assert not any(secret in text for secret in (*SECRETS, question.data, question.iv))
