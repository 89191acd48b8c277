"""Plans in YAML: what they mean, and where each error is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans import file as plan_file
from koophone_async.rollouts.plans import yaml_data
from koophone_async.rollouts.plans.context import Reference
from koophone_async.rollouts.plans.expectations import Match
from koophone_async.rollouts.plans.file import InvalidPlan, load_plan, parse_plan
from koophone_async.rollouts.plans.plan import (
    Between,
    Expect,
    Order,
    Plan,
    Selection,
    Step,
    StopRule,
)

if TYPE_CHECKING:
    from pathlib import Path

SHOP: Final = """\
name: shop-2.4
service: koophone
targets: {where: 'running == running and name ~ "shop-*"'}
steps:
  - install: {url: {env: SHOP_LINK}, name: com.shop, file: shop.apk, version: 2.40, size: 25.3}
  - run: "dumpsys package com.shop | grep versionName"
    expect: {output: "*versionName=2.4*"}
waves: ["1", 5%, 25%, 100%]
order: {seed: 7, spread: server}
between: {pause: 10m, approve: true}
stop: {not_succeeded: "2%", unknown: 5, after: 20}
window: "01:00-05:00 Asia/Shanghai"
deadline: 4h
concurrency: 16
undo:
  - run: "pm uninstall com.shop"
