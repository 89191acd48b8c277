"""Listings of shared storage, complete and truncated."""

from __future__ import annotations

import json
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from koophone_async.cph import Capacity, Listing, SharedFile

NAMES: Final = st.text(st.characters(exclude_characters="\t", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name == name.strip()
)


FILES: Final = st.lists(
    st.builds(SharedFile, NAMES, st.integers(0, 2**40), st.just("Jul 28 15:28")), max_size=30
)


def written(files: list[SharedFile], *, in_ascii: bool) -> tuple[bytes, list[int]]:
    """Return a listing as the service writes it, and the end of each of its files."""
    text, ends = b'{"files_in_path":[', list[int]()
    for file in files:
        entry = f"{file.size}\t Jul\t 28\t 15:28\t {file.name}\t "
        text += (b"," if ends else b"") + json.dumps(entry, ensure_ascii=in_ascii).encode()
        ends.append(len(text))
    return text + rb'],"share_base_capacity":"33G\t 186M\t 31G\t 1%\t "}', ends


@given(files=FILES, in_ascii=st.booleans())
def test_a_complete_listing_is_parsed(files: list[SharedFile], *, in_ascii: bool) -> None:
    output, _ = written(files, in_ascii=in_ascii)

    listing = Listing.read(output.decode())

    assert listing == Listing(tuple(files), Capacity("33G", "186M", "31G", "1%"), is_cut=False)


@given(files=FILES, in_ascii=st.booleans(), data=st.data())
def test_a_truncated_listing_has_the_files_before_the_cut(
    files: list[SharedFile], *, in_ascii: bool, data: st.DataObject
) -> None:
    output, ends = written(files, in_ascii=in_ascii)
    cut = data.draw(st.integers(0, len(output) - 1))

    listing = Listing.read(output[:cut].decode(errors="replace"))

    assert listing.is_cut
    assert listing.files == tuple(files[: sum(end <= cut for end in ends)])


@given(st.text())
def test_any_output_can_be_parsed_as_a_listing(output: str) -> None:
    assert Listing.read(output).capacity is None or "share_base_capacity" in output


def test_a_key_without_its_colon_is_no_file() -> None:
    assert Listing.read('{"files_in_path":["a"],"share_base_capacity"').files == (SharedFile("a"),)


def test_an_entry_of_another_form_is_a_name() -> None:
    huge = "9" * 5_000  # more than Python converts to an integer
    entries = r'["total 4", "4.0K\t Jul\t 28\t 2019\t a b\t ", "\q", "HUGE\t a\t b\t c\t d\t "]'.replace(
        "HUGE", huge
    )
    output = f'{{"files_in_path": {entries}, "share_base_capacity": "33G"}}'

    listing = Listing.read(output)

    assert [file.name for file in listing.files] == ["total 4", "a b", "\\q", "d"]
    assert listing.files[1] == SharedFile("a b", None, "Jul 28 2019")
    assert listing.capacity is None
