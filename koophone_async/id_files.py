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
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Final, TypeAlias, cast

from koophone_async.errors import InvalidRequest
from koophone_async.file_access import UnusableFile, open_bounded
from koophone_async.text_input import decode_lines, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Numbered: TypeAlias = tuple[int, str]
"""The number of a line, counted from 1, and its text with its end."""

_MARK: Final = "\ufeff"
"""A byte order mark, which stays in the middle when files are joined."""

MAX_SIZE: Final = 256 * 2**20
"""Maximum size in bytes of a file with ids; a million of them need a sixth of it."""

_MAX_IDS: Final = 4_000_000
"""More than the fleets that there are, and an end for a stream that has none."""

_ID: Final = "id"
_OTHER_NAMES: Final = frozenset(
    f"{noun}{ending}" for noun in ("instance", "phone", "server") for ending in ("", "s", "id", "_id")
)
"""Names of the column with the ids, where there is none named `id`."""

_FOLDED: Final = "ids"

_TABLE_HEADER: Final = re.compile(r"ID(  +[A-Z_]+)+$")
"""The header of a table that this command line printed; the id has no blanks and comes first."""

_ORDINARY: Final = re.compile(r"[\w.:-]+", re.ASCII)
"""An id in which no character needs to be looked at."""

_QUOTES: Final = ("'", '"')
_SEPARATORS: Final = ("\t", ";", ",")
_SHOWN: Final = 40


def load_ids(path: str, field: str) -> list[str]:
    """Return the ids in a file.

    Args:
        path: Path of the file.
        field: Name of the value with the path, for errors.

    Raises:
        InvalidRequest: The file cannot be read, has no ids, or has a line that is none.
    """
    try:
        with open_bounded(path, MAX_SIZE) as stream:
            return read_ids(stream, field)
    except UnusableFile as error:
        raise InvalidRequest("", field, f"{path} {error}") from None
    except OSError as error:
        raise InvalidRequest("", field, f"{path} cannot be read: {error.strerror or error}") from None


def read_ids(stream: IO[bytes], field: str) -> list[str]:
    """Return the ids in a file that is open.

    Raises:
        InvalidRequest: The file has no ids, too many, or a line that is none.
    """
    try:
        ids = list(islice(parse_stream(stream), _MAX_IDS + 1))
    except ValueError as error:
        raise InvalidRequest("", field, str(error)) from None
    if len(ids) > _MAX_IDS:
        raise InvalidRequest("", field, f"contains more than {_MAX_IDS:,} ids")
    if not ids:
        raise InvalidRequest("", field, "contains no ids")
    return ids


def parse_ids(data: bytes) -> list[str]:
    """Parse the content of a file with ids.

    Raises:
        ValueError: A line is no id, or the form is unknown; the message has the number of the line.
    """
    return list(parse_stream(io.BytesIO(data)))


def parse_stream(stream: IO[bytes]) -> Iterator[str]:
    """Return the ids of a file, which is read as they are taken; only a JSON list is read as a whole."""
    lines = _numbered(stream)
    above: list[Numbered] = []
    is_blank = True
    for number, line in lines:
        above.append((number, line))
        if is_blank and line.lstrip()[:1] in ("[", "{"):
            return _of_json(above, lines)
        if _content(line):
            return _of_lines(above, lines)
        is_blank = is_blank and not line.strip()
    return iter(())


def _numbered(stream: IO[bytes]) -> Iterator[Numbered]:
    """Yield the lines with their ends, without byte order marks and the Ctrl-Z that ended files of DOS."""
    before: Numbered | None = None
    for number, line in enumerate(decode_lines(stream), 1):
        if number == 1 and "\0" in line:
            raise ValueError("contains NUL characters, like UTF-16 without a byte order mark")
        if before:
            yield before
        before = number, line.replace(_MARK, "")
    if before:
        number, line = before
        yield number, line.rstrip("\x1a")


