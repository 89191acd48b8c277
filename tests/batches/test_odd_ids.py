"""Ids that no service knows: each is reported alone, and not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from koophone_async import CloudPhone, KooPhone, State
from koophone_async.batches.chunks import id_problem
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.gaming import Gaming

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from koophone_async import Run
    from koophone_async.emulator import Emulator

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=100)]

INVISIBLE = [
    ("\n", "U+000A (line feed)"),
    ("\r", "U+000D (carriage return)"),
    ("\t", "U+0009 (tab)"),
    (" ", "U+0020 (space)"),
    ("\x00", "U+0000 (control character)"),
    ("\x1b", "U+001B (control character)"),
    ("\x85", "U+0085 (control character)"),
    ("\xa0", "U+00A0 (no-break space)"),
    ("\xad", "U+00AD (soft hyphen)"),
    ("\u034f", "U+034F (combining grapheme joiner)"),
    ("\u200b", "U+200B (zero width space)"),
    ("\u200e", "U+200E (left-to-right mark)"),
    ("\u2028", "U+2028 (line separator)"),
    ("\u2060", "U+2060 (word joiner)"),
    ("\u3000", "U+3000 (ideographic space)"),
    ("\u3164", "U+3164 (hangul filler)"),
    ("\ufe0f", "U+FE0F (variation selector-16)"),
    ("\ufeff", "U+FEFF (byte order mark)"),
    ("\ud83d", "U+D83D (surrogate)"),
]


@pytest.mark.parametrize("character, name", INVISIBLE, ids=[name for _, name in INVISIBLE])
def test_an_invisible_character_at_an_end_is_named(character: str, name: str) -> None:
    assert id_problem(f"phone1{character}") == f"the id ends with {name}"
    assert (id_problem(f"{character[::-1]}phone1") or "").startswith("the id starts with ")


@pytest.mark.parametrize("character", ["\n", "\x00", "\u200b", "\ufeff", "\u2029"], ids=ascii)
def test_a_control_character_within_an_id_is_named(character: str) -> None:
    assert "the id contains " in (id_problem(f"phone1{character}phone2") or "")


@given(st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True))
def test_printable_ascii_is_an_id(id: str) -> None:
    assert id_problem(id) is None


async def test_a_file_of_ids_is_refused_line_by_line(
    emulator: Emulator, koophone: KooPhone, tmp_path: Path
) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("".join(f"{phone.id}\n" for phone in emulator.phones))

    with path.open() as lines:
        report = await koophone.fleet(lines).run("id")

    assert report.counts == {State.NOT_SENT: 100}
    assert {outcome.error_message for outcome in report} == {"the id ends with U+000A (line feed)"}
    assert emulator.ledger.requests == 0


ODD = st.one_of(
    st.none(), st.integers(), st.floats(), st.binary(), st.just(""), st.text(min_size=33),
    st.builds("{}{}".format, st.text("ab", max_size=3), st.sampled_from([c for c, _ in INVISIBLE])),
    st.builds("{1}{0}".format, st.text("ab", max_size=3), st.sampled_from([c for c, _ in INVISIBLE])),
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(odd=st.lists(ODD, max_size=20), data=st.data())
async def test_odd_ids_do_not_keep_others_from_running(
    emulator: Emulator, koophone: KooPhone, odd: list[Any], data: st.DataObject
) -> None:
    valid = [phone.id for phone in emulator.phones][:10]
    mixed = data.draw(st.permutations([*valid, *odd]))
    before = emulator.ledger.requests

    report = await koophone.fleet(mixed).run_sync("id")

    assert {id for id, outcome in report.outcomes.items() if outcome.ok} == set(valid)
    assert report.total == len({str(item) for item in mixed})
    assert all(outcome.error_message for outcome in report if not outcome.ok)
    assert emulator.ledger.requests - before == 1


FLEETS: dict[str, Callable[[CloudPhone, Any], Run[Any, Any]]] = {
    "stop": lambda cph, ids: cph.fleet(ids).stop(),
    "run": lambda cph, ids: cph.fleet(ids).run("id"),
    "restart servers": lambda cph, ids: cph.server_fleet(ids).restart(),
    "restart encoding servers": lambda cph, ids: cph.encoding_fleet(ids).restart(),
    "deploy": lambda cph, ids: cph.gaming.fleet(ids).deploy(["v1"]),
    "update": lambda cph, ids: cph.gaming.fleet(ids).update(["v1"]),
}


@pytest.mark.parametrize("fleet", FLEETS)
async def test_odd_ids_are_not_sent_to_cph_either(emulator: Emulator, fleet: str) -> None:
    async with emulator.session() as session:
        cph = CloudPhone(session, project_id="P")
        before = emulator.ledger.requests

        report = await FLEETS[fleet](cph, ["phone1\n", "\ufeffphone2", b"phone3", None])

        assert report.counts == {State.NOT_SENT: 4}
        assert emulator.ledger.requests == before


@pytest.mark.parametrize(
    "source, problem",
    [
        pytest.param("phone1", "is the string 'phone1'; pass a list of ids", id="str"),
        pytest.param(b"phone1", "is of type bytes; pass a list of ids", id="bytes"),
        pytest.param(bytearray(b"phone1"), "is of type bytearray; pass a list of ids", id="bytearray"),
        pytest.param(memoryview(b"phone1"), "is of type memoryview; pass a list of ids", id="memoryview"),
        pytest.param(None, "is of type NoneType; pass a list of ids", id="None"),
        pytest.param(7, "is of type int; pass a list of ids", id="int"),
    ],
)
@pytest.mark.parametrize("fleet", ["koophone", *FLEETS])
async def test_only_lists_are_inputs(emulator: Emulator, fleet: str, source: list[str], problem: str) -> None:
    async with emulator.session() as session:
        koophone, cph = KooPhone(session), CloudPhone(session, project_id="P")
        with pytest.raises(InvalidRequest, match=problem) as raised:
            _ = koophone.fleet(source).run("id") if fleet == "koophone" else FLEETS[fleet](cph, source)

    assert (raised.value.field, raised.value.rule) == ("ids", Rule.WRONG_TYPE)


async def test_a_single_call_refuses_bytes_too(koophone: KooPhone, emulator: Emulator) -> None:
    with pytest.raises(InvalidRequest, match="is of type bytes; pass a list of ids"):
        await koophone.instances.reboot(b"phone1")  # type: ignore[arg-type]
    async with emulator.session() as session:
        cph = CloudPhone(session, project_id="P")
        with pytest.raises(InvalidRequest, match="phones: is of type bytes; pass a list of phones"):
            await cph.phones.restart(b"phone1")  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="versions: is the string 'v1'; pass a list of versions"):
            _ = Gaming(session.bind(project_id="P")).fleet(["s1"]).deploy("v1")
