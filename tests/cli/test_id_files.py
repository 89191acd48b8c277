"""Ids are read from files in the forms that people's tools write, and nothing is guessed."""

from __future__ import annotations

import codecs
import io
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import id_files
from koophone_async.batches import Outcome, State
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.rows import OUTCOME_COLUMNS
from koophone_async.cli.parameters.input_files import read_ids
from koophone_async.errors import InvalidRequest
from koophone_async.file_access import bounded
from koophone_async.id_files import load_ids, parse_ids, parse_stream
from koophone_async.text_input import decode_lines, decode_text

if TYPE_CHECKING:
    from pathlib import Path

THREE = ["phone0001", "phone0002", "phone0003"]
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
}
FORMS = {
    "list": "phone0001\nphone0002\nphone0003",
    "list with end": "phone0001\nphone0002\nphone0003\n",
    "blanks": "\n  phone0001\t\n\nphone0002  \n \n phone0003\n\n",
    "comments": "# three phones\nphone0001 # the first\nphone0002\n#phone0009\nphone0003\n",
    "quotes": "\"phone0001\"\n'phone0002'\nphone0003\n",
    "program": '"phone0001",\n"phone0002",\n"phone0003"\n',
    "one line": "phone0001, phone0002,phone0003\n",
    "semicolons": "phone0001;phone0002;phone0003",
    "column": "id\nphone0001\nphone0002\nphone0003\n",
    "named column": "Instance ID\nphone0001\nphone0002\nphone0003\n",
    "csv": 'name,id,state\nshop,phone0001,running\n"a,\nb",phone0002,#\n,phone0003,\n',
    "csv of a spreadsheet": 'sep=;\nname;"ID"\n"x";"phone0001"\n;phone0002\n;phone0003\n;\n;\n',
    "tabs": "instance-id\tname\nphone0001\tx\nphone0002\t\nphone0003\ty, z\n",
    "comment above csv": "# exported\nid,name\nphone0001,x\nphone0002,y\nphone0003,z\n",
    "table": (
        "ID         STATE      OUTPUT\nphone0001  succeeded  a, b\n"
        "phone0002  failed\nphone0003  failed     # x\n"
    ),
    "json": '["phone0001", "phone0002", "phone0003"]',
    "json objects": '[{"id": "phone0001", "name": "x"},\n {"id": "phone0002"}, {"id": "phone0003"}]',
    "json of the service": '[{"instance_id": "phone0001"}, {"instance_id": "phone0002"}, "phone0003"]',
    "json lines": '{"id": "phone0001"}\n\n{"id": "phone0002"}\n{"name": 1, "id": "phone0003"}\n',
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_form_is_read(form: str, end: str, encoding: str) -> None:
    text = FORMS[form].replace("\n", end)

    assert parse_ids(ENCODINGS[encoding] + text.encode(encoding)) == THREE


@pytest.mark.parametrize("name", ["id", "instance_id"])
def test_one_object_may_take_several_lines(name: str) -> None:
    assert parse_ids(b'{\n  "%s": "phone0001"\n}\n' % name.encode()) == ["phone0001"]


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"phone0001\nphone\xff\n", "is not UTF-8: byte 0xff in line 2"),
        ("phone0001\n".encode("utf-16-le"), "contains NUL characters, like UTF-16 without a byte order mark"),
        (b"phone0001\nphone0002 phone0003\n", "line 2: 'phone0002 phone0003' contains white space"),
        (b"phone0001,running\nphone0002,stopped\n", "line 1: has several values, and the first line"),
        (b"phone0001\nphone0002,phone0003\n", "line 2: has several values, and the first line"),
        (b"name,state\nshop,running\n", "line 1: has several values, and the first line"),
        (b"id,name,ID\na,b,c\n", "line 1: has several columns of ids: id, ID"),
        (b"phone,server\na,b\n", "line 1: has several columns of ids: phone, server"),
        (b"name,id\nx,a\ny\n", "line 3: has 1 columns, and the ids are in column 2"),
        (b"name,id\nx,a\ny,\n", "line 3: the id is empty"),
        (b'id,name\na,"x\n', "line 2: is not CSV"),
        (b"ids,count\nphone[0001-0480],480\n", "line 1: has ranges of ids, as --group prints them"),
        ("a\nb\u200b\n".encode(), "line 2: 'b\\u200b' contains the character U+200B"),
        (b"a\nb\x1b[0m\n", "line 2: 'b\\x1b[0m' contains the character U+001B"),
        (b'a\n"b\n', "line 2: '\"b' contains a quote"),
        (b'a\n""\n', "line 2: the id is empty"),
        (b'["a", 7]', "entry 2: the id is not text"),
        (b'[{"id": "a"}, {"name": "b"}]', "entry 2: has no column named id, but name"),
        (b'["a", ""]', "entry 2: the id is empty"),
        (b'["a",]', "is not JSON"),
        (b'{"id": "a"}\n{"id": null}\n', "line 2: the id is not text"),
        (b'{"id": "a"}\n{"id": \n', "line 2: is not JSON"),
        (b'{"id": "a"}\nb\n', "line 2: is not JSON"),
        (b'{"id": "a"\n{"id": "b"}\n', "line 1: is not JSON"),
        (b"[" * 2000 + b"]" * 2000, "is nested more than 100 levels deep"),
    ],
)
def test_what_is_no_list_of_ids_is_refused_with_its_line(content: bytes, problem: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is compared
        parse_ids(content)

    assert str(refused.value).startswith(problem)


outcomes = st.builds(
    Outcome,
    st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True).filter(lambda id: id.lower() != "sep="),
    st.sampled_from(State),
    output=st.none() | st.text(max_size=20),
    error_message=st.none() | st.text(max_size=20),
    resume_token=st.none() | st.just("kp1.x"),
)


