"""Phones, images, commands and jobs of CPH: what is checked, what is sent, what is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.cph import (
    AddMember,
    AnswerShare,
    ConnectionRequest,
    Export,
    ImageQuery,
    InstallApp,
    InstallSplitApp,
    Job,
    JobEntry,
    JobQuery,
    JobState,
    Listing,
    MigratePhones,
    Migration,
    NewSize,
    OnServers,
    PhoneChange,
    PhoneImageQuery,
    PhoneModel,
    PhoneQuery,
    PhoneRequest,
    PropertyUpdate,
    PushFile,
    RenamePhone,
    ResetPhones,
    RestartPhones,
    Restore,
    RouteTraffic,
    RunCommand,
    Started,
    StopPhones,
    UninstallApp,
    UpdateProperties,
)
from koophone_async.errors import InvalidRequest
from koophone_async.services.cph.commands import RUN_SYNC
from koophone_async.services.cph.migration import by_target
from koophone_async.services.cph.storage import EXPAND

if TYPE_CHECKING:
    from collections.abc import Callable

TAR: Final = "obs://bucket/a.tar"
APK: Final = "obs://bucket/a.apk"


WRONG: Final[list[tuple[Callable[[], object], str]]] = [
    (lambda: PhoneRequest("x" * 33), "phone: is 33 characters long; at most 32"),
    (lambda: PhoneRequest("phone-export"), "phone: does not match"),
    (lambda: RenamePhone("p1", "n" * 61), "name: is 61 characters long; at most 60"),
    (lambda: RenamePhone("p1", "a b"), "name: does not match"),
    (lambda: PhoneQuery(limit=201), "limit: is 201; it must be 1 to 200"),
    (lambda: PhoneQuery(state=5), "state: is 5; it must be one of 0, 1, 2"),  # type: ignore[arg-type]
    (lambda: StopPhones([]), "phones: has 0 items; it must have at least 1"),
    (lambda: StopPhones("p1"), "ids: is the string 'p1'"),
    (lambda: RestartPhones("p1"), "phones: is the string 'p1'"),
    (lambda: ResetPhones([]), "phones: has 0 items"),
    (lambda: ResetPhones(["p1"], "i" * 33), "image: is 33 characters long; at most 32"),
    (lambda: AnswerShare("i1", "maybe"), "verdict: is 'maybe'; it must be one of accepted, rejected"),
    (lambda: ConnectionRequest(["p1"], "TV"), "client: is 'TV'; it must be one of ANDROID"),  # type: ignore[arg-type]
    (lambda: UpdateProperties([]), "phones: has 0 items"),
    (lambda: PropertyUpdate("p1", {}), "properties: is empty"),
    (lambda: Migration("p1", "p1"), "target: is also the source; a phone cannot be migrated to itself"),
    (
        lambda: MigratePhones([Migration("p1", "p3"), Migration("p2", "p3")]),
        "migrations: has a duplicate target",
    ),
    (lambda: MigratePhones([]), "migrations: has 0 items; it must have at least 1"),
    (lambda: PropertyUpdate("p1", "[1]"), "property: is not a JSON object"),
    (lambda: PhoneChange("p1", "[]"), "property: is not a JSON object"),
    (lambda: PropertyUpdate("p1", "{"), "property: is not a JSON object"),
    (lambda: RouteTraffic(["p1"], "left"), "route: is 'left'; it must be one of direct, routing"),  # type: ignore[arg-type]
    (lambda: Export("p1", [], "bucket", "o"), "include: has 0 items"),
    (lambda: Export("p1", ["/system"], "bucket", "o"), "include: does not match"),
    (lambda: Export("p1", ["/data/../etc passwd"], "bucket", "o"), "include: does not match"),
    (lambda: Export("p1", ["/data/" + "x" * 4096], "bucket", "o"), "include: is 4,102 bytes of UTF-8 long"),
    (lambda: Export("p1", ["/data"], "Bucket", "o"), "bucket: does not match"),
    (lambda: Export("p1", ["/data"], "bu", "o"), "bucket: does not match"),
    (lambda: Export("p1", ["/data"], "bucket", "ä"), "path: does not match"),
    (lambda: Export("p1", "/data", "bucket", "o"), "paths: is the string '/data'; pass a list of paths"),
    (lambda: Export("p1", ["/data/../system"], "bucket", "o"), "include: does not match"),
    (lambda: Export("p1", ["/data"], "bucket", "o", ["data"]), "exclude: does not match"),
    (lambda: Export("p1", ["/data"], "bucket", "o", ["/system/app"]), "exclude: does not match"),
    (lambda: Restore("p1", "bucket", "o" * 1025), "path: is 1,025 characters long; at most 1,024"),
    (lambda: NewSize("p1", 32_769), "size: is 32,769; it must be 1 to 32,768 GiB"),
    (lambda: JobQuery([f"r{n}" for n in range(21)]), "requests: has 21 items; it must have 1 to 20 items"),
    (lambda: JobQuery(["r1"], limit=101), "limit: is 101; it must be 1 to 100"),
    (lambda: ImageQuery(limit=101), "limit: is 101; it must be 1 to 100"),
    (lambda: PhoneImageQuery("mine"), "scope: is 'mine'; it must be one of public"),  # type: ignore[arg-type]
    (lambda: AddMember("i1", ""), "project: is empty"),
    (
        lambda: PushFile.on(["p1"], "obs://bucket/a.zip"),
        "content: is 'obs://bucket/a.zip'; it must end in .tar",
    ),
    (lambda: PushFile.on(["p1"], "https://bucket/a.tar"), "content: does not match obs://"),
    (lambda: PushFile.on(["p1"], "obs://a.tar"), "content: does not match obs://"),
    (lambda: PushFile.on(["p1"], f"obs://{'x' * 1015}.tar"), "content: is 1,025 bytes of UTF-8 long"),
    (lambda: InstallApp.on(["p1"], "obs://a.apk"), "then obs://bucket/path/file.apk"),
    (lambda: InstallApp.on(["p1"], TAR), "at most 1,024 bytes of UTF-8: options if any, then obs://"),
    (lambda: InstallApp.on(["p1"], f"{APK} {APK}"), "content: is 'obs://bucket/a.apk obs://"),
    (lambda: InstallApp.on(["p1"], f"{APK} -r"), "options if any, then obs://"),
    (lambda: InstallSplitApp.on(["p1"], " ".join([APK] * 51)), "then 1 to 50 obs://bucket/path/file.apk"),
    (
        lambda: InstallSplitApp.on(["p1"], f"{APK} {'x' * 8100}"),
        "is 8,119 bytes of UTF-8 long; at most 8,100",
    ),
    (lambda: UninstallApp.on(["p1"], "com.example; rm"), "content: does not match"),
    (lambda: RunCommand.on(["p1"], "é" * 513), "content: is 1,026 bytes of UTF-8 long; at most 1,024"),
    (lambda: RunCommand.on(["p1"], ""), "content: is empty"),
    (lambda: RunCommand.on([], "id"), "phones: and servers are both empty"),
    (lambda: RunCommand(phones=["p"], servers=["s"], content="id"), "phones: and servers are both set"),
    (lambda: RunCommand.on(OnServers([f"s{n}" for n in range(101)]), "id"), "servers: has 101 items"),
    (
        lambda: RunCommand(phones=["p"], content="id", command="push"),
        "command: is 'push'; it must be one of shell",
    ),
]


@pytest.mark.parametrize("build, problem", WRONG, ids=[f"{n} {words}" for n, (_, words) in enumerate(WRONG)])
def test_an_invalid_request_names_its_limit(build: Callable[[], object], problem: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        build()

    assert problem in str(raised.value)


def test_fifty_packages_and_their_options_go_in_one_call() -> None:
    content = "-t -r " + " ".join([APK] * 50)

    assert InstallSplitApp.on(["p1"], content).content == content


def test_synchronous_commands_take_15_phones_6_times_a_minute() -> None:
    assert RUN_SYNC.batch is not None
    assert RUN_SYNC.batch.max == 15
    assert [(quota.permits, quota.seconds) for quota in RUN_SYNC.quotas] == [(6, 60)]


def test_only_expanding_disks_is_an_order() -> None:
    assert (EXPAND.order, EXPAND.repeatable) == (True, False)


def test_a_job_has_a_target_and_an_end() -> None:
    jobs = [Job("j1", 1, phone="p1", server="s1"), Job("j2", JobState.FAILED, server="s1"), Job("j3", 7)]

    assert [(job.ended, job.succeeded, job.target) for job in jobs] == [
        (False, False, "p1"),
        (True, False, "s1"),
        (False, False, ""),
    ]
    assert Job("j4", 2, encoding_server="e1", server="s1").target == "e1"


def test_a_jobs_listing_is_parsed_from_its_output() -> None:
    assert (
        Job("j1", 2, output='{"files_in_path": ["1\\t a\\t b\\t c\\t d\\t "]}').listing.files[0].name == "d"
    )
    assert Job("j2", 1).listing == Listing(is_cut=True)


def test_a_model_shows_whether_it_has_shared_storage() -> None:
    shared = [
        PhoneModel("m", specification=text).has_shared_storage
        for text in ('{"max_share_disk_size_g":50}', "{", "1")
    ]

    assert shared == [True, False, False]


def test_entries_of_a_migration_are_named_by_target() -> None:
    sources = {"t1": "s1", "t2": "s2"}
    by_sources = Started("r", (JobEntry("s1", id="j1"), JobEntry("s2", error_code="CPS.0005")))
    by_targets = Started("r", (JobEntry("t1", id="j1"), JobEntry(id="j2")))

    assert [entry.phone for entry in by_target(by_sources, ["t1", "t2"], sources).jobs] == ["t1", "t2"]
    assert by_target(by_targets, ["t1", "t2"], sources) == by_targets
