"""Every operation of the documents and of the vendor's SDK is here: method, handler and command by name."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from koophone_async.catalogue import OPERATIONS
from koophone_async.emulator import Emulator
from koophone_async.events import INBOUND

LISTED = json.loads(Path(__file__).with_name("other-operations.json").read_text("utf-8"))


def place(method: str, path: str) -> str:
    return f"{method} {re.sub('{[^}]*}', '{}', path)}"


def test_every_listed_operation_of_cph_exists_and_no_other() -> None:
    listed = Counter(place(row["method"], row["path"]) for row in LISTED)
    stated = Counter(place(o.method, o.path) for o in OPERATIONS.values() if o.service in {"cph", "gaming"})

    assert len(LISTED) == 60 + 9 + 1 + 16
    assert listed - stated == Counter()
    assert stated - listed == Counter()


def test_every_event_of_the_service_is_received() -> None:
    assert {inbound.name for inbound in INBOUND} == {
        "events.verify",
        "events.enter",
        "events.quit",
        "events.heartbeat",
    }


async def test_the_emulator_serves_every_operation(emulator: Emulator) -> None:
    async with Emulator(edition="international") as abroad:
        assert sorted(set(OPERATIONS) - emulator.served - abroad.served) == []
