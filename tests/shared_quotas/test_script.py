"""The script that Valkey runs settles requests as the ledger does."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from koophone_async.limits.shared.ledger import settle
from koophone_async.limits.shared.redis_store import SCRIPT

if TYPE_CHECKING:
    from tests.shared_quotas.valkey_server import ValkeyServer

START = 1_800_000_000_000

windows: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["1000", "60000"]),
        "permits": st.integers(1, 9),
        "length": st.sampled_from([1000, 1020, 60_000]),
        "horizon": st.sampled_from([800, 1000]),
        "valid": st.sampled_from([2000, 10_000]),
        "term": st.sampled_from(["", "0.0", "0.1", f"{START}.0", f"{START}.1"]),
        "held": st.integers(0, 9),
        "first": st.integers(0, 5),
        "used": st.lists(st.integers(-3000, 500), max_size=5),
        "want": st.integers(0, 20),
        "exhausted": st.booleans(),
    }
)
throttles = st.fixed_dictionaries(
    {"granted": st.integers(0, 5), "at": st.integers(0, 9), "pause": st.just(0), "holder": st.just("x")}
)
requests = st.fixed_dictionaries(
    {
        "holder": st.sampled_from("abc"),
        "serial": st.integers(1, 50),
        "windows": st.lists(windows, max_size=2, unique_by=itemgetter("id")),
        "throttle": st.none() | throttles,
    }
)
steps = st.lists(st.tuples(st.integers(-2000, 4000), requests), max_size=25)


def normal(value: Any) -> Any:  # noqa: ANN401
    """Return a JSON value as Lua writes it, where an empty list is an empty object."""
    match value:
        case dict():
            items = cast("dict[str, Any]", value)
            return {key: normal(item) for key, item in items.items() if item is not None}
        case list() | tuple():
            return [normal(item) for item in cast("list[Any]", value)] or {}
        case _:
            return value


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_the_script_and_the_ledger_agree(valkey: ValkeyServer, steps: list[tuple[int, Any]]) -> None:
    document: dict[str, Any] = {}
    now = START
    with valkey.client() as client:
        client.delete("document")
        for passed, request in steps:
            now += passed
            for window in request["windows"]:
                window["used"] = sorted(now + used for used in window["used"])
            answer: Any = client.eval(SCRIPT, 2, "document", "{koophone}:epoch", json.dumps(request), 60, now)

            assert normal(json.loads(answer)) == normal(settle(document, request, now, 1))
            stored: Any = client.get("document")
            assert normal(json.loads(stored)) == normal(document)
