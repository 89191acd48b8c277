"""The names of the package are there when they are asked for, and cost nothing before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import koophone_async
from koophone_async.session import Session


def test_a_name_is_the_one_of_its_home() -> None:
    assert koophone_async.Session is Session


def test_every_name_is_listed_before_it_was_asked_for() -> None:
    assert set(koophone_async.__all__) <= set(dir(koophone_async))


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'koophone_async' has no attribute 'Nobody'"):
        vars(koophone_async)["__getattr__"]("Nobody")


def test_the_package_alone_imports_nothing_of_others() -> None:
    asked = "import sys, koophone_async; print({'aiohttp', 'attrs', 'anyio', 'cattrs'} & set(sys.modules))"
    command = [sys.executable, "-c", asked]
    told = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - ourselves

    assert told.stdout.strip() == "set()"
