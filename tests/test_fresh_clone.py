"""The two commands of the README work in a fresh clone, with Python, make and the package registry alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.process

HERE: Final = Path(__file__).parents[1]
PYTHON: Final = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
NETWORK: Final = re.compile(r"PATH|SSL_CERT_.*|(HTTPS?|ALL|NO)_PROXY|PIP_(INDEX_URL|CERT)", re.IGNORECASE)
"""What leads to programs and to the package registry, and is left in the environment."""

Make: TypeAlias = "Callable[..., str]"


@pytest.fixture(scope="module")
def _registry() -> None:
    """Skip where no package can be downloaded, which CI calls a failure as it does every skip."""
    look = [sys.executable, "-m", "pip", "index", "versions", "uv", "--retries", "0", "--timeout", "10"]
    found = subprocess.run(look, capture_output=True, check=False, text=True)  # noqa: S603 - ourselves
    if found.returncode:
        pytest.skip(f"needs the package registry: {found.stderr.splitlines()[-1]}")


@pytest.fixture
def make(tmp_path: Path, _registry: None) -> Make:
    """Return what runs make in a fresh clone, in a directory with spaces, for somebody who just came."""
    clone, home, other = (tmp_path / name for name in ("a fresh clone", "home", "another checkout"))
    subprocess.run(["git", "clone", "--quiet", HERE, clone], check=True)  # noqa: S603, S607 - our own checkout
    home.mkdir()
    (other / "koophone_async").mkdir(parents=True)
    (other / "koophone_async" / "__init__.py").write_text("raise SystemExit('another checkout was imported')")
    environ = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}

    def make(*words: str) -> str:
        return subprocess.run(  # noqa: S603 - our own makefile
            ["make", f"PYTHON={PYTHON}", *words],  # noqa: S607 - whichever make there is
            cwd=clone,
            env={**environ, "HOME": str(home), "PYTHONPATH": str(other)},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    return make


@pytest.mark.nightly  # it takes 20 s of CPU, and .ci/run runs it before each change lands
@pytest.mark.timeout(600)  # it downloads all that a developer needs
def test_a_fresh_clone_runs_the_demo_and_then_the_tests(make: Make) -> None:
    assert "1,000 phones: 1,000 succeeded" in make("demo")
    assert "passed" in make("test", "ARGS=tests/test_names.py")
    assert "1,000 phones: 1,000 succeeded" in make("demo")
