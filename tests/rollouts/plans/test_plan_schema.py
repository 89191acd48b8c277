"""The JSON Schema of plans: it accepts what the parser accepts, and editors complete from it."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.file import parse_plan
from koophone_async.rollouts.plans.plan import Between, Expect, Order, Plan, Selection, Step, StopRule
from koophone_async.rollouts.plans.schema import json_schema
from koophone_async.rollouts.plans.verbs import SECRET_VERBS, verbs_of

SCHEMA: Final = json_schema()
VALIDATOR: Final = Draft202012Validator(SCHEMA)

HEAD: Final = "targets: {ids: [a]}\n"


def is_valid(data: Any) -> bool:  # noqa: ANN401 - plain data
    return VALIDATOR.is_valid(data)  # pyright: ignore[reportUnknownMemberType] - its types are not complete


def is_parsed(text: str) -> bool:
    try:
        parse_plan(text)
    except InvalidRequest:
        return False
    return True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)  # pyright: ignore[reportUnknownMemberType] - as above


@pytest.mark.parametrize(
    "text, accepted",
    [
        (f"{HEAD}steps: [reboot]\n", True),
        (f"{HEAD}steps: [{{run: getprop}}]\n", True),
        (f"{HEAD}steps: [{{run: {{command: getprop}}, only: [1, yes], expect: {{output: '*'}}}}]\n", True),
        (f"{HEAD}steps: [{{run: {{env: COMMAND}}}}]\n", True),
        (f"{HEAD}steps: [{{run: {{command: {{file: command}}}}}}]\n", True),
        (f"{HEAD}steps: [{{reboot: }}, {{reset: {{}}}}]\n", True),
        (f"{HEAD}steps: [{{apps: third-party}}, {{apps: {{type: system}}}}]\n", True),
        (f"{HEAD}steps: [{{assign: {{user: {{a: u}}}}}}, {{assign: u}}]\n", True),
        (f"{HEAD}service: cph\nsteps: [{{reset: {{properties: {{disable.status.bar: 1}}}}}}]\n", True),
        (f"{HEAD}service: cph\nsteps: [{{push_files: {{bucket: bbb, path: p.tar}}}}]\n", True),
        (f"{HEAD}service: gaming\nsteps: [{{deploy: [v]}}]\n", True),
        (f"{HEAD}steps: [reboot]\nwaves: [1, 5%, '10%']\nstop: never\n", True),
        (f"{HEAD}steps: [reboot]\nstop: {{failed: 1, unknown: 5%}}\nbetween: {{pause: 1h30m}}\n", True),
        (f"{HEAD}steps: [{{run: x, expect: {{output: {{regex: x, equals: y}}, seconds: 1.5}}}}]\n", True),
        ("targets: [{where: running == running}, {all: true}]\nsteps: [reboot]\n", True),
        ("service: cph\ntargets: {tag: {a: b, c: [d, e]}}\nsteps: [restart]\n", True),
        (f"{HEAD}steps: []\n", False),
        ("steps: [reboot]\n", False),
        (f"{HEAD}steps: reboot\n", False),
        (f"{HEAD}steps: [run]\n", False),
        (f"{HEAD}steps: [fly]\n", False),
        (f"{HEAD}steps: [{{run: x, reset: }}]\n", False),
        (f"{HEAD}steps: [{{only: [a]}}]\n", False),
        (f"{HEAD}steps: [{{run: {{comand: x}}}}]\n", False),
        (f"{HEAD}steps: [{{run: [x]}}]\n", False),
        (f"{HEAD}steps: [{{run: x, exepct: {{}}}}]\n", False),
        (f"{HEAD}steps: [{{reboot: now}}]\n", False),
        (f"{HEAD}steps: [{{authorize: }}]\n", False),
        (f"{HEAD}steps: [{{push: obs://b/a.tar}}]\n", False),
        (f"{HEAD}service: cph\nsteps: [{{assign: u}}]\n", False),
        (f"{HEAD}service: ecs\nsteps: [reboot]\n", False),
        (f"{HEAD}steps: [reboot]\nwaves: [0]\n", False),
        (f"{HEAD}steps: [reboot]\nwaves: 5%\n", False),
        (f"{HEAD}steps: [reboot]\nwaves: [five]\n", False),
        (f"{HEAD}steps: [reboot]\ndeadline: 90\n", False),
        (f"{HEAD}steps: [reboot]\ndeadline: 4 hours\n", False),
        (f"{HEAD}steps: [reboot]\nstop: {{failled: 1}}\n", False),
        (f"{HEAD}steps: [reboot]\nstop: {{after: '20'}}\n", False),
        (f"{HEAD}steps: [reboot]\nbetween: {{approve: 'true'}}\n", False),
        (f"{HEAD}steps: [reboot]\norder: {{spread: phone}}\n", False),
        (f"{HEAD}steps: [reboot]\nconcurency: 5\n", False),
    ],
)
def test_schema_and_parser_agree(text: str, accepted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_parsed(text) == accepted
    assert is_valid(yaml.safe_load(text)) == accepted


texts = st.text(st.characters(exclude_categories=["C", "Z"], max_codepoint=0x2FF), min_size=1, max_size=8)


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    how = draw(st.sampled_from(["ids", "all", "where"]))
    region = draw(st.none() | texts)
    if how == "ids":
        return Selection(ids=draw(st.lists(texts, min_size=1, max_size=3)), region=region)
    return (
        Selection(all=True, region=region)
        if how == "all"
        else Selection(where="name ~ 'shop-*'", profile="p")
    )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    verb = draw(st.sampled_from(["run", "assign", "reboot", "status"]))
    texts_by_verb: dict[str, object] = {
        "run": draw(st.one_of(texts, texts.map(lambda name: {"command": {"env": name}}))),
        "assign": {"user": {"a": draw(texts)}},
    }
    expect = draw(st.none() | st.builds(Expect, output=texts, seconds=st.none() | st.floats(1, 100)))
    return Step(
        verb, texts_by_verb.get(verb), expect=expect, only=draw(st.none() | st.lists(texts, max_size=2))
    )


rules = [None, StopRule(never=True), StopRule(not_succeeded="2%", unknown=1, after=20)]
spreads = st.none() | st.sampled_from(["server", "region"])
plans = st.builds(
    Plan,
    targets=st.lists(selections(), min_size=1, max_size=3),
    steps=st.lists(steps(), min_size=1, max_size=3),
    name=st.just("") | texts.filter(lambda name: name != "last"),
    waves=st.sampled_from([[], ["1"], ["1", "2.5%", "50%"], [3, "100%"]]),
    order=st.builds(Order, seed=st.none() | st.integers(), spread=spreads),
    between=st.builds(Between, pause=st.integers(0, 10**6), approve=st.booleans()),
    stop=st.sampled_from(rules),
    window=st.sampled_from([None, "01:00-05:00 Asia/Shanghai", "Mon-Fri 22:00-24:00 UTC"]),
    deadline=st.none() | st.integers(1, 10**6),
    concurrency=st.integers(1, 100),
    undo=st.lists(steps(), max_size=2),
)


@settings(max_examples=20)
@given(plans)
def test_a_plan_is_read_as_it_was_written_and_fits_the_schema(plan: Plan) -> None:
    data = plan.to_data()
    text = yaml.safe_dump(data, allow_unicode=True)  # pyright: ignore[reportUnknownMemberType] - as above

    assert Plan.from_json(plan.to_json()) == plan
    assert parse_plan(text) == plan
    assert is_valid(data)


def test_editors_complete_every_verb_with_its_arguments() -> None:
    for service, resource in (("koophone", "instances"), ("cph", "servers"), ("gaming", "servers")):
        properties = SCHEMA["$defs"][f"{service}_step"]["anyOf"][0]["properties"]
        for name, verb in verbs_of(service, resource).items():
            assert properties[name]["description"]
            options = properties[name].get("anyOf", [properties[name]])[0]["properties"]
            assert verb.model is not None or options.keys() == verb.parameters.keys()
        assert not SECRET_VERBS & properties.keys()
