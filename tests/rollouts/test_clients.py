"""Clients of several accounts: one session for each profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator
from koophone_async.rollouts import Journal, Plan, Rollout, Selection, Step

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.emulator(phones=4, jobs=Durations(fixed=0.01))


@pytest.fixture
def profiles(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write two profiles with the emulator's key, and its address into the environment."""
    key = emulator.access_key
    section = f"ak = {key.access_key}\nsk = {key.secret_key}\n"
    file = tmp_path / "credentials"
    file.write_text(f"[shop]\n{section}[lab]\n{section}")
    file.chmod(0o600)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("KOOPHONE_ENDPOINT", emulator.endpoint)


@pytest.mark.usefixtures("profiles")
async def test_the_same_id_of_two_accounts_is_two_phones(
    emulator: Emulator, journal: Journal, ids: list[str]
) -> None:
    targets = [Selection(ids=ids, profile="shop"), Selection(ids=ids[:1], profile="lab")]

    report = await Rollout(Plan(targets=targets, steps=[Step("run", "id")]), journal)

    executions = emulator.ledger.executions("koophone.commands.run")
    assert report.counts == {State.SUCCEEDED: 5}
    assert executions == {ids[0]: 2, **dict.fromkeys(ids[1:], 1)}
