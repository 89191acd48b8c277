"""Whatever bytes the files of options hold, the command ends with one line that says what is wrong."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from koophone_async.emulator import Emulator
from koophone_async.testing import run_virtually
from koophone_async.text_input import MAX_DEPTH, parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Result, RunMain

OPTIONS = {
    "--faults": ("emulator", "--host", "256.0.0.1", "--phones", "3", "--faults", "{}"),
    "--state": ("emulator", "--host", "256.0.0.1", "--phones", "3", "--state", "{}"),
    "--secrets-file": ("events", "serve", "--host", "256.0.0.1", "--secrets-file", "{}"),
    "--body": ("api", "koophone.commands.run", "--body", "@{}"),
}
"""Commands that end by themselves, because of an address that does not exist or of missing credentials."""

NAMES = (
    *("action", "kind", "operation", "phone", "every", "first", "probability", "status", "retry_after"),
    *("instance_ids", "command", "key", "ticket", "*"),
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(("refuse", "fail", "delay", "\ud83d", "null", "-1", "1e999"))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


def encoded(value: object, encoding: str) -> bytes:
    return json.dumps(value).encode(encoding)


contents = st.binary(max_size=20) | st.builds(
    encoded,
    values,
    st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32")),
)
ODD = (
    *(b"", b" \n", b"\0", b"\xff\xfe", b"\xff", b"[]", b"{}", b"null", b'"', b'"\\ud83d"', b"[1,]", b"NaN"),
    *(b"9" * 5000, b"[" + b"9" * 5000 + b"]", b"-1e999", b"[" * 200_000, b"[" * 500 + b"]" * 500),
    b'{"a":' * 500 + b"1" + b"}" * 500,
)
in_one_directory = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(result: Result) -> None:
    # No credentials, which is 3, where the file is a request that could be sent.
    assert result.code in (2, 3)
    assert "Traceback" not in result.err
    lines = result.err.splitlines()
    assert len([line for line in lines if line.startswith("koophone: ")]) == 1
    assert len(lines) == (1 if result.code == 2 else 2)
    assert result.out == ""


@pytest.fixture(params=OPTIONS)
def line(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    return [word.format(tmp_path / "file") for word in OPTIONS[request.param]]


@in_one_directory
@given(contents)
def test_any_content_ends_in_one_line(
    run_main: RunMain, tmp_path: Path, line: list[str], content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)

    check(run_main(*line))


@pytest.mark.parametrize("content", ODD, ids=range(len(ODD)))
def test_odd_content_ends_in_one_line(
    run_main: RunMain, tmp_path: Path, line: list[str], content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)

    check(run_main(*line))


@pytest.mark.parametrize("place", ["/", "/none/file", "/dev/full", "/dev/zero", "/proc/self/mem"])
@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_no_file_ends_in_one_line(run_main: RunMain, option: str, place: str) -> None:
    result = run_main(*(word.format(place) for word in OPTIONS[option]))

    check(result)
    assert place in result.err


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(cast("dict[str, object]", value).items())
    if isinstance(value, list):
        children = list(enumerate(cast("list[object]", value)))
    return [path, *(found for key, child in children for found in paths(child, (*path, key)))]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("snapshot") / "state"

    async def write() -> None:
        async with Emulator(3, state=file):
            pass

    run_virtually(write())
    return file.read_text()


@settings(in_one_directory, max_examples=8)
@given(st.data(), values)
def test_a_snapshot_with_one_odd_value_ends_in_one_line(
    run_main: RunMain,
    tmp_path: Path,
    snapshot: str,
    data: st.DataObject,
    value: Any,  # noqa: ANN401 - JSON
) -> None:
    file = tmp_path / "state"
    content = {"state": json.loads(snapshot)}
    *outer, last = data.draw(st.sampled_from(paths(content)[1:]))
    parent: Any = content
    for key in outer:
        parent = parent[key]
    parent[last] = value
    file.write_text(json.dumps(content["state"]))

    check(run_main(*(word.format(file) for word in OPTIONS["--state"])))


@given(values, st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-32")))
@example(["\ud83d"], "utf-8")
def test_json_is_read_in_every_marked_encoding(value: object, encoding: str) -> None:
    text = json.dumps(value)
    try:
        parsed = parse_json(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"64 bits|too large|not a JSON value"):
            parse_json(text.encode(encoding))
    else:
        assert parse_json(text.encode(encoding)) == parsed == value


@pytest.mark.parametrize(
    "text, problem",
    [
        (b'{"a": 1,\n"\xff"}', "is not UTF-8: byte 0xff in line 2"),
        (codecs.BOM_UTF16_LE + b"[", "is not UTF-16: byte 0x5b in line 1"),
        (b"", "is empty, and not JSON"),
        (b'{"a": }', "is not JSON: Expecting value: line 1 column 7 (char 6)"),
        (b"[NaN]", "is not JSON: NaN is not a JSON value"),
        (b"1e999", "has a number that is too large: 1e999"),
        (b"9" * 5000, "has an integer of more than 64 bits: 999999999999… (5,000 characters)"),
        (str(2**64).encode(), "has an integer of more than 64 bits: 184467440737… (20 characters)"),
        (b"[" * 200_000, "is nested more than 100 levels deep"),
        (b"[" * 101 + b"]" * 101, "is nested more than 100 levels deep"),
    ],
)
def test_json_that_cannot_be_used_is_refused_with_the_reason(text: bytes, problem: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        parse_json(text)

    assert str(refused.value) == problem


def test_the_largest_values_are_read() -> None:
    for value in (2**64 - 1, -(2**63), 1.5e308):
        assert parse_json(json.dumps(value)) == value
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_the_reason_is_one_line_without_control_codes(run_main: RunMain, tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(json.dumps({"s\n\x1b[31m": "hunter2"}))

    result = run_main("events", "serve", "--secrets-file", str(file))

    check(result)
    assert "hunter2" not in result.err
    assert r"session s\n\x1b[31m" in result.err


ini_lines = st.sampled_from(
    (
        "[basic]",
        "[basic",
        "ak",
        "sk",
        "ak = a",
        "sk = b",
        " continued",
        "\tak = c",
        "= x",
        ": y",
        "# z",
        "\x00",
    )
) | st.text(max_size=5)


@in_one_directory
@given(st.lists(ini_lines, max_size=6).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")))
@example(b"[basic]\nak\n  hunter2\n")
@example(b"[basic]\nak = a\nsk = \xff\n")
def test_any_profile_file_ends_in_one_line(run_main: RunMain, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profiles").write_bytes(content)
    environ = {
        "HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(tmp_path / "profiles"),
        "KOOPHONE_ENDPOINT": "http://127.0.0.1:9",
    }

    result = run_main("--profile", "basic", "orders", "skus", environ=environ)

    assert result.code == 3
    check(result)
    assert "hunter2" not in result.err
