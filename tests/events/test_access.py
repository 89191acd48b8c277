"""Verification of accesses."""

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
    TimestampMeaning,
    Validity,
)
from koophone_async.events.errors import Rejected
from koophone_async.virtual_time import VirtualTimeLoop
from tests.events.samples import CONTENT, KEY, TICKET, access, at, send_access

if TYPE_CHECKING:
    from pathlib import Path

CBC: Final = Cipher(Mode.CBC, Encoding.HEX, Encoding.HEX)
GRANT: Final = Grant(KEY, TICKET, CONTENT)
SECRETS: Final = (TICKET, KEY.hex(), str(KEY), str(CONTENT), CONTENT.decode())


def granting(receiver: Receiver, grant: Grant | None = GRANT) -> Receiver:
    @receiver.on_verify
    async def lookup(_: Access) -> Grant | None:
        return grant

    return receiver


def virtual(cipher: Cipher | None = None, **limits: int) -> Receiver:
    return Receiver(
        cipher=cipher or Cipher(), limits=Limits(**limits), now=lambda: VirtualTimeLoop.running().now()
    )


def refusals(receiver: Receiver) -> list[Reason]:
    return list(receiver.counts.refused.elements())


@pytest.mark.parametrize("cipher", [Cipher(), CBC], ids=["gcm", "cbc"])
async def test_a_genuine_access_is_answered_with_the_key(cipher: Cipher) -> None:
    async with granting(virtual(cipher)) as receiver:
        status, body = await send_access(receiver, access(cipher), VERIFY)

    assert status == 200
    assert body["aes_key"] == cipher.key_encoding.to_text(KEY)
    assert receiver.counts.verified == 1


async def test_a_plain_key_is_returned_unchanged() -> None:
    cipher = Cipher(key_encoding=Encoding.PLAIN)
    key = b"sixteen letters!"
    async with granting(virtual(cipher), Grant(key)) as receiver:
        _, body = await send_access(receiver, access(cipher, key=key), VERIFY)

    assert body["aes_key"] == "sixteen letters!"


@given(st.binary(), st.binary(min_size=16, max_size=16), st.sampled_from([16, 24, 32]), st.sampled_from(Mode),
       st.sampled_from([Encoding.BASE64, Encoding.HEX]))  # fmt: skip
def test_decrypt_is_the_inverse_of_encrypt(
    content: bytes, iv: bytes, size: int, mode: Mode, encoding: Encoding
) -> None:
    cipher = Cipher(mode, encoding)

    assert cipher.decrypt(KEY[:size], *cipher.encrypt(KEY[:size], iv, content)) == content


@pytest.mark.parametrize("cipher", [Cipher(), CBC], ids=["gcm", "cbc"])
async def test_a_wrong_key_is_refused(cipher: Cipher) -> None:
    async with granting(virtual(cipher)) as receiver:
        status, _ = await send_access(receiver, access(cipher, key=KEY[::-1]), VERIFY)

    assert status == 403
    assert refusals(receiver)[0] in (Reason.DATA, Reason.CONTENT)


async def test_cbc_refuses_a_wrong_key_with_valid_padding() -> None:
    async with granting(virtual(CBC)) as receiver:
        for number in range(600):  # about two of them have valid padding
            wrong = number.to_bytes(32, "big")
            assert (await send_access(receiver, access(CBC, key=wrong), VERIFY))[0] == 403

    assert receiver.counts.refused[Reason.CONTENT] > 0


async def test_cbc_without_expected_content_is_refused() -> None:
    async with granting(virtual(CBC), Grant(KEY)) as receiver:
        await send_access(receiver, access(CBC), VERIFY)

    assert refusals(receiver) == [Reason.UNPROVEN]


@pytest.mark.parametrize("is_valid, status", [(True, 200), (False, 403)])
async def test_a_function_can_check_the_content(is_valid: bool, status: int) -> None:  # noqa: FBT001
    seen: list[bytes] = []

    def check(plaintext: bytes) -> bool:
        seen.append(plaintext)
        return is_valid

    async with granting(virtual(CBC), Grant(KEY, content=check)) as receiver:
        answered, _ = await send_access(receiver, access(CBC), VERIFY)

    assert (answered, seen) == (status, [CONTENT])


@pytest.mark.parametrize("changes", [{"data": ""}, {"iv": ""}, {"data": "!"}, {"data": "é"}, {"iv": "AAAA"}])
@pytest.mark.parametrize("cipher", [Cipher(), CBC], ids=["gcm", "cbc"])
async def test_malformed_data_is_refused(cipher: Cipher, changes: dict[str, str]) -> None:
    async with granting(virtual(cipher)) as receiver:
        request = access(cipher)
        changed = Access(
            request.session,
            request.ticket,
            request.timestamp,
            changes.get("data", request.data),
            changes.get("iv", request.iv),
        )
        await send_access(receiver, changed, VERIFY)

    assert refusals(receiver) == [Reason.DATA]


