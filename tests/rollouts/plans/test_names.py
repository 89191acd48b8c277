"""Public names of rollouts, which are imported on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import koophone_async
from koophone_async import rollouts


def test_every_public_name_can_be_imported() -> None:
    for name in rollouts.__all__:
        assert getattr(rollouts, name).__name__ == name
    assert set(rollouts.__all__) <= set(dir(rollouts))
    assert koophone_async.Plan is rollouts.Plan


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'koophone_async\.rollouts' has no attribute 'Nobody'"):
        vars(rollouts)["__getattr__"]("Nobody")


@pytest.mark.process
def test_a_plan_is_made_without_yaml_and_without_other_services() -> None:
    code = (
        "import sys; sys.modules['yaml'] = None\n"
        "from koophone_async.rollouts import Plan, Selection, parse_plan\n"
        "Plan.single('reboot', targets=Selection(all=True))\n"
        "print([name for name in sys.modules if 'services.cph' in name or 'services.gaming' in name])\n"
        "try: parse_plan('')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)  # noqa: S603 - ourselves

    assert (
        done.stdout
        == "[]\nplan: needs PyYAML, which is not installed: pip install 'koophone-async[rollouts]'\n"
    )
