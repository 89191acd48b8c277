from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from examples import cph_backup_and_restore, cph_lifecycle, cph_quick_start
from koophone_async import CloudPhone, Password, State
from koophone_async.emulator import Durations, Emulator, Fail, Refuse, Reset
from koophone_async.emulator.cph.flavors import PUBLIC
from koophone_async.emulator.fleet import RunningState
from koophone_async.errors import PartialFailure
from koophone_async.services.cph import buying, commands, phones, storage, tags
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from koophone_async import Session
    from koophone_async.cph import BuyServers
    from koophone_async.emulator.phone import Phone
    from koophone_async.emulator.world import Order

APK = "obs://apps/com.example.shop-3.1.apk"

WALK = [operation.name for operation in (storage.EXPORT, storage.RESTORE, phones.RESTART)]
LIFE = [tags.ADD.name, commands.INSTALL.name, commands.RUN.name, *WALK, phones.STOP.name]

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, now=utc_now, jobs=Durations(fixed=20)),
]


@pytest.fixture(autouse=True)
def _environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOOPHONE_CPH_ENDPOINT", emulator.cph_endpoint)
    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", emulator.iam_endpoint)
    monkeypatch.setenv("KOOPHONE_REGION", emulator.project)
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", emulator.access_key.access_key)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", emulator.access_key.secret_key)


@pytest.fixture
def order() -> BuyServers:
    network = "fca063f6-b942-42a8-9004-e5545f58d6a2"
    return cph_lifecycle.order_of("farm", network, network, next(iter(PUBLIC)))


def calls(emulator: Emulator, operation: str) -> int:
    return sum(visit.operation == operation for visit in emulator.ledger.recent_requests)


def open_jobs(emulator: Emulator) -> list[str]:
    now = emulator.world.clock()
    return [work.id for work in emulator.jobs.by_id.values() if not work.ended(now)]


def serial_of(those: list[Phone], id: str) -> str:
    return next(phone.android.serial for phone in those if phone.cph_id == id)


def bought(emulator: Emulator) -> tuple[Order, list[Phone]]:
    """The one order that there is, and the phones that it brought."""
    (placed,) = emulator.world.orders.values()
    server = emulator.world.cph.servers.by_id[placed.resources[0]]
    return placed, list(emulator.phones.on_server(server.index))