async def test_only_true_from_a_content_check_is_accepted() -> None:
    def check(_: bytes) -> Any:  # noqa: ANN401 - such as the coroutine of an async function
        return "anything else"

    async with granting(virtual(CBC), Grant(KEY, content=check)) as receiver:
        await send_access(receiver, access(CBC), VERIFY)

    assert refusals(receiver) == [Reason.CONTENT]


async def test_data_with_a_character_outside_base64_is_refused() -> None:
    async with granting(virtual()) as receiver:
        request = access(Cipher())
        await send_access(receiver, evolve(request, data=f"{request.data}!"), VERIFY)

    assert refusals(receiver) == [Reason.DATA]


async def test_unexpected_content_is_refused() -> None:
    async with granting(virtual()) as receiver:
        await send_access(receiver, access(receiver.cipher, content=b"another"), VERIFY)

    assert refusals(receiver) == [Reason.CONTENT]


async def test_a_different_ticket_is_refused() -> None:
    async with granting(virtual()) as receiver:
        await send_access(receiver, access(receiver.cipher, ticket="gue\U0001f600ssed"), VERIFY)

    assert refusals(receiver) == [Reason.TICKET]


async def test_a_session_without_a_grant_is_refused() -> None:
    async with granting(virtual(), None) as receiver:
        await send_access(receiver, access(receiver.cipher), VERIFY)

    assert refusals(receiver) == [Reason.NOT_GRANTED]


async def test_every_access_is_refused_without_a_lookup() -> None:
    async with virtual() as receiver:
        status, _ = await send_access(receiver, access(receiver.cipher), VERIFY)

    assert (status, refusals(receiver)) == (403, [Reason.NO_LOOKUP])


async def test_all_refusals_of_an_access_look_the_same() -> None:
    async with granting(virtual()) as receiver:
        wrong = [
            access(receiver.cipher, ticket="guessed"),
            access(receiver.cipher, key=KEY[::-1]),
            access(receiver.cipher, content=b"another"),
            access(receiver.cipher, ends=-3600),
        ]
        answers = [await send_access(receiver, request, VERIFY) for request in wrong]

    assert {(status, body["error_code"], body["error_msg"]) for status, body in answers} == {
        (403, "access_refused", "the access is not allowed")
    }
    assert len(set(refusals(receiver))) == 4


@pytest.mark.parametrize(
    "meaning, begins, ends", [(TimestampMeaning.EXPIRES, -3_570, 60), (TimestampMeaning.ISSUED, 30, 3_660)]
)
def test_a_ticket_is_valid_only_in_its_period(meaning: TimestampMeaning, begins: int, ends: int) -> None:
    """Maximum age of one hour, 30 s of skew, timestamp 30 s after the epoch."""
    validity = Validity(meaning, max_age=3_600, skew=30)
    ticket = int(at(30).timestamp() * 1000)

    assert validity.expiry(ticket, at(ends)) == validity.expiry(ticket, at(begins - 30))
    for moment in (begins - 30.002, ends + 0.002):
        with pytest.raises(Rejected, match="expired"):
            validity.expiry(ticket, at(moment))


@pytest.mark.parametrize("timestamp", [0, -1, 10**30, 128234892384])
async def test_timestamps_far_from_now_are_expired(timestamp: int) -> None:
    async with granting(virtual()) as receiver:
        status, _ = await send_access(receiver, evolve(access(receiver.cipher), timestamp=timestamp), VERIFY)

    assert (status, refusals(receiver)) == (403, [Reason.EXPIRED])


async def test_a_ticket_is_accepted_once() -> None:
    async with granting(virtual()) as receiver:
        request = access(receiver.cipher)
        answers = [await send_access(receiver, request, VERIFY) for _ in range(2)]

    assert [status for status, _ in answers] == [200, 403]
    assert refusals(receiver) == [Reason.REPLAYED]


async def test_concurrent_uses_of_a_ticket_are_accepted_once() -> None:
    receiver = virtual()

    @receiver.on_verify
    async def slow(_: Access) -> Grant:
        await asyncio.sleep(1)
        return GRANT

    async with receiver:
        request = access(receiver.cipher)
        answers = await asyncio.gather(*(send_access(receiver, request, VERIFY) for _ in range(5)))

    assert sorted(status for status, _ in answers) == [200, 403, 403, 403, 403]