def _of_lines(above: list[Numbered], lines: Iterable[Numbered]) -> Iterator[str]:
    """Yield the ids of a file whose first line with content is the last one of `above`."""
    number, first = above[-1]
    if _TABLE_HEADER.fullmatch(first.rstrip()):
        return (line.split()[0] for _, line in lines if _content(line))
    if separator := _separator_of_table(number, first):
        rows = (line for _, line in chain(above, lines))
        return (_text(f"line {number}", id.strip()) for number, id in _of_csv(rows, separator))
    return (_plain(f"line {number}", id) for number, id in _of_list(chain(above[-1:], lines)))


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
    if _ORDINARY.fullmatch(id):
        return id
    for character in id:
        if character.isspace():
            raise ValueError(f"{where}: {id[:_SHOWN]!r} contains white space; expected one id per line")
        if unicodedata.category(character) in ("Cc", "Cf"):
            raise ValueError(f"{where}: {id[:_SHOWN]!r} contains the character U+{ord(character):04X}")
        if character in "\"'":
            raise ValueError(f"{where}: {id[:_SHOWN]!r} contains a quote")
    return id


def _of_json(above: list[Numbered], lines: Iterable[Numbered]) -> Iterator[str]:
    """Yield the ids of JSON: one value, or one object per line."""
    _, first = above[-1]
    if first.lstrip().startswith("{") and _is_json(first):
        return _of_json_lines(chain(above, lines))
    all_lines = [*above, *lines]
    text = "".join(line for _, line in all_lines)
    try:
        value = parse_json(text)
    except ValueError:
        if text.lstrip().startswith("["):
            raise
        return _of_json_lines(all_lines)
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    return (_id_of(f"entry {number}", item) for number, item in enumerate(items, 1))


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _of_json_lines(lines: Iterable[Numbered]) -> Iterator[str]:
    for number, line in lines:
        if line.strip():
            where = f"line {number}"
            try:
                item = parse_json(line)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            yield _id_of(where, item)


def _id_of(where: str, item: object) -> str:
    if not isinstance(item, dict):
        return _text(where, item)
    row = cast("dict[str, object]", item)
    return _text(where, row[_column(where, list(row))])


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


def _separator_of_table(number: int, first: str) -> str | None:
    """Return the separator if the first line is the header of a table; None if the lines are a list."""
    named = re.fullmatch("sep=(.)", first.strip(), re.IGNORECASE)  # as Excel writes it above the header
    if named:
        return named[1]
    for separator in _SEPARATORS:
        cells = [_unquoted(cell) for cell in first.split(separator)]
        if {_normal(cell) for cell in cells} & {_ID, _FOLDED, *_OTHER_NAMES}:
            _column(f"line {number}", cells)
            return separator
    return None


def _of_csv(lines: Iterable[str], separator: str) -> Iterator[tuple[int, str]]:
    """Return the ids of a table; its cells may contain line ends and `#`."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
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


def _of_list(lines: Iterable[Numbered]) -> Iterator[tuple[int, str]]:
    """Yield the values of a list: one on each line, or several on its only line.

    Raises:
        ValueError: There are several lines with several values, and no header that names them.
    """
    several, count = 0, 0
    for number, line in lines:
        if not _content(line):
            continue
        values, count = _values(line), count + 1
        several = several or (number if len(values) > 1 else 0)
        if several and count > 1:
            problem = "has several values, and the first line does not name a column id"
            raise ValueError(f"line {several}: {problem}")
        for value in values:
            yield number, value


def _values(line: str) -> list[str]:
    """Return the values of a line; one may be quoted, and followed by a comma, as in a program's list."""
    values = re.split("[,;\t]", _content(line).strip(",;\t "))
    return [_unquoted(value) for value in values]


def _unquoted(value: str) -> str:
    value = value.strip()
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES
    return value[1:-1] if is_quoted else value
