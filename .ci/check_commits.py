"""Check the messages of the commits after the one that `first-checked-commit` names.

The rules are CONTRIBUTING's: a subject of at most 72 characters that is no note to oneself, and an empty line
between it and the reasons.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 72
FIRST: Final = Path(__file__).with_name("first-checked-commit")


def git(repository: str, *words: str) -> str:
    """Run git, and end with its own words where it fails."""
    command = ["git", "-C", repository, *words]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")  # noqa: S603 - git
    if done.returncode:
        sys.exit(f"the commits cannot be checked: {done.stderr.strip()}")
    return done.stdout


def problems(message: str) -> Iterator[str]:
    """Yield what is wrong with a message."""
    subject, *body = message.splitlines()
    if len(subject) > LONGEST:
        yield f"the subject has {len(subject)} characters; at most {LONGEST}"
    if subject.endswith("."):
        yield "the subject ends in a full stop"
    if re.match(r"(fixup!|squash!|amend!|wip\b)", subject, re.IGNORECASE):
        yield "the commit is unfinished"
    elif not subject[:1].isupper():
        yield "the subject does not begin with a capital letter"
    if body and body[0]:
        yield "the second line is not empty"


def main(repository: str, first: str) -> int:
    """Print the problems of every commit after the first; return how many commits have one."""
    if git(repository, "rev-parse", "--is-shallow-repository").strip() == "true":
        sys.exit(
            "the commits cannot be checked: the history is cut off; git fetch --unshallow brings all of it"
        )
    commits = git(repository, "rev-list", "--no-merges", f"{first}..HEAD").split()
    wrong = 0
    for commit in commits:
        message = git(repository, "show", "--no-patch", "--format=%B", commit).strip()
        found = [*problems(message)]
        wrong += bool(found)
        for problem in found:
            print(f"{commit[:10]} {message.splitlines()[0]!r}: {problem}")
    print(f"{len(commits)} commits checked, {wrong} with problems")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], FIRST.read_text("utf-8").strip()) else 0)
