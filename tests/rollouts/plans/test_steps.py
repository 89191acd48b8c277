"""Steps: fleet verbs by their own names and arguments, and references that are read at each send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async import CloudPhone, KooPhone
from koophone_async.batches import State
from koophone_async.errors import InvalidRequest
from koophone_async.koophone import Package
from koophone_async.rollouts.plans.context import Context, Reference
from koophone_async.rollouts.plans.plan import Plan, Selection, Step
from koophone_async.rollouts.plans.steps import StepType, bind
from koophone_async.rollouts.plans.verbs import SECRET_VERBS, verbs_of
from koophone_async.services.cph.fleet import PhoneFleet
from koophone_async.services.cph.server_fleet import EncodingFleet, ServerFleet
from koophone_async.services.gaming.fleet import Fleet as GamingFleet
from koophone_async.services.koophone.fleet import Fleet

if TYPE_CHECKING:
    from pathlib import Path

    from koophone_async.emulator import Emulator

ALL = Selection(all=True)
PACKAGE = {
    "name": "com.shop",
    "file": "shop.apk",
    "version": "1",
    "size": "20",
    "url": "https://x/shop.apk?X=1",
}


def plan(verb: str, arguments: object = None, **options: object) -> Plan:
    return Plan.single(verb, arguments, targets=ALL, **options)


def arguments(verb: str, arguments: object = None, **options: object) -> object:
    return plan(verb, arguments, **options).steps[0].arguments


@pytest.mark.parametrize(
    "service, resource, fleet",
    [
        ("koophone", "instances", Fleet),
        ("cph", "phones", PhoneFleet),
        ("cph", "servers", ServerFleet),
        ("cph", "encoding_servers", EncodingFleet),
        ("gaming", "servers", GamingFleet),
    ],
)
def test_every_verb_that_gives_no_secret_is_a_step(service: str, resource: str, fleet: type) -> None:
    public = {name for name in vars(fleet) if name[0] != "_"} - SECRET_VERBS
    others = verbs_of("gaming", "phones").keys() if service == "gaming" else set[str]()

    assert verbs_of(service, resource).keys() == public - others


@pytest.mark.parametrize("verb", SECRET_VERBS)
def test_what_gives_secrets_is_no_step(verb: str) -> None:
    service = "koophone" if verb == "authorize" else "cph"

    with pytest.raises(InvalidRequest, match="is no step"):
        plan(verb, service=service)


def test_the_first_argument_may_stand_alone() -> None:
    assert arguments("run", "getprop") == {"command": "getprop"}
    assert arguments("deploy", ["v1"], service="gaming") == {"versions": ("v1",)}
    assert arguments("assign", {"user": {"a": "u"}}) == {"user": {"a": "u"}}


def test_a_model_that_is_the_only_argument_has_its_fields_in_the_step() -> None:
    assert arguments("install", PACKAGE) == PACKAGE
    package = Package("com.shop", "shop.apk", "1", "20", "https://x/shop.apk?X=1")
    assert arguments("install", package) == PACKAGE


def test_arguments_are_those_of_the_verb() -> None:
    install = {"apk": "obs://b/a.apk", "options": "-r"}

    assert arguments("install", install, service="cph") == install
    assert arguments("reset", {"clear_properties": True}, service="cph") == {"clear_properties": True}
    assert arguments("route_traffic", "routing", service="cph") == {"route": "routing"}
    assert arguments("apps", "third-party") == {"type": "third-party"}


def test_lists_of_models_have_the_names_of_fields() -> None:
    rate = {"code_rate": 1000, "fps": 30}
    rates = {"p540": rate, "p720": rate, "p1080": rate}
    settings = [
        {"network": network, "encoding": encoding, "definitions": [rates]}
        for network in ("MOBILE_NETWORK", "WIFI", "WIRED")
        for encoding in ("H264", "H265")
    ]

    assert plan("set_video", settings).to_data()["steps"] == [{"set_video": {"settings": settings}}]
    settings[0]["network"] = "LAN"
    with pytest.raises(InvalidRequest, match=r"steps\[0\]\.set_video\.settings\[0\]\.network: is 'LAN'"):
        plan("set_video", settings)
    settings[0]["network"] = "WIFI"
    with pytest.raises(InvalidRequest, match=r"steps\[0\]\.set_video\.settings: lacks MOBILE_NETWORK"):
        plan("set_video", settings)
    settings[0]["network"] = "MOBILE_NETWORK"
    rate["fps"] = 25
    with pytest.raises(InvalidRequest, match=r"steps\[0\]\.set_video.*is 25; it must be one of 30, 60"):
        plan("set_video", settings)


def test_a_mapping_with_the_key_of_a_reference_is_a_mapping_where_one_is_expected() -> None:
    tags = {"tags": {"env": "test"}}

    assert arguments("add_tags", tags, service="cph") == tags
    both = {"tags": {"env": {"env": "STAGE"}}}
    assert arguments("add_tags", both, service="cph") == {"tags": {"env": Reference("env", "STAGE")}}


@pytest.mark.parametrize(
    "verb, arguments, error",
    [
        ("run", None, r"steps\[0\]\.run: has no command"),
        ("run", "x" * 1025, r"steps\[0\]\.run\.command: is 1,025 bytes of UTF-8 long"),
        ("run", {"comand": "x"}, r"steps\[0\]\.run\.comand: is an unknown key; did you mean command\?"),
        ("run", 5, r"steps\[0\]\.run\.command: is 5; it must be text; write it in quotes"),
        ("reboot", {"now": True}, r"steps\[0\]\.reboot\.now: is an unknown key; the keys here are none"),
        ("apps", "all", r"steps\[0\]\.apps\.type: is 'all'; it must be system or third-party"),
        ("install", {**PACKAGE, "size": "0"}, r"steps\[0\]\.install\.size: is 0 MB"),
        ("fly", None, r"steps\[0\]\.fly: is an unknown key"),
    ],
)
def test_arguments_are_checked_as_the_verb_does(verb: str, arguments: object, error: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{error}"):
        plan(verb, arguments)


def test_the_resource_is_the_first_that_has_all_verbs() -> None:
    assert plan("restart", service="cph").resource == "phones"
    assert plan("push_files", {"bucket": "bbb", "path": "p.tar"}, service="cph").resource == "servers"
    assert plan("restart", service="cph", resource="encoding_servers").resource == "encoding_servers"
    assert Plan.single("restart", targets=Selection(tag={"a": "b"}), service="cph").resource == "servers"
    assert plan("update", ["v"], service="gaming").resource == "phones"


def test_orders_cost_money() -> None:
    expand = plan("expand", 100, service="cph")

    assert expand.verb(expand.steps[0]).costs_money
    assert not plan("reboot").verb(Step("reboot")).costs_money


def test_a_step_for_some_phones_only() -> None:
    step = Step("reset", only=["a", "a"])

    assert step.only == ("a",)
    assert step.applies_to("a")
    assert not step.applies_to("b")
    assert Step("reset").applies_to("b")


@pytest.mark.virtual_time
async def test_a_bound_step_runs_on_the_fleet(emulator: Emulator) -> None:
    ids = [phone.id for phone in emulator.phones.page(0, 3)]
    of_plan = Plan.single("run", "getprop", targets=Selection(ids=ids))
    async with emulator.session() as session:
        report = await bind(of_plan.steps[0], of_plan.open_fleet(KooPhone(session), ids))

    assert [outcome.state for outcome in report] == [State.SUCCEEDED] * 3
    assert emulator.ledger.executions("koophone.commands.run") == dict.fromkeys(ids, 1)


@pytest.mark.virtual_time
async def test_references_are_read_anew_for_each_call(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [phone.id for phone in emulator.phones.page(0, 101)]
    of_plan = Plan.single("run", {"env": "COMMAND"}, targets=Selection(ids=ids))
    assert "echo" not in of_plan.to_json()
    async with emulator.session() as session:
        monkeypatch.setenv("COMMAND", "echo first")
        run = bind(of_plan.steps[0], of_plan.open_fleet(KooPhone(session), ids, concurrency=1))
        monkeypatch.setenv("COMMAND", "echo second")
        report = await run

    assert {outcome.output for outcome in report} == {"second\n"}


async def test_ids_are_not_sent_when_a_reference_has_gone(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [phone.id for phone in emulator.phones.page(0, 3)]
    of_plan = Plan.single("run", {"env": "COMMAND"}, targets=Selection(ids=ids))
    async with emulator.session() as session:
        monkeypatch.setenv("COMMAND", "true")
        run = bind(of_plan.steps[0], of_plan.open_fleet(KooPhone(session), ids), path="steps[0].run")
        monkeypatch.delenv("COMMAND")
        report = await run

    assert {outcome.state for outcome in report} == {State.NOT_SENT}
    assert "the environment has no variable COMMAND" in str(report[ids[0]].error_message)


async def test_a_fleet_has_the_limits_of_the_plan(emulator: Emulator) -> None:
    of_plan = plan("stop", service="cph", concurrency=3, max_per_server=7)
    async with emulator.session() as session:
        client = CloudPhone(session, project_id=emulator.project_id)
        fleet = of_plan.open_fleet(client, ())

    assert (fleet._options.concurrency, fleet._options.max_per_partition) == (3, 7)  # noqa: SLF001 - has no getter


def test_a_step_stays_what_it_is() -> None:
    step = Step("reboot", only=["a"])

    assert StepType().read(step, Context()) is step


def test_a_file_that_others_can_change_is_refused(tmp_path: Path) -> None:
    (file := tmp_path / "link").write_text("https://x/y\n")
    file.chmod(0o620)

    with pytest.raises(InvalidRequest, match=r"link can be changed by others \(mode 0620\); set it to 0600"):
        Reference("file", str(file)).read()


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (file := tmp_path / "link").write_text("https://x/y\n")
    file.chmod(0o644)

    assert Reference("file", str(file)).read() == "https://x/y"
    assert caplog.messages == [f"{file} can be read by others (mode 0644); set it to 0600"]


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "link").write_text("https://x/y\n")

    assert Reference("file", str(tmp_path / "link")).read() == "https://x/y"
    with pytest.raises(InvalidRequest, match="none cannot be read: No such file"):
        Reference("file", str(tmp_path / "none")).read()
    (tmp_path / "link").write_bytes(b"\xff")
    with pytest.raises(InvalidRequest, match="is not UTF-8"):
        Reference("file", str(tmp_path / "link")).read()