@pytest.mark.parametrize("output", [Format.CSV, Format.JSON, Format.JSONL])
@given(st.lists(outcomes))
def test_the_own_output_is_read(output: Format, rows: list[Outcome]) -> None:
    with redirect_stdout(io.StringIO(newline="")) as printed, printer(output, OUTCOME_COLUMNS) as out:
        for row in rows:
            out.row(row.to_row())

    assert parse_ids(printed.getvalue().encode("utf-8")) == [row.id for row in rows]


@given(
    st.binary(max_size=40) | st.text(st.sampled_from('a,;\t\n\r"#[]{}: \x00'), max_size=20).map(str.encode)
)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        ids = parse_ids(content)
    except ValueError:
        return
    assert all(ids)


def test_a_file_is_read_no_further_than_its_first_error(tmp_path: Path) -> None:
    """A line is checked while it is read: a file of a million ids is not held in memory for it."""
    file = tmp_path / "ids"
    file.write_bytes(b"phone0001\nphone 2\n" + b"phone0003\n" * 100_000)
    with file.open("rb") as stream:
        with pytest.raises(ValueError, match="line 2: 'phone 2' contains white space"):
            list(parse_stream(stream))

        assert stream.tell() < 50_000


@pytest.mark.parametrize("content", [b"\0" * 70_000, b"\0\n"], ids=["without end", "with end"])
def test_what_is_no_text_is_refused_by_its_beginning(content: bytes) -> None:
    with pytest.raises(ValueError, match="contains NUL characters"):
        parse_ids(content)


def test_a_long_first_line_is_read() -> None:
    assert len(parse_ids(b",".join(b"phone%05d" % number for number in range(20_000)))) == 20_000


def test_ids_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_files, "_MAX_IDS", 10)
    (tmp_path / "ids").write_text("a\n" * 11)

    with pytest.raises(InvalidRequest, match="contains more than 10 ids"):
        read_ids(str(tmp_path / "ids"))


def test_a_file_of_a_plan_is_no_larger_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_files, "MAX_SIZE", 10)
    file = tmp_path / "ids"
    file.write_text("a\n" * 5)
    assert load_ids(str(file), "ids_file") == ["a"] * 5

    file.write_text("a\n" * 6)
    with pytest.raises(InvalidRequest, match=f"ids_file: {file} is larger than"):
        load_ids(str(file), "ids_file")


def test_a_directory_is_no_file_with_ids(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=f"ids_file: {tmp_path} cannot be read: Is a directory"):
        load_ids(str(tmp_path), "ids_file")


def in_pieces(data: bytes, size: int) -> io.BufferedReader:
    source = io.BytesIO(data)
    return bounded(lambda _: source.read(size), len(data))


@given(st.lists(st.text(min_size=1), min_size=1), st.sampled_from(sorted(ENCODINGS)), st.integers(1, 7))
def test_lines_are_decoded_as_the_text_is(lines: list[str], encoding: str, size: int) -> None:
    """In whatever pieces a pipe delivers it."""

    data = ENCODINGS[encoding] + "\n".join(lines).encode(encoding, "surrogatepass")
    try:
        text = decode_text(data)
    except ValueError:
        with pytest.raises(ValueError, match="is not UTF"):
            list(decode_lines(in_pieces(data, size)))
    else:
        assert "".join(decode_lines(in_pieces(data, size))) == text


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# none\n", b"id,name\n", b"[]", codecs.BOM_UTF8])
def test_a_file_without_ids_is_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("ids") / "ids"
    file.write_bytes(content)

    with pytest.raises(InvalidRequest, match=f"--ids-file {file}: contains no ids"):
        read_ids(str(file))
