"""What CONTRIBUTING asks of commits, changelog fragments and versions is checked, and holds."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

import koophone_async

HERE: Final = Path(__file__).parents[1]
CHECK: Final = HERE / ".ci" / "check_commits.py"
FRAGMENTS: Final = sorted(path for path in (HERE / "changes").glob("*.md") if path.name != "README.md")
PROJECT: Final[dict[str, Any]] = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))
PIN: Final = re.compile(r"^([a-z0-9.-]+)==([^ ;\\\n]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((HERE / "requirements" / lock).read_text("utf-8")))


def names(requirements: list[str]) -> set[str]:
    return {match[0] for text in requirements if (match := re.match(r"[a-z0-9.-]+", text))}


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_one_sentence_of_a_known_kind(fragment: Path) -> None:
    kinds = "|".join(kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"])

    assert re.fullmatch(rf"[a-z0-9-]+\.({kinds})\.md", fragment.name)
    assert re.fullmatch(r"[^\n]+\.\n", fragment.read_text("utf-8"))


def test_the_newest_release_is_the_version_once_its_fragments_are_gone() -> None:
    (newest, *_) = [*re.findall(r"^## (\S+)", (HERE / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE), None]

    assert FRAGMENTS or newest == koophone_async.__version__


def test_the_demo_installs_versions_that_developers_have() -> None:
    assert pins("demo.txt").items() <= pins("dev.txt").items()


def test_every_dependency_is_locked() -> None:
    needed = names(PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["cli"])
    groups = PROJECT["dependency-groups"]
    build, dev = groups["build"], [text for text in groups["dev"] if isinstance(text, str)]

    assert needed | names(build) <= set(pins("demo.txt"))
    assert needed | names(build) | names([text.lower() for text in dev]) <= set(pins("dev.txt"))


def test_the_command_line_has_what_rollouts_need() -> None:
    extras = PROJECT["project"]["optional-dependencies"]

    assert set(extras["rollouts"]) <= set(extras["cli"])


def test_the_lowest_versions_that_are_tested_are_those_that_are_promised() -> None:
    project = PROJECT["project"]
    promised = [
        re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", text)
        for text in project["dependencies"] + project["optional-dependencies"]["cli"]
    ]

    lowest = {name: f"{version}.0.0" for name, version in pins("lowest.txt").items()}
    assert [bound[0] for bound in promised if bound and not lowest[bound[1]].startswith(f"{bound[2]}.")] == []
    assert all(promised)


@pytest.mark.parametrize("lock", ["demo.txt", "dev.txt", "lowest.txt", "uv.txt"])
def test_a_lock_names_hashes_and_no_address(lock: str) -> None:
    text = (HERE / "requirements" / lock).read_text("utf-8")

    assert all("--hash=sha256:" in entry for entry in re.split(PIN, text)[3::3])
    assert "://" not in text


def test_ci_begins_with_the_two_commands_of_the_readme() -> None:
    (shown, *_) = re.findall(r"```console\n(.*?)```", (HERE / "README.md").read_text("utf-8"), re.DOTALL)
    (first, *others) = re.findall(r"^step (.+)$", (HERE / ".ci" / "run").read_text("utf-8"), re.MULTILINE)

    assert re.findall(r"^\$ (make \w+)", shown, re.MULTILINE) == ["make demo", "make test"]
    assert [first, others[0]] == ["newcomer make demo", "newcomer make test"]


def git(repository: Path, *words: str) -> str:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    command = ["git", "-C", str(repository), *who, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - in a test's own
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with the script in it and one commit, which is not checked."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / CHECK.name).write_text(CHECK.read_text("utf-8"))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--allow-empty", "--message", "x" * 100)
    (tmp_path / ".ci" / "first-checked-commit").write_text(git(tmp_path, "rev-parse", "HEAD"))
    return tmp_path


def checked(repository: Path) -> tuple[int, str]:
    command = [sys.executable, str(repository / ".ci" / CHECK.name), str(repository)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own script
    return done.returncode, done.stdout + done.stderr


@pytest.mark.process
@pytest.mark.parametrize(
    "message, problem",
    [
        ("Halve a refused batch until the bad ids stand alone\n\nWhy.", ""),
        ("Ü" + "x" * 71, ""),
        ("X" * 73, "the subject has 73 characters; at most 72"),
        ("Halve a refused batch.", "the subject ends in a full stop"),
        ("Halve a refused batch\nWhy.", "the second line is not empty"),
        ("fixup! Halve a refused batch", "the commit is unfinished"),
        ("halve a refused batch", "the subject does not begin with a capital letter"),
    ],
)
def test_the_message_of_a_new_commit_is_checked(repository: Path, message: str, problem: str) -> None:
    git(repository, "commit", "--allow-empty", "--message", message)

    code, printed = checked(repository)

    assert code == bool(problem)
    assert f"1 commits checked, {int(bool(problem))} with problems" in printed
    assert problem in printed


@pytest.mark.process
def test_a_history_without_the_first_checked_commit_is_an_error(repository: Path) -> None:
    (repository / ".ci" / "first-checked-commit").write_text("0" * 40)

    code, printed = checked(repository)

    assert code == 1
    assert "the commits cannot be checked" in printed


@pytest.mark.process
def test_a_history_that_is_cut_off_is_an_error(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git(repository, "add", ".ci")
    git(repository, "commit", "--message", "Add the check")
    shallow = tmp_path_factory.mktemp("shallow")
    git(shallow, "clone", "--quiet", "--depth", "1", repository.as_uri(), ".")

    code, printed = checked(shallow)

    assert code == 1
    assert "the history is cut off" in printed