@pytest.mark.emulator(phones=150)
async def test_the_quick_start_restarts_one_phone(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    user = Password(emulator.user, emulator.password, emulator.domain, emulator.project)
    phone = emulator.phones["phone0002"].cph_id

    report = await cph_quick_start.restart(user, phone)

    assert set(capsys.readouterr().out.split()) >= {phone.cph_id for phone in emulator.phones}
    assert calls(emulator, "iam.tokens.create") == 1
    assert emulator.ledger.executions(phones.RESTART.name) == {phone: 1}
    assert open_jobs(emulator) == []
    assert report[phone].state is State.SUCCEEDED


async def test_the_quick_start_reports_refused_and_failed_phones(
    emulator: Emulator,
) -> None:
    user = Password(emulator.user, emulator.password, emulator.domain, emulator.project)
    phone = emulator.phones["phone0002"].cph_id
    emulator.fault(Fail("CPS.0006"), phone=phone)

    failed = await cph_quick_start.restart(user, phone)
    refused = await cph_quick_start.restart(user, "0" * 32)

    assert (failed[phone].state, failed[phone].error_code) == (State.FAILED, "CPS.0006")
    assert refused["0" * 32].state is State.REFUSED


async def test_a_phones_data_is_restored_on_another(emulator: Emulator) -> None:
    one, other = emulator.phones["phone0001"], emulator.phones["phone0006"]
    other.release = one.release
    one.android.disk.write("/sdcard/kept.txt", "written", 1)
    one.android.apps["com.example.shop"] = one.android.apps["com.example.huge"] = "2.0"

    await cph_backup_and_restore.move("mybucket", one.cph_id, other.cph_id)

    android = emulator.phones["phone0006"].android
    assert android.disk.read("/sdcard/kept.txt") == "written"
    assert (android.apps["com.example.shop"], "com.example.huge" in android.apps) == ("2.0", False)
    assert emulator.ledger.executions(storage.EXPORT.name) == {one.cph_id: 1}
    assert emulator.ledger.executions(storage.RESTORE.name) == {other.cph_id: 1}
    assert emulator.ledger.executions(phones.RESTART.name) == {other.cph_id: 1}
    assert open_jobs(emulator) == []


async def test_a_phones_data_is_restored_on_itself(emulator: Emulator, session: Session) -> None:
    cph, one = CloudPhone(session), emulator.phones["phone0001"]
    one.android.disk.write("/sdcard/kept.txt", "before", 1)
    paths = await cph_backup_and_restore.back_up(cph, [one.cph_id], "mybucket")
    one.android.disk.write("/sdcard/kept.txt", "after", 2)

    await cph_backup_and_restore.restore(cph, "mybucket", paths)

    assert emulator.phones["phone0001"].android.disk.read("/sdcard/kept.txt") == "before"


@pytest.mark.parametrize("step", WALK)
async def test_backup_and_restore_stop_at_a_failed_step(emulator: Emulator, step: str) -> None:
    one, other = (emulator.phones[id].cph_id for id in ("phone0001", "phone0002"))
    emulator.fault(Fail(), step)

    with pytest.raises(PartialFailure):
        await cph_backup_and_restore.move("mybucket", one, other)

    assert [name for name in WALK if calls(emulator, name)] == WALK[: WALK.index(step) + 1]


async def test_a_server_is_bought_once_used_and_stopped(emulator: Emulator, order: BuyServers) -> None:
    report = await cph_lifecycle.run_lifecycle(order, "mybucket", APK)

    placed, its = bought(emulator)
    once = {phone.cph_id: 1 for phone in its}
    assert (placed.paid, placed.cost, len(once)) == (True, 640.0, 15)
    assert emulator.world.cph.servers.by_id[placed.resources[0]].tags == {"team": "shop"}
    assert {phone.name for phone in its} == {f"shop-{number:02}" for number in range(1, 16)}
    assert {phone.android.apps.get("com.example.shop") for phone in its} == {"3.1"}
    for operation in (commands.INSTALL, commands.RUN, phones.STOP):
        assert emulator.ledger.executions(operation.name) == once
    assert {outcome.output for outcome in report} == {"package:com.example.shop\n"}
    assert {phone.running for phone in its} == {RunningState.STOPPED}
    assert open_jobs(emulator) == []


async def test_one_phone_gets_the_data_of_another(emulator: Emulator, order: BuyServers) -> None:
    await cph_lifecycle.run_lifecycle(order, "mybucket", APK)

    (source,) = emulator.ledger.executions(storage.EXPORT.name)
    (target,) = emulator.ledger.executions(storage.RESTORE.name)
    _, its = bought(emulator)
    wrote = {phone.cph_id: phone.android.serial for phone in its} | {target: serial_of(its, source)}
    assert {p.cph_id: p.android.disk.read("/sdcard/first_phone.txt").strip() for p in its} == wrote
    assert source != target
    assert emulator.ledger.executions(phones.RESTART.name) == {target: 1}


@pytest.mark.parametrize("executed", [True, False])
async def test_an_order_without_an_answer_is_never_sent_again(
    emulator: Emulator, order: BuyServers, *, executed: bool
) -> None:
    emulator.fault(Reset(executed=executed), buying.BUY)

    if executed:
        await cph_lifecycle.run_lifecycle(order, "mybucket", APK)
        assert len(bought(emulator)[1]) == 15
    else:
        with pytest.raises(TimeoutError):
            await cph_lifecycle.run_lifecycle(order, "mybucket", APK)
        assert emulator.world.orders == {}

    assert calls(emulator, buying.BUY.name) == 1


@pytest.mark.parametrize("step", LIFE)
async def test_the_lifecycle_stops_at_a_failed_step(emulator: Emulator, order: BuyServers, step: str) -> None:
    is_tag = step == tags.ADD.name
    emulator.fault(Refuse(400, "CPS.0307") if is_tag else Fail(), step)

    with pytest.raises(PartialFailure):
        await cph_lifecycle.run_lifecycle(order, "mybucket", APK)

    assert [name for name in LIFE if calls(emulator, name)] == LIFE[: LIFE.index(step) + 1]


async def test_a_second_run_uses_the_server_of_the_first(emulator: Emulator, order: BuyServers) -> None:
    emulator.fault(Fail(), commands.INSTALL, first=1)
    with pytest.raises(PartialFailure):
        await cph_lifecycle.run_lifecycle(order, "mybucket", APK)

    await cph_lifecycle.run_lifecycle(order, "mybucket", APK)

    assert calls(emulator, buying.BUY.name) == 1
    assert len(bought(emulator)[1]) == 15