async def test_a_ticket_that_expires_during_the_lookup_is_refused() -> None:
    receiver, waits = virtual(), iter([91, 92])
    receiver.limits = Limits(lookup_timeout=100)

    @receiver.on_verify
    async def slow(_: Access) -> Grant:
        await asyncio.sleep(next(waits))
        return GRANT

    async with receiver:
        request = access(receiver.cipher, ends=60)
        answers = await asyncio.gather(*(send_access(receiver, request, VERIFY) for _ in range(2)))

    assert [status for status, _ in answers] == [403, 403]
    assert refusals(receiver) == [Reason.EXPIRED, Reason.EXPIRED]


async def test_a_refused_access_does_not_use_up_the_ticket() -> None:
    async with granting(virtual()) as receiver:
        await send_access(receiver, access(receiver.cipher, content=b"another"), VERIFY)
        status, _ = await send_access(receiver, access(receiver.cipher), VERIFY)

    assert status == 200


async def test_a_used_ticket_is_refused_after_a_restart(tmp_path: Path) -> None:
    receiver = granting(Receiver(journal=tmp_path / "events.db", now=VirtualTimeLoop.running().now))
    request = access(receiver.cipher)
    statuses: list[int] = []
    for _ in range(2):
        async with receiver:
            statuses.append((await send_access(receiver, request, VERIFY))[0])

    assert statuses == [200, 403]


def stamped(request: Access, *, ends: float) -> Access:
    """Change the timestamp of a captured access, as whoever replays it can."""
    return evolve(request, timestamp=int(at(ends).timestamp() * 1000))


@pytest.mark.parametrize(
    "grant", [GRANT, Grant(KEY), Grant(KEY, content=CONTENT)], ids=["ticket", "key only", "content"]
)
@pytest.mark.parametrize("journal", [None, "events.db"], ids=["memory", "journal"])
async def test_a_captured_access_is_accepted_once_for_ever(
    grant: Grant, journal: str | None, tmp_path: Path
) -> None:
    receiver = granting(virtual(), grant)
    receiver.journal = tmp_path / journal if journal else None
    captured = access(receiver.cipher)
    async with receiver:
        statuses = [(await send_access(receiver, captured, VERIFY))[0]]
        for day in range(1, 5):
            await asyncio.sleep(86_400)
            replayed = stamped(captured, ends=day * 86_400 + 60)
            statuses.append((await send_access(receiver, replayed, VERIFY))[0])

    assert statuses == [200, 403, 403, 403, 403]
    assert receiver.counts.refused == {Reason.REPLAYED: 4}


