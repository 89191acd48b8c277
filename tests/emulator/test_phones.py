"""A fleet that a seed describes, and what it remembers."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest

from koophone_async.emulator.android.copy_on_write import AndroidChanges
from koophone_async.emulator.android.releases import MODELS, RELEASES
from koophone_async.emulator.android.system import run
from koophone_async.emulator.fleet import CopyState, Fleet, FleetSnapshot, Phone, RunningState
from koophone_async.emulator.layout import Overrides
from koophone_async.emulator.phone import Overridable
from koophone_async.emulator.snapshot import converter

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
REGIONS = ("cn-north-4", "cn-east-3", "cn-south-1")


def fleet_of(count: int, seed: int = 7, servers: int = 6) -> Fleet:
    return Fleet(seed, count, servers, REGIONS, lambda: NOW)


@pytest.fixture
def fleet() -> Fleet:
    return fleet_of(120)


def identity(phone: Phone) -> tuple[object, ...]:
    return (
        phone.id,
        phone.cph_id,
        phone.serial,
        phone.name,
        phone.model,
        phone.release,
        phone.region,
        phone.created,
    )


def test_the_same_seed_gives_the_same_fleet(fleet: Fleet) -> None:
    assert [identity(phone) for phone in fleet] == [identity(phone) for phone in fleet_of(120)]
    assert [identity(phone) for phone in fleet] != [identity(phone) for phone in fleet_of(120, seed=8)]


@pytest.mark.parametrize(
    "count,first,last",
    [(1, "phone0001", "phone0001"), (1000, "phone0001", "phone1000"), (12345, "phone00001", "phone12345")],
)
def test_ids_are_as_wide_as_the_fleet_needs(count: int, first: str, last: str) -> None:
    fleet = fleet_of(count)

    assert (fleet.page(0, 1)[0].id, fleet.page(count - 1, 5)[0].id) == (first, last)


def test_phones_are_spread_evenly_over_servers_and_regions(fleet: Fleet) -> None:
    phones = list(fleet)

    assert [phone.server for phone in phones] == [at // 20 for at in range(120)]
    assert [phone.region for phone in phones] == [REGIONS[at // 40] for at in range(120)]


def test_phones_differ_in_model_release_and_serial(fleet: Fleet) -> None:
    phones = list(fleet)

    assert {phone.model for phone in phones} == set(MODELS)
    assert len({phone.serial for phone in phones}) == len({phone.cph_id for phone in phones}) == 120
    assert all(NOW - timedelta(days=366) < phone.created <= NOW for phone in phones)


def test_consecutive_phones_have_the_same_android() -> None:
    phones = list(Fleet(7, 1000, 1, REGIONS[:1], lambda: NOW))
    rows = [(release, len(list(alike))) for release, alike in groupby(phones, lambda phone: phone.release)]

    assert [count for _, count in rows] == [240, 240, 240, 240, 40]
    assert {release for release, _ in rows} == set(RELEASES)


def test_a_model_describes_its_sku() -> None:
    assert MODELS[0].text == (
        "Professional edition | 4 vCPUs | 8 GB | 32 GB storage | Maximum resolution: 720p"
    )


def test_the_shell_shows_model_release_and_serial(fleet: Fleet) -> None:
    phone = fleet["phone0042"]

    shown = run(
        phone.android, "getprop ro.product.model; getprop ro.build.version.release; getprop ro.serialno", NOW
    )

    assert shown.output.split() == [phone.model.name, phone.release.number, phone.serial]


@pytest.mark.parametrize(
    "name", ["phone0000", "phone0121", "phone42", "0042", "phone00042", "phone\u0660\u0660\u0664\u0662", ""]
)
def test_an_unknown_id_is_refused(fleet: Fleet, name: str) -> None:
    assert name not in fleet
    with pytest.raises(KeyError):
        _ = fleet[name]


def test_an_id_is_a_string(fleet: Fleet) -> None:
    assert 1 not in fleet


def test_a_phone_is_found_by_its_cph_id(fleet: Fleet) -> None:
    assert all(fleet.by_cph_id(phone.cph_id) == phone for phone in fleet)
    assert all(len(phone.cph_id) == 32 for phone in fleet)


@pytest.mark.parametrize("name", ["", "x" * 32, "0" * 32])
def test_an_unknown_cph_id_is_refused(fleet: Fleet, name: str) -> None:
    with pytest.raises(KeyError):
        fleet.by_cph_id(name)


def test_a_cph_id_with_a_changed_digit_is_refused(fleet: Fleet) -> None:
    right = fleet["phone0001"].cph_id

    with pytest.raises(KeyError):
        fleet.by_cph_id(("1" if right[0] == "0" else "0") + right[1:])


def test_a_new_phone_runs_and_has_no_user(fleet: Fleet) -> None:
    phone = fleet["phone0001"]

    assert (phone.running, phone.user, phone.loaded) == (RunningState.RUNNING, None, True)
    assert [phone.frozen, phone.logged_in, phone.streaming, phone.resetting] == [False] * 4
    assert (phone.backup, phone.restore) == (CopyState.PREPARING, CopyState.PREPARING)
    assert (phone.backup_time, phone.restore_time) == (None, None)


def test_two_views_of_one_phone_agree(fleet: Fleet) -> None:
    one, other = fleet["phone0003"], fleet["phone0003"]

    one.running, one.backup_time = RunningState.STARTING, NOW
    one.android.apps["com.a.b"] = "1"

    assert (other.running, other.backup_time, other.android.apps["com.a.b"]) == (
        RunningState.STARTING,
        NOW,
        "1",
    )
    assert one == other
    assert len({one, other, fleet["phone0004"]}) == 2


def test_reads_and_reverted_changes_store_nothing(fleet: Fleet) -> None:
    for phone in fleet:
        run(phone.android, "getprop; ls -l /; pm list packages", NOW)
    phone = fleet["phone0001"]
    phone.user = "u"
    phone.user = None

    assert (fleet.overrides, fleet.android_changes) == (Overrides(), AndroidChanges())


def test_a_reset_keeps_the_user_of_the_phone(fleet: Fleet) -> None:
    phone = fleet["phone0001"]
    run(
        phone.android, "setprop a 1; echo x > /sdcard/a; input tap 1 2; am start com.android.settings/.S", NOW
    )
    phone.android.apps["com.a.b"], phone.user, phone.streaming = "1", "u", True

    phone.reset()

    assert (fleet.overrides, fleet.android_changes) == (Overrides(user={1: "u"}), AndroidChanges())


def test_bought_phones_are_put_on_servers_of_their_region(fleet: Fleet) -> None:
    bought = [fleet.add(f"new-{at}", "cn-east-3", MODELS[1], RELEASES[2]) for at in range(4)]

    assert [phone.id for phone in bought] == ["phone0121", "phone0122", "phone0123", "phone0124"]
    assert {phone.server for phone in bought} == {2, 3}
    assert {phone.region for phone in bought} == {"cn-east-3"}
    assert (bought[0].name, bought[0].model, bought[0].release) == ("new-0", MODELS[1], RELEASES[2])
    assert bought[0].created == NOW
    assert list(fleet)[-4:] == bought


def test_a_part_of_the_newest_phones_keeps_their_order(fleet: Fleet) -> None:
    every = [phone.id for phone in fleet.newest()]

    assert [phone.id for phone in fleet.newest(1, 3)] == every[1:3]
    assert [phone.id for phone in fleet.newest(len(fleet) - 1, len(fleet) + 5)] == every[-1:]


def test_a_region_without_servers_sells_no_phones(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match="moon-1"):
        fleet.add("new", "moon-1", MODELS[0], RELEASES[0])
    assert len(fleet) == 120


def test_a_phone_that_was_named_is_gone_once_it_is_removed(fleet: Fleet) -> None:
    assert fleet.all_of(("phone0001", "phone0002")) == (fleet["phone0001"], fleet["phone0002"])
    fleet.remove("phone0002")

    assert fleet.find("phone0002") is None
    with pytest.raises(KeyError, match="phone0002"):
        fleet.all_of(("phone0001", "phone0002"))


def test_a_restored_fleet_has_no_phone_that_was_named_before(fleet: Fleet) -> None:
    before = fleet.snapshot()
    bought = fleet.add("new", "cn-north-4", MODELS[0], RELEASES[0]).id
    assert fleet.all_of((bought, "phone0001"))

    fleet.restore(before)

    assert fleet.find(bought) is None
    with pytest.raises(KeyError, match=bought):
        fleet.all_of((bought, "phone0001"))


def test_a_fact_of_many_phones_is_that_of_each(fleet: Fleet) -> None:
    phones = fleet.page(0, 3)
    assert Phone.running.of(phones) == [RunningState.RUNNING] * 3
    assert Phone.running.of([]) == []

    fleet["phone0002"].running = RunningState.STOPPED

    assert Phone.running.of(phones) == [phone.running for phone in phones]


def test_a_group_has_each_phone_once_however_often_it_is_named(fleet: Fleet) -> None:
    named = ("phone0002", "phone0001", "phone0002")

    assert [[phone.id for phone in fleet.all_of(named)] for _ in range(2)] == [["phone0002", "phone0001"]] * 2


def test_more_phones_can_be_named_than_are_remembered(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("koophone_async.emulator.fleet.MAX_KNOWN", 2)
    monkeypatch.setattr("koophone_async.emulator.fleet.MAX_GROUPS", 2)
    ids = tuple(phone.id for phone in fleet.page(0, 5))
    groups = [ids[first:] for first in range(5)]

    assert [tuple(phone.id for phone in fleet.all_of(group)) for group in groups] == groups


def test_a_bought_phone_is_found_in_a_group_that_named_it_in_vain(fleet: Fleet) -> None:
    with pytest.raises(KeyError, match="phone0121"):
        fleet.all_of(("phone0001", "phone0121"))

    bought = fleet.add("new", "cn-north-4", MODELS[0], RELEASES[0])

    assert fleet.all_of(("phone0001", "phone0121")) == (fleet["phone0001"], bought)


def test_the_number_of_a_removed_phone_is_not_reused(fleet: Fleet) -> None:
    fleet["phone0002"].user = "u"
    fleet.remove("phone0002")
    fleet.remove(fleet.add("new", "cn-north-4", MODELS[0], RELEASES[0]).id)

    assert [phone.id for phone in fleet.page(0, 2)] == ["phone0001", "phone0003"]
    assert (len(fleet), "phone0002" in fleet, fleet.overrides) == (119, False, Overrides())
    assert fleet.add("new", "cn-north-4", MODELS[0], RELEASES[0]).id == "phone0122"
    with pytest.raises(KeyError):
        fleet.remove("phone0002")


def changed(fleet: Fleet) -> Fleet:
    """A fleet in which something of every kind has happened."""
    phone = fleet["phone0001"]
    phone.running, phone.user, phone.backup, phone.backup_time = (
        RunningState.STOPPED,
        "u",
        CopyState.FAILED,
        NOW,
    )
    run(phone.android, "setprop a 1; rm -r /sdcard/Music; echo x > /sdcard/a; input tap 1 2", NOW)
    fleet.remove("phone0002")
    fleet.add("new", "cn-south-1", MODELS[2], RELEASES[0])
    return fleet


def test_a_snapshot_restores_a_fleet_through_json(fleet: Fleet) -> None:
    snapshot = changed(fleet).snapshot()
    later = Fleet(7, 120, 6, REGIONS, lambda: NOW + timedelta(days=3))

    text = json.dumps(converter(fleet).unstructure(snapshot))
    later.restore(converter(later).structure(json.loads(text), FleetSnapshot))

    assert later.snapshot() == snapshot
    assert [identity(phone) for phone in later] == [identity(phone) for phone in fleet]
    assert (later["phone0001"].running, later["phone0001"].backup_time) == (RunningState.STOPPED, NOW)
    assert run(later["phone0001"].android, "cat /sdcard/a; ls -d /sdcard/Mu*", NOW).output.startswith(
        "x\nls: "
    )


def test_a_snapshot_is_a_copy_of_the_changes(fleet: Fleet) -> None:
    assert fleet.snapshot().overrides == Overrides()

    snapshot = changed(fleet).snapshot()
    fleet["phone0001"].android.properties["b"] = "2"

    assert (set(snapshot.overrides.name), set(snapshot.overrides.running)) == ({121}, {1})
    assert snapshot.android.properties == {1: {"a": "1"}}


def test_a_snapshot_of_another_fleet_is_refused(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match="another fleet"):
        fleet.restore(fleet_of(120, seed=8).snapshot())


@pytest.mark.parametrize("regions", [(), ("a", "b", "c")])
def test_every_region_needs_a_server(regions: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot share 2 servers"):
        Fleet(1, 10, 2, regions, lambda: NOW)


def test_a_phone_takes_at_most_3_kb() -> None:
    tracemalloc.start()
    fleet = fleet_of(10_000, servers=100)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert fleet["phone10000"].region == "cn-south-1"
    assert memory / len(fleet) < 3000


def test_facts_can_be_read_on_the_class() -> None:
    assert isinstance(Phone.name, Overridable)