"""

SHORT: Final = "targets: {ids: [a]}\nsteps: [{run: 'true'}]\n"


def place(text: str) -> str:
    """Return the place of the error in a text, its path and the beginning of the problem."""
    with pytest.raises(InvalidPlan) as raised:
        parse_plan(text, file="plan.yaml")
    return str(raised.value)


def test_a_plan_of_all_parts() -> None:
    package = {"name": "com.shop", "file": "shop.apk", "version": "2.40", "size": "25.3"}
    output = Expect(output=Match("*versionName=2.4*"))

    assert parse_plan(SHOP) == Plan(
        name="shop-2.4",
        targets=Selection(where='running == running and name ~ "shop-*"'),
        steps=[
            Step("install", {**package, "url": Reference("env", "SHOP_LINK")}),
            Step("run", {"command": "dumpsys package com.shop | grep versionName"}, expect=output),
        ],
        waves=["1", "5%", "25%", "100%"],
        order=Order(seed=7, spread="server"),
        between=Between(pause="10m", approve=True),
        stop=StopRule(not_succeeded="2%", unknown=5, after=20),
        window="01:00-05:00 Asia/Shanghai",
        deadline="4h",
        concurrency=16,
        undo=Step("run", "pm uninstall com.shop"),
    )


def test_only_targets_and_steps_are_needed() -> None:
    assert parse_plan(SHORT) == Plan(targets=Selection(ids=["a"]), steps=Step("run", "true"))


@pytest.mark.parametrize(
    "id", ["0012", "1_000", "1:30", "yes", "0x1f", "1e3", "2026-01-01", "012345678901234567890"]
)
def test_ids_are_read_as_written(id: str) -> None:
    text = (
        f"targets: {{ids: [{id}]}}\nsteps: [{{run: x, only: [{id}]}}, {{assign: {{user: {{{id}: {id}}}}}}}]\n"
    )
    plan = parse_plan(text)

    assert plan.targets[0].ids == (id,)
    assert plan.steps[0].only == (id,)
    assert plan.steps[1].arguments == {"user": {id: id}}


def test_json_is_a_plan_too() -> None:
    plan = parse_plan(SHOP)

    assert parse_plan(plan.to_json()) == plan
    assert Plan.from_json(plan.to_json()) == plan


def test_a_verb_without_arguments_stands_alone() -> None:
    assert parse_plan("targets: {all: true}\nsteps: [reboot, {reset: }]\n").steps == (
        Step("reboot", {}),
        Step("reset", {}),
    )


def test_several_accounts_and_regions_are_a_list_of_selections() -> None:
    plan = parse_plan(
        "service: cph\nproject_id: p\nprofile: main\nsteps: [stop]\n"
        "targets: [{all: true, region: cn-north-4}, {ids: [b], project_id: q, profile: other}]\n"
    )

    assert plan.selections == (
        Selection(all=True, region="cn-north-4", project_id="p", profile="main"),
        Selection(ids=["b"], project_id="q", profile="other"),
    )


@pytest.mark.parametrize(
    "old, new, error",
    [
        ("deadline: 4h", "deadlin: 4h", "13:1: deadlin: is an unknown key; did you mean deadline?"),
        ("deadline: 4h", "deadline: 90", "13:11: deadline: is '90'; expected a number with a unit"),
        ("deadline: 4h", "deadline: 0s", "13:11: deadline: is 0, at which nothing could be sent"),
        ("deadline: 4h", "deadline: 1:30", "13:11: deadline: is '1:30'; expected a number with a unit"),
        ("deadline: 4h", "deadline: [4h]", "13:11: deadline: is a list; it must be text"),
        ("size: 25.3", "siz: 25.3", "5:85: steps[0].install.siz: is an unknown key; did you mean size?"),
        (", size: 25.3", "", "5:14: steps[0].install: has no size"),
        ("size: 25.3", "size: 9999", "5:91: steps[0].install.size: is 9999 MB; it must be more than 0"),
        ("{env: SHOP_LINK}", "ftp://x", "5:20: steps[0].install.url: is not an http(s) URL"),
        ("{env: SHOP_LINK}", "{env: ''}", "5:26: steps[0].install.url.env: is empty"),
        ("{env: SHOP_LINK}", "{evn: A}", "5:20: steps[0].install.url: is a mapping; it must be text"),
        ("25%, 100%", "25%, 3%", "8:23: waves[3]: is 3%, after 25%; waves count all phones"),
        ('["1", 5%', '["0", 5%', "8:9: waves[0]: is 0; it must be at least 1"),
        ("25%, 100%", "25%, 101%", "8:23: waves[3]: is 101%; at most 100 %"),
        ("25%, 100%", "25%, 1.5", "8:23: waves[3]: is '1.5'; expected a number such as 5"),
        ("approve: true", "approve: yes", "10:32: between.approve: is 'yes'; it must be true or false"),
        ("seed: 7", "seed: 07", "9:15: order.seed: is '07'; it must be a whole number"),
        ("spread: server", "spread: phone", "9:26: order.spread: is 'phone'; it must be server or region"),
        ("unknown: 5", "unknown: 0", "11:38: stop.unknown: is 0; it must be at least 1"),
        ("unknown: 5", "unknwn: 5", "11:29: stop.unknwn: is an unknown key; did you mean unknown?"),
        ('{not_succeeded: "2%", unknown: 5, after: 20}', "{after: 2}", "11:7: stop: can never hold"),
        ("01:00-05:00", "05:00-05:00", "12:9: window: never opens: 05:00-05:00"),
        ("concurrency: 16", "concurrency: 0", "14:14: concurrency: is 0; it must be at least 1"),
        ("concurrency: 16", "concurrency: 1_6", "14:14: concurrency: is '1_6'; it must be a whole number"),
        ('- run: "pm', '- rnu: "pm', "16:5: undo[0].rnu: is an unknown key; did you mean run?"),
        ('- run: "pm', '- authorize: "pm', "16:5: undo[0].authorize: is no step"),
        ('- run: "pm uninstall com.shop"', "- {}", "16:5: undo[0]: has no verb"),
        ('- run: "pm uninstall com.shop"', "- run: ''", "16:10: undo[0].run.command: is empty"),
        ('- run: "pm uninstall com.shop"', "- run: [x]", "16:10: undo[0].run.command: is a list"),
        (
            '- run: "pm uninstall com.shop"',
            "- {run: x, reset: }",
            "16:5: undo[0]: has several verbs: run, reset",
        ),
        (
            '- run: "pm uninstall com.shop"',
            "- {run: x, expct: {output: y}}",
            "16:14: undo[0].expct: is an unknown key; did you mean expect?",
        ),
        (
            '- run: "pm uninstall com.shop"',
            "- {run: x, colour: red}",
            "16:14: undo[0].colour: is an unknown key; the keys here are expect, only",
        ),
        ('{output: "*', '{outptu: "*', "7:14: steps[1].expect.outptu: is an unknown key"),
        ("and name", "and nme", "3:18: targets[0].where: column 24: nme is not a field of Instance"),
        ("name: shop-2.4", "name: last", "1:7: name: is 'last', which stands for the newest rollout"),
        ("service: koophone", "service: kophone", "2:10: service: is 'kophone'; it must be koophone or cph"),
    ],
)
def test_an_error_has_its_line_and_column(old: str, new: str, error: str) -> None:
    assert old in SHOP
    assert f"plan.yaml:{error}" in place(SHOP.replace(old, new))


@pytest.mark.parametrize(
    "text, error",
    [
        ("", "1:1: plan: is empty"),
        ("# nothing\n", "1:1: plan: is empty"),
        ("- a\n", "1:1: plan: is a list; it must be a mapping"),
        ("name: x\n", "1:1: plan: has no targets and no steps"),
        ("a: [\n", "2:1: plan: is no YAML: while parsing a flow node"),
        ("a: b\n\tc: d\n", "2:1: plan: is no YAML: while scanning a plain scalar"),
        ("a: \x01\n", "1:4: plan: is no YAML: "),
        ("a: b\nc: \ud800\n", "2:4: plan: contains a lone surrogate"),
        (f"{SHORT}---\n{SHORT}", "3:1: plan: has a second document"),
        (f"{SHORT}targets: x\n", "3:1: plan: has the key 'targets' twice"),
        (f"{SHORT}name: !!str x\n", "3:7: plan: has the tag tag:yaml.org,2002:str"),
        (f"{SHORT}order: !x {{}}\n", "3:8: plan: has the tag !x"),
        (f"{SHORT}<<: {{a: b}}\n", "3:1: plan: has a merge key"),
        (f"{SHORT}? [a]\n: b\n", "3:3: plan: has a list or mapping as a key"),
        (f"{SHORT}name: *a\n", "3:7: plan: has the alias *a for nothing"),
        (f"{SHORT}x: {'[' * 101}{']' * 101}\n", "3:103: plan: is nested more than 100 levels deep"),
        (f"{SHORT}order: &a {{x: *a}}\n", "3:15: plan: has the alias *a for nothing that has ended"),
        ("targets: {ids: []}\nsteps: [reboot]\n", "1:16: targets.ids: is empty"),
        ("targets: []\nsteps: [reboot]\n", "1:10: targets: is empty"),
        ("targets: {}\nsteps: [reboot]\n", "1:10: targets: selects nothing"),
        ("targets: {ids: [a], all: true}\nsteps: [reboot]\n", "1:10: targets: selects by ids and by all"),
        ("targets: {tag: {a: b}}\nsteps: [reboot]\n", "1:16: targets[0].tag: selects servers"),
        ("targets: {ids: [a]}\nsteps: []\n", "2:8: steps: is empty"),
        ("targets: {ids: [a]}\nsteps: [[reboot]]\n", "2:9: steps[0]: is a list; it must be a mapping"),
        (f"{SHORT}stop: {{failed: 2}}\n", "3:16: stop.failed: is 2, which can never be reached"),
        (f"{SHORT}resource: phones\n", "3:11: resource: is 'phones'; koophone has instances"),
        (f"{SHORT}edition: europe\n", "3:10: edition: is 'europe'; it must be china or international"),
        (
            "service: cph\nresource: phones\ntargets: {all: true}\nsteps: [push_files: {}]\n",
            "4:9: steps[0].push_files: is a verb of servers, and the targets are phones; set `resource: s",
        ),
        (
            "service: cph\ntargets: {all: true}\nsteps: [{connections: x}]\n",
            "3:10: steps[0].connections: is no step",
        ),
        (f"{SHORT}between: {{pause: -1m}}\n", "3:18: between.pause: is '-1m'; expected a number with a unit"),
        (
            "targets: {ids: [a]}\nsteps: [{run: x, expect: {output: {regex: '('}}}]\n",
            "2:43: steps[0].expect.output.regex",
        ),
        ("targets: {ids: [a]}\nsteps: [{run: x, expect: {}}]\n", "2:26: steps[0].expect: expects nothing"),
        ("targets: {ids: [~]}\nsteps: [reboot]\n", "1:17: targets.ids[0]: is empty; it must be text"),
    ],
)
def test_what_is_no_plan_is_refused_at_its_place(text: str, error: str) -> None:
    assert f"plan.yaml:{error}" in place(text)


pieces = st.sampled_from(
    ["~", "[]", "{}", "'", '"', ": ", "- ", "&a ", "*a", "!!x ", "0", "%", "|", "> ", "\t", "\n  ", "yes"]
)


@given(
    st.lists(
        st.tuples(st.integers(0, len(SHOP)), st.integers(0, 9), pieces | st.text(max_size=3)), max_size=3
    )
)
def test_any_text_is_a_plan_or_an_error_with_a_place(edits: list[tuple[int, int, str]]) -> None:
    text = SHOP
    for start, length, new in edits:
        text = text[:start] + new + text[start + length :]
    try:
        plan = parse_plan(text)
    except InvalidPlan as error:
        place = error.line, error.column
    else:
        place = 1, 1
        assert parse_plan(plan.to_json()) == plan
    assert min(place) >= 1


MANY_DIGITS: Final = "9" * 5_000
"""More than Python converts to an integer."""


@pytest.mark.parametrize(
    "line",
    [
        "concurrency: N",
        "max_per_server: -N",
        "stop: N",
        "stop: 0.N%",
        "stop: {unknown: N}",
        "waves: [N]",
        "waves: [N%]",
        "order: {seed: N}",
        "deadline: Ns",
        "between: {pause: 1.Ns}",
        "window: N:00-10:00 UTC",
    ],
)
def test_a_number_of_any_length_is_refused(line: str) -> None:
    with pytest.raises(InvalidPlan, match="plan:3:"):
        parse_plan(f"targets: {{ids: [a]}}\nsteps: [{{run: id}}]\n{line.replace('N', MANY_DIGITS)}\n")


def test_an_alias_stands_for_its_value() -> None:
    assert parse_plan(f"{SHORT}undo: &u [reset]\n").undo == (Step("reset", {}),)
    plan = parse_plan("targets: {ids: &ids [a, b]}\nsteps: [{run: x, only: *ids}]\n")

    assert plan.steps[0].only == ("a", "b")


def test_aliases_for_more_than_memory_holds_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    assert "has aliases for more than 10,000 values" in place("\n".join(lines))


@pytest.mark.parametrize("text", ["targets: {ids: [a, b, c, d]}", "{a: 1, b: 2, c: 3}"])
def test_a_plan_of_more_values_than_memory_holds_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_data, "MAX_VALUES", 5)

    with pytest.raises(InvalidPlan, match="has more than 5 keys and values"):
        parse_plan(text)


def test_relative_paths_start_from_the_directory_of_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("targets: {ids_file: ids.txt}\nsteps: [{run: {file: command.txt}}]\n")
    plan = load_plan(path)

    assert plan.targets[0].ids_file == str(tmp_path / "ids.txt")
    assert plan.steps[0].arguments == {"command": Reference("file", str(tmp_path / "command.txt"))}


def test_a_file_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_file, "MAX_BYTES", 2**20)

    with pytest.raises(InvalidRequest, match=r"^/dev/zero: is larger than 1 MiB"):
        load_plan("/dev/zero")


def test_an_error_in_a_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: [x]\n")

    with pytest.raises(InvalidPlan, match=f"^{path}:1:1: plan: has no targets"):
        load_plan(path)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(InvalidRequest, match="is not UTF-8"):
        load_plan(path)
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        load_plan(tmp_path / "none.yaml")
