"""What is captured: commands, the trouble that they meet, and what a person answers."""

from __future__ import annotations

import json
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from koophone_async.emulator import Fail, Fault, Refuse, Reset, Stick, Throttle

if TYPE_CHECKING:
    from collections.abc import Mapping

FLEET: Final = 10_000
_RUN: Final = "koophone.commands.run"
FAILURES: Final = (
    Fault(Reset(executed=True), _RUN, first=1),
    *(Fault(Fail("CPS.0191"), phone=f"phone{number:05}") for number in range(150, FLEET, FLEET // 42 - 5)),
)
"""100 phones whose call has no answer, and 43 that fail."""

_RELEASE: Final = "-- getprop ro.build.version.release"
_NOWHERE: Final = "http://127.0.0.1:9"
_PLAN: Final = """
name: shop
targets: {ids: [phone0001, phone0002, phone0003, phone0004, phone0005]}
steps:
  - run: getprop ro.build.version.release
waves: [1, 100%]
between: {approve: true}
undo:
  - run: id -u
"""
_UNGATED: Final = _PLAN.replace("between: {approve: true}", "stop: {not_succeeded: 50%}")
_BAD_PLAN: Final = "name: shop\ntargets: {ids: [phone0001]}\nsteps:\n  - rum: id -u\n"
_SERVER_ORDER: Final = {
    "server_name": "shop",
    "server_model_name": "physical.rx1.xlarge",
    "phone_model_name": "rx1.cp.c60.d10",
    "image_id": "1234567890",
    "tenant_vpc_id": "01234567-89ab-cdef-0123-456789abcdef",
    "public_ip": {},
    "nics": [{"subnet_id": "01234567-89ab-cdef-0123-456789abcdef"}],
    "count": 2,
    "extend_param": {"charging_mode": 0, "period_type": 2, "period_num": 1, "is_auto_pay": 1},
    "band_width": {"band_width_share_type": 0, "band_width_size": 300, "band_width_charge_mode": 0},
}


@frozen
class Scene:
    """A command in a terminal."""

    line: str
    """As a person types it, without `koophone`."""

    phones: int = 250
    faults: tuple[Fault, ...] = ()
    environ: Mapping[str, str] = field(factory=dict[str, str])
    files: Mapping[str, str] = MappingProxyType({})
    """Texts of files in the working directory, by name."""

    before: tuple[str, ...] = ()
    """Commands that run first."""

    answer: str = "n"
    """What is typed where the command asks."""

    until: str = ""
    """Text at which the screen is captured, and Ctrl-C pressed."""

    clock_ahead: timedelta = timedelta()
    """How far the clock of this machine is ahead of that of the service."""

    edition: str = "china"


def _plan(line: str, *before: str, plan: str = _UNGATED, faults: tuple[Fault, ...] = ()) -> Scene:
    """Return a scene of a rollout of five phones."""
    return Scene(line, files={"shop.yaml": plan}, before=before, faults=faults)


_ONE_FAILS: Final = (Fault(Fail("CPS.0191"), phone="phone0002"),)
_LISTS: Final = {
    "list": Scene("instances list --limit 8"),
    "list-cph": Scene("cph phones list --limit 8"),
    "list-all-columns": Scene("instances list --limit 2 --columns all"),
    "group": Scene(f"exec --all --group {_RELEASE}", FLEET, FAILURES),
    "diff": Scene(f"exec --all --diff {_RELEASE}", FLEET, FAILURES),
    "failures": Scene(f"exec --all --failed-only --group {_RELEASE}", FLEET, FAILURES),
    "table": Scene(f"exec phone0001 phone0002 phone0003 {_RELEASE}", faults=_ONE_FAILS),
    "audit": Scene("apps list --where 'id ~ \"phone000*\"' --group"),
    "progress": Scene(f"exec --all --group {_RELEASE}", FLEET, until=" left"),
    "quota": Scene("cph commands run-sync --all --command id --group", until="waits for quota"),
    "dry-run": Scene(f"exec --all --dry-run {_RELEASE}"),
    "config": Scene("config"),
}
_CONFIRMATIONS: Final = {
    "ask-reset": Scene("instances reset --all"),
    "ask-reset-cph": Scene("cph phones reset --all"),
    "ask-unsubscribe": Scene("orders unsubscribe --all"),
    "ask-delete": Scene("cph servers delete server0001 server0002"),
    "ask-delete-app": Scene("cph shared-apps delete --all --package com.shop"),
    "ask-delete-files": Scene("cph shared-files delete --all --paths /data/shop"),
    "ask-uninstall": Scene("cph commands uninstall --all --package com.shop"),
    "ask-uninstall-server": Scene("cph commands uninstall --server server0001 --package com.shop"),
    "ask-restore": Scene("cph storage restore --all --bucket shop --path {phone}.tar"),
    "ask-unassign": Scene("users unassign --where 'id ~ \"phone00*\"' --user mia"),
    "ask-migrate": Scene("cph phones migrate p1 p2 --sources p1=p2 --sources p2=p1"),
    "ask-restart": Scene("cph servers restart --all"),
    "ask-restart-encoding": Scene("cph encoding-servers restart e1 e2"),
    "ask-backup": Scene("instances backup phone0001 phone0002"),
    "ask-undeploy": Scene("cph gaming deployments undeploy --all --versions v1"),
    "ask-remove": Scene("cph gaming deployments remove --all --versions v1"),
    "ask-buy": Scene(
        "orders buy --os AOSP11 --sku sku1 --band-sku band1 --region cn-north-4 --prefix shop"
        " --bandwidth 2 --count 3 --charge-period 2 --charge-count 1"
    ),
    "ask-buy-servers": Scene(
        "cph servers buy --body @order.json", files={"order.json": json.dumps(_SERVER_ORDER)}
    ),
    "ask-change-model": Scene("cph servers change-model --server s1 --model m2 --phone-model p2"),
    "ask-expand": Scene("cph storage expand --all --size 200"),
    "ask-undo": _plan("rollout undo shop", "rollout start shop.yaml"),
    "ask-retry-unknown": _plan(
        "rollout retry shop --unknown",
        "rollout start shop.yaml",
        faults=(Fault(Reset(executed=True), _RUN, first=1),),
    ),
    "no-terminal": Scene("instances reset --all </dev/null"),
}
_DOCTOR: Final = {
    "doctor": Scene("doctor"),
    "doctor-keys": Scene("doctor", environ={"HUAWEICLOUD_SDK_SK": "wrong"}),
    "doctor-clock": Scene("doctor", clock_ahead=timedelta(minutes=22)),
    "doctor-dns": Scene("doctor", environ={"KOOPHONE_ENDPOINT": "https://koophone.invalid"}),
    "doctor-proxy": Scene(
        "doctor", environ={"KOOPHONE_ENDPOINT": "https://koophone.example", "HTTPS_PROXY": _NOWHERE}
    ),
    "doctor-region": Scene("doctor", environ={"KOOPHONE_REGION": "xx-none-1", "KOOPHONE_CPH_ENDPOINT": ""}),
    "doctor-permission": Scene(
        "doctor", faults=(Fault(Refuse(403, "KOOPHONE.API.1003"), "koophone.instances.list"),)
    ),
    "doctor-quota": Scene("doctor", faults=(Fault(Throttle(), "koophone.instances.list"),)),
    "doctor-no-account": Scene("doctor", environ={"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}),
}
_CREDENTIALS: Final = "[prod]\nak = PRODKEY\nsk = secret\nproject_id = 0123\n"
_ERRORS: Final = {
    "error-keys": Scene("instances list", environ={"HUAWEICLOUD_SDK_SK": "wrong"}),
    "error-no-account": Scene("instances list", environ={"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}),
    "error-clock": Scene(f"exec phone0001 {_RELEASE}", clock_ahead=timedelta(minutes=22)),
    "error-connection": Scene("instances list", environ={"KOOPHONE_ENDPOINT": _NOWHERE}),
    "error-connection-exec": Scene(
        f"exec phone0001 phone0002 {_RELEASE}", environ={"KOOPHONE_ENDPOINT": _NOWHERE}
    ),
    "error-permission": Scene(
        f"exec phone0001 phone0002 {_RELEASE}", faults=(Fault(Refuse(403, "KOOPHONE.API.1003"), _RUN),)
    ),
    "error-throttled": Scene(
        f"-v exec phone0001 {_RELEASE}", faults=(Fault(Throttle(retry_after=1), _RUN, first=2),)
    ),
    "error-conflict": Scene(
        "--profile prod instances list",
        environ={"HUAWEICLOUD_SDK_CREDENTIALS_FILE": "credentials"},
        files={"credentials": _CREDENTIALS},
    ),
    "error-profile": Scene("--profile nobody instances list"),
    "error-tar": Scene("cph commands push --all --tar shop.txt"),
    "error-edition": Scene(
        "streaming stop phone0001",
        edition="international",
        environ={"KOOPHONE_EDITION": "international"},
    ),
    "error-empty": Scene("instances list --id nope"),
    "error-empty-selection": Scene(f"exec --where 'name == nope' {_RELEASE}"),
    "error-column": Scene("instances list --columns id,nope"),
    "error-where": Scene("instances list --where 'color == red'"),
    "error-where-syntax": Scene("instances list --where 'name ='"),
    "error-sort": Scene("instances list --sort nope"),
    "error-option": Scene("instances list --limt 3"),
    "error-command": Scene("instances lst"),
    "error-no-phones": Scene(f"exec {_RELEASE}"),
    "error-no-command": Scene("exec phone0001"),
    "error-two-selections": Scene(f"exec phone0001 --all {_RELEASE}"),
    "error-ids-file": Scene(f"exec --ids-file nope.csv {_RELEASE}"),
    "error-bad-id": Scene(f"exec phone0001 nope {_RELEASE}"),
    "error-choice": Scene("orders buy --os AOSP8"),
    "error-missing": Scene("cph servers change-model --server s1"),
    "error-journal": Scene(f"exec phone0001 --journal /proc/journal.db {_RELEASE}"),
    "error-no-project": Scene("cph phones list", environ={"HUAWEICLOUD_SDK_PROJECT_ID": ""}),
    "error-no-region": Scene("cph phones list", environ={"KOOPHONE_CPH_ENDPOINT": ""}),
    "error-api": Scene("api koophone.instances.lst"),
    "error-json": Scene("api koophone.instances.status --body '{\"instance_ids\": '"),
    "error-token": Scene("jobs wait nope"),
    "error-unfinished": Scene(
        f"exec phone0001 phone0002 --timeout 3 --no-journal {_RELEASE}",
        faults=(Fault(Stick(), phone="phone0002"),),
    ),
    "error-unpaid": Scene(
        "orders buy --os AOSP11 --sku sku1 --band-sku band1 --region cn-north-4 --prefix shop"
        " --bandwidth 2 --count 1 --charge-period 2 --charge-count 1",
        answer="y",
    ),
    "interrupt": Scene(
        f"exec --all --group {_RELEASE}", faults=(Fault(Stick(), phone="phone0002"),), until="249 of 250"
    ),
}
_ROLLOUTS: Final = {
    "rollout-check": _plan("rollout check shop.yaml"),
    "rollout-bad-plan": _plan("rollout check shop.yaml", plan=_BAD_PLAN),
    "rollout-no-plan": Scene("rollout start nope.yaml"),
    "rollout-approval": _plan("rollout start shop.yaml", plan=_PLAN, faults=()),
    "rollout-failed": _plan("rollout start shop.yaml", faults=_ONE_FAILS),
    "rollout-stopped": _plan("rollout start shop.yaml", faults=(Fault(Fail("CPS.0191"), phone="phone0001"),)),
    "rollout-status": _plan("rollout status", "rollout start shop.yaml", faults=_ONE_FAILS),
    "rollout-list": _plan("rollout list", "rollout start shop.yaml", faults=_ONE_FAILS),
    "rollout-outcomes": _plan("rollout outcomes", "rollout start shop.yaml", faults=_ONE_FAILS),
    "rollout-report": _plan("rollout report", "rollout start shop.yaml", faults=_ONE_FAILS),
    "rollout-none": Scene("rollout status nope"),
    "rollout-no-gate": _plan("rollout approve shop", "rollout start shop.yaml"),
    "rollout-retry": _plan("rollout retry shop", "rollout start shop.yaml", faults=_ONE_FAILS),
    "rollout-undo": Scene(
        "rollout undo shop", files={"shop.yaml": _UNGATED}, before=("rollout start shop.yaml",), answer="y"
    ),
}
SCENES: Final[Mapping[str, Scene]] = _LISTS | _CONFIRMATIONS | _DOCTOR | _ERRORS | _ROLLOUTS
