"""Read ids from a file in the forms that people's tools write.

A file has one id per line, or is a table (CSV with commas, semicolons or tabs, or the table of a command)
whose header names the column, or is JSON: a list of ids or of objects, or one object per line. What fits no
form, or more than one, is an error with its line: a wrong guess would change the wrong phone.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias, cast

from koophone_async.cli.input_files import read_bytes
from koophone_async.errors import InvalidRequest
from koophone_async.text_input import decode_text, parse_json

Numbered: TypeAlias = tuple[int, str]
"""The number of a line, counted from 1, and its text."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_MARK: Final = "\ufeff"
"""A byte order mark, which stays in the middle when files are joined."""

_ID: Final = "id"
_OTHER_NAMES: Final = frozenset(
    f"{noun}{ending}" for noun in ("instance", "phone", "server") for ending in ("", "s", "id", "_id")
)
"""Names of the column with the ids, where there is none named `id`."""

_FOLDED: Final = "ids"

_TABLE_HEADER: Final = re.compile(r"ID(  +[A-Z_]+)+$")
"""The header of a table that this command line printed; the id has no blanks and comes first."""

_QUOTES: Final = ("'", '"')
_SEPARATORS: Final = ("\t", ";", ",")
_SHOWN: Final = 40


def read_ids(file: str) -> list[str]:
    """Read the ids in a file; `-` is stdin.

    Raises:
        InvalidRequest: The file cannot be read, has no ids, or has a line that is none.
    """
    option = f"--ids-file {file}"
    data = read_bytes(file, option)
    try:
        ids = parse_ids(data)
    except InvalidRequest:
        raise
    except ValueError as error:
        raise InvalidRequest("", option, str(error)) from None
    if not ids:
        raise InvalidRequest("", option, "contains no ids")
    return ids


def parse_ids(data: bytes) -> list[str]:
    """Parse the content of a file with ids.

    Raises:
        ValueError: A line is no id, or the form is unknown; the message has the number of the line.
    """
    text = decode_text(data).replace(_MARK, "").rstrip("\x1a")  # Ctrl-Z ended files of DOS
    if "\0" in _LINE_END.split(text, 1)[0]:
        raise ValueError("contains NUL characters, like UTF-16 without a byte order mark")
    if text.lstrip()[:1] in ("[", "{"):
        return [_text(where, id) for where, id in _of_json(text)]
    lines = [(number, line) for number, line in enumerate(_LINE_END.split(text), 1) if _content(line)]
    if not lines:
        return []
    if _TABLE_HEADER.fullmatch(lines[0][1].rstrip()):
        return [line.split()[0] for _, line in lines[1:]]
    if separator := _separator_of_table(lines):
        return [_text(f"line {number}", id.strip()) for number, id in _of_csv(text, separator)]
    return [_plain(f"line {number}", id) for number, id in _of_list(lines)]


def _content(line: str) -> str:
    return line.partition("#")[0].strip()


def _text(where: str, id: object) -> str:
    if not isinstance(id, str):
        raise ValueError(f"{where}: the id is not text")  # noqa: TRY004 - of the file, not of an argument
    if not id:
        raise ValueError(f"{where}: the id is empty")
    return id


def _plain(where: str, text: str) -> str:
    """Refuse what no id of a list has, since the file is in another form then."""
    id = _text(where, text.strip())
    for character in id:
        if character.isspace():
            raise ValueError(f"{where}: {id[:_SHOWN]!r} contains white space; expected one id per line")
        if unicodedata.category(character) in ("Cc", "Cf"):
            raise ValueError(f"{where}: {id[:_SHOWN]!r} contains the character U+{ord(character):04X}")
        if character in "\"'":
            raise ValueError(f"{where}: {id[:_SHOWN]!r} contains a quote")
    return id


def _of_json(text: str) -> Iterator[tuple[str, object]]:
    try:
        value = parse_json(text)
    except ValueError:
        if text.lstrip().startswith("["):
            raise
        yield from _of_json_lines(text)
        return
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    for number, item in enumerate(items, 1):
        yield f"entry {number}", _id_of(f"entry {number}", item)


def _of_json_lines(text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(_LINE_END.split(text), 1):
        if line.strip():
            where = f"line {number}"
            try:
                item = parse_json(line)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            yield where, _id_of(where, item)


def _id_of(where: str, item: object) -> object:
    if not isinstance(item, dict):
        return item
    row = cast("dict[str, object]", item)
    return row[_column(where, list(row))]


def _column(where: str, names: Sequence[str]) -> str:
    """Return the name of the column with the ids."""
    normal = {name: _normal(name) for name in names}
    for wanted in ({_ID}, _OTHER_NAMES):
        matches = [name for name in names if normal[name] in wanted]
        if len(matches) > 1:
            raise ValueError(f"{where}: has several columns of ids: {', '.join(matches)}")
        if matches:
            return matches[0]
    if _FOLDED in normal.values():
        raise ValueError(f"{where}: has ranges of ids, as --group prints them; use the output without it")
    raise ValueError(f"{where}: has no column named id, but {', '.join(names)[:_SHOWN] or 'none at all'}")


def _normal(name: str) -> str:
    return re.sub("[ -]", "_", name.strip().lower())


def _separator_of_table(lines: Sequence[Numbered]) -> str | None:
    """Return the separator if the lines are a table with a header; a list has neither.

    Raises:
        ValueError: Several lines have several values each, and none of them is a header.
    """
    number, first = lines[0]
    named = re.fullmatch("sep=(.)", first.strip(), re.IGNORECASE)  # as Excel writes it above the header
    if named:
        return named[1]
    for separator in _SEPARATORS:
        cells = [_unquoted(cell) for cell in first.split(separator)]
        if {_normal(cell) for cell in cells} & {_ID, _FOLDED, *_OTHER_NAMES}:
            _column(f"line {number}", cells)
            return separator
    several = [number for number, line in lines if len(_values(line)) > 1]
    if several and len(lines) > 1:
        problem = "has several values, and the first line does not name a column id"
        raise ValueError(f"line {several[0]}: {problem}")
    return None


def _of_csv(text: str, separator: str) -> Iterator[Numbered]:
    """Return the ids of a table; its cells may contain line ends and `#`."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    index = None
    try:
        for row in reader:
            is_comment = row[:1] and row[0].lstrip().startswith("#")
            if not any(cell.strip() for cell in row) or is_comment or _is_separator_line(row):
                continue
            where = f"line {reader.line_num}"
            if index is None:
                index = row.index(_column(where, row))
            elif index >= len(row):
                raise ValueError(f"{where}: has {len(row)} columns, and the ids are in column {index + 1}")
            else:
                yield reader.line_num, row[index]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: is not CSV: {error}") from None


def _is_separator_line(row: Sequence[str]) -> bool:
    return row[0].lower() == "sep=" or re.fullmatch("sep=.", row[0], re.IGNORECASE) is not None


def _of_list(lines: Iterable[Numbered]) -> Iterator[Numbered]:
    for number, line in lines:
        for value in _values(line):
            yield number, value


def _values(line: str) -> list[str]:
    """Return the values of a line; one may be quoted, and followed by a comma, as in a program's list."""
    values = re.split("[,;\t]", _content(line).strip(",;\t "))
    return [_unquoted(value) for value in values]


def _unquoted(value: str) -> str:
    value = value.strip()
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES
    return value[1:-1] if is_quoted else value
