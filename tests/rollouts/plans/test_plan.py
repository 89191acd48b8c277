"""Plans in Python: the same rules as in YAML, with texts or typed values."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from koophone_async.batches import Outcome, State
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import (
    Between,
    Expect,
    InvalidPlan,
    Order,
    Plan,
    Selection,
    Step,
    StopRule,
    Wave,
    Window,
)
from koophone_async.wire import Edition

ALL = Selection(all=True)
REBOOT = Step("reboot")


def plan(**fields: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    all_fields: dict[str, Any] = {"targets": ALL, "steps": REBOOT, **fields}
    return Plan(**all_fields)


def test_texts_stand_for_typed_values() -> None:
    texts = plan(
        waves=["1", "50%"],
        stop="2%",
        window="01:00-05:00 UTC",
        deadline="4h",
        edition="china",
        service="koophone",
    )

    assert texts == plan(
        waves=[Wave.parse("1"), Wave.parse("50%")],
        stop=StopRule(not_succeeded="2%"),
        window=Window.parse("01:00-05:00 UTC"),
        deadline=14_400.0,
        edition=Edition.CHINA,
    )


def test_a_changed_plan_is_checked_again() -> None:
    assert evolve(plan(), deadline="1h").deadline == 3_600
    assert evolve(plan(undo=Step("run", "x")), steps=Step("reset")).steps == (Step("reset", {}),)
    with pytest.raises(InvalidRequest, match="steps: is empty"):
        evolve(plan(), steps=[])


@pytest.mark.parametrize(
    "fields, error",
    [
        ({"service": "ecs"}, "service: is 'ecs'; it must be koophone or cph or gaming"),
        ({"edition": "europe"}, "edition: is 'europe'; it must be china or international"),
        ({"deadline": -1}, "duration: is -1 s; it must be at least 0"),
        ({"deadline": float("inf")}, "duration: is inf s"),
        ({"deadline": float("nan")}, "duration: is nan s"),
        ({"deadline": 3_661 * 86_400}, "duration: is 3.1.*e[+]08 s; .* at most 3,660 days"),
        ({"deadline": 1e300}, "duration: is 1e[+]300 s"),
        ({"deadline": 1e-20}, "deadline: is 0, at which nothing could be sent"),
        ({"profile": ""}, "profile: is empty"),
        ({"region": ""}, "region: is empty"),
        ({"project_id": ""}, "project_id: is empty"),
        ({"name": "a\nb"}, "name: is 'a"),
        ({"name": " a"}, "name: is ' a'"),
        ({"name": "a" * 101}, "name: is 'aaaa"),
        ({"max_per_server": 0}, "max_per_server: is 0"),
        ({"steps": Step("run", {"command": 5})}, r"steps\[0\]\.run\.command: is 5; it must be text"),
        ({"steps": Step("run", {"command": ["a"]})}, r"steps\[0\]\.run\.command: is a list"),
        ({"targets": Selection(where="nothing == 1")}, r"targets\[0\]\.where: column 1"),
    ],
)
def test_a_wrong_value_is_refused(fields: dict[str, object], error: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{error}"):
        plan(**fields)


def test_a_spread_is_over_servers_or_regions() -> None:
    with pytest.raises(InvalidRequest, match="spread: is 'phone'; it must be server or region"):
        Order(spread="phone")


@pytest.mark.parametrize(
    "data, error",
    [
        ({"targets": {"ids": [12]}}, r"targets\.ids\[0\]: is 12; it must be text; write it in quotes"),
        ({"concurrency": "5"}, "concurrency: is '5'; it must be a whole number"),
        ({"concurrency": True}, "concurrency: is true; it must be a whole number"),
        ({"waves": [True]}, r"waves\[0\]: is true; it must be text"),
        ({"targets": {"ids_file": 5}}, r"targets\.ids_file: is 5; it must be text"),
        ({"targets": "all"}, "targets: is 'all'; it must be a mapping"),
        ({"steps": [None]}, r"steps\[0\]: has no verb"),
    ],
)
def test_json_has_the_types_of_json(data: dict[str, object], error: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{error}"):
        Plan.from_data({"targets": {"all": True}, "steps": ["reboot"], **data})


def test_numbers_in_json_are_waves_and_limits() -> None:
    data = {"targets": {"all": True}, "steps": ["reboot"], "waves": [1, "5%"], "stop": {"unknown": 5}}

    assert Plan.from_data(data) == plan(waves=["1", "5%"], stop="unknown=5")


def test_properties_are_texts_numbers_or_booleans() -> None:
    properties = {"disable.status.bar": 1, "ro.horizontal.screen": True, "com.cph.mainkeys": "0"}
    steps = Step("update_properties", {"properties": properties})

    assert plan(service="cph", steps=steps).to_data()["steps"] == [
        {"update_properties": {"properties": properties}}
    ]


def test_a_file_of_ids_keeps_its_path() -> None:
    of_file = plan(targets=Selection(ids_file="/tmp/ids"))  # noqa: S108 - no file

    assert Plan.from_json(of_file.to_json()) == of_file


def test_a_selection_has_what_the_plan_states_unless_it_states_its_own() -> None:
    of_plan = plan(
        service="cph", steps=Step("stop"), region="cn-north-4", targets=[ALL, Selection(all=True, region="x")]
    )

    assert [selection.region for selection in of_plan.selections] == ["cn-north-4", "x"]


def test_a_step_judges_by_its_expectation() -> None:
    outcome = Outcome("a", State.SUCCEEDED, output="1")

    assert Step("run", "x").judge(outcome) is outcome
    assert Step("run", "x", expect=Expect(output="2")).judge(outcome).state is State.FAILED


def test_a_pause_is_not_negative() -> None:
    with pytest.raises(InvalidRequest, match="it must be at least 0"):
        Between(pause=-1)


def test_ids_are_not_shown_one_by_one() -> None:
    assert "ids=<100,000>" in repr(plan(targets=Selection(ids=[str(number) for number in range(100_000)])))


def test_an_error_of_a_file_can_be_pickled() -> None:
    import pickle  # noqa: PLC0415 - our own data

    error = InvalidPlan("", "waves", "is wrong", file="plan.yaml", line=3, column=5)

    assert str(pickle.loads(pickle.dumps(error))) == "plan.yaml:3:5: waves: is wrong"  # noqa: S301 - as above