@pytest.mark.parametrize(
    "grant, statuses",
    [
        (GRANT, [200, 403]),
        (Grant(KEY, content=CONTENT), [200, 403]),
        (Grant(KEY, content=lambda plaintext: plaintext.endswith(CONTENT[1:])), [200, 200]),
    ],
    ids=["ticket", "exact content", "a check of the content"],
)
async def test_cbc_without_a_ticket_cannot_stop_a_replay_and_warns(
    grant: Grant, statuses: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    async with granting(virtual(CBC), grant) as receiver:
        captured = access(CBC)
        altered = evolve(captured, iv=f"{int(captured.iv[:2], 16) ^ 1:02x}{captured.iv[2:]}")
        answers = [await send_access(receiver, call, VERIFY) for call in (captured, altered)]

    assert [status for status, _ in answers] == statuses
    assert "a grant without a ticket cannot stop a replay" in caplog.text


@pytest.mark.parametrize("receiver", [virtual(CBC), granting(virtual())], ids=["no lookup", "GCM"])
async def test_what_is_authenticated_is_not_warned_of(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiver:
        assert caplog.text == ""


@pytest.mark.parametrize(
    "change",
    [
        {"ticket": "another"},
        {"session": "another"},
        {"ticket": "another", "session": "another"},
        {"padding": True},
    ],
    ids=["ticket", "session", "both", "other base64 of the same data"],
)
async def test_without_tickets_the_data_is_accepted_once(change: dict[str, Any]) -> None:
    async with granting(virtual(), Grant(KEY)) as receiver:
        captured = access(receiver.cipher, content=b"four")  # 20 bytes: the last character has spare bits
        if change.pop("padding", False):
            change["data"] = f"{captured.data[:-2]}{chr(ord(captured.data[-2]) + 1)}="
        answers = [
            await send_access(receiver, call, VERIFY) for call in (captured, evolve(captured, **change))
        ]

    assert [status for status, _ in answers] == [200, 403]
    assert refusals(receiver) == [Reason.REPLAYED]


async def test_forged_accesses_take_no_place() -> None:
    receiver = granting(virtual(tickets=2, tickets_per_session=1))
    async with receiver:
        genuine = access(receiver.cipher)
        forged = [evolve(genuine, ticket=f"forged {number}") for number in range(50)]
        forged += [evolve(stamped(genuine, ends=86_000), data=f"AAAA{number:04}") for number in range(50)]
        statuses = {(await send_access(receiver, request, VERIFY))[0] for request in forged}

        assert statuses == {403}
        assert (await send_access(receiver, genuine, VERIFY))[0] == 200


async def test_the_tickets_of_one_session_do_not_shut_out_another() -> None:
    receiver = virtual(tickets_per_session=2)

    @receiver.on_verify
    async def lookup(request: Access) -> Grant:
        return Grant(KEY, request.ticket)

    async with receiver:
        requests = [access(receiver.cipher, ticket=f"ticket {number}") for number in range(3)]
        requests.append(evolve(requests[2], session="s2"))
        answers = [await send_access(receiver, request, VERIFY) for request in requests]

    assert [status for status, _ in answers] == [200, 200, 503, 200]


@pytest.mark.parametrize("seconds, status", [(-31, 403), (-30, 200), (0, 200), (30, 200), (31, 403)])
async def test_a_timestamp_must_be_the_issued_one_within_the_skew(seconds: float, status: int) -> None:
    issued = int(at(7200).timestamp() * 1000)
    async with granting(virtual(), Grant(KEY, TICKET, auth_ts=issued)) as receiver:
        answered, _ = await send_access(receiver, access(receiver.cipher, ends=7200 + seconds), VERIFY)

    assert answered == status
    assert refusals(receiver) == ([Reason.TIMESTAMP] if status == 403 else [])


async def test_no_access_is_accepted_after_the_end_of_its_session() -> None:
    async with granting(virtual(), Grant(KEY, TICKET, until=at(100))) as receiver:
        await asyncio.sleep(101)
        status, _ = await send_access(receiver, access(receiver.cipher, ends=200), VERIFY)

    assert (status, refusals(receiver)) == (403, [Reason.EXPIRED])


def test_the_end_of_a_session_needs_a_time_zone() -> None:
    with pytest.raises(InvalidRequest, match="until: has no time zone"):
        Grant(KEY, until=at(0).replace(tzinfo=None))


@pytest.mark.parametrize("ticket", ["", "x" * 5000, 5])
def test_a_granted_ticket_that_no_access_can_have_is_refused(ticket: Any) -> None:  # noqa: ANN401 - of a wrong type
    with pytest.raises(InvalidRequest, match="ticket"):
        Grant(KEY, ticket)


@pytest.mark.parametrize("seconds", [0, 60])
async def test_a_lookup_that_fails_or_hangs_is_answered_with_503(
    seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = virtual()

    @receiver.on_verify
    async def broken(refused: Access) -> Grant:
        await asyncio.sleep(seconds)
        raise KeyError(refused.ticket)

    async with receiver:
        status, _ = await send_access(receiver, access(receiver.cipher), VERIFY)

    assert (status, refusals(receiver)) == (503, [Reason.LOOKUP])
    assert ("KeyError at test_access.py" in caplog.text) != ("timed out after 5 s" in caplog.text)
    assert TICKET not in caplog.text


async def test_a_key_that_cannot_be_encoded_fails_the_lookup() -> None:
    cipher = Cipher(key_encoding=Encoding.PLAIN)
    key = bytes(range(200, 232))
    async with granting(virtual(cipher), Grant(key)) as receiver:
        status, _ = await send_access(receiver, access(cipher, key=key), VERIFY)

    assert status == 503


def test_data_has_no_plain_encoding() -> None:
    with pytest.raises(ValueError, match="encoding"):
        Cipher(encoding=Encoding.PLAIN)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_every_aes_key_size_is_accepted(size: int) -> None:
    cipher, key = Cipher(), bytes(size)

    assert cipher.decrypt(key, *cipher.encrypt(key, bytes(12), CONTENT)) == CONTENT
    assert Grant(key).key == key


def test_a_key_of_wrong_size_is_refused_but_not_shown() -> None:
    with pytest.raises(InvalidRequest, match="is 3 bytes long") as caught:
        Grant(b"key")

    assert "b'key'" not in str(caught.value)


def test_only_one_lookup_can_be_registered() -> None:
    receiver = granting(Receiver())

    with pytest.raises(InvalidRequest, match="a lookup is already registered"):
        granting(receiver)


async def test_no_secret_appears_in_logs_reprs_or_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with granting(virtual(CBC), Grant(KEY, TICKET, lambda _: False)) as receiver:
        request = access(CBC)
        _, body = await send_access(receiver, request, VERIFY)

    texts = [caplog.text, repr(receiver), repr(request), repr(GRANT), json.dumps(body)]
    for text in texts:
        assert not any(secret in text for secret in (*SECRETS, request.data, request.iv))
