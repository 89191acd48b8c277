"""Calls about phones: their lives, their data, commands, images and jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from koophone_async.cph import (
    ClientType,
    Export,
    ImageQuery,
    ImageScope,
    ImageState,
    ImageType,
    NewSize,
    OnServers,
    PhoneChange,
    PhoneImageQuery,
    PhoneQuery,
    PhoneReset,
    PhoneState,
    PhoneType,
    PropertyUpdate,
    Restore,
    Route,
    SaleState,
    ShareAnswer,
)
from tests.interop.calls import Call, Names

PAGE: Final = {"offset": 0, "limit": 100}
BUTTONS: Final = '{"com.cph.mainkeys":"1"}'
TAR: Final = "obs://backups/game.tar"
APK: Final = "obs://backups/game.apk"
BUCKET: Final = "backups"
OBJECT: Final = "phones/1.tar"
OBJECTS: Final = {"bucket_name": BUCKET, "object_path": OBJECT}
SINCE: Final = datetime(2025, 2, 8, tzinfo=UTC)


def _phones(n: Names) -> list[str]:
    return [n("phone"), n("phone2")]


def _adb(n: Names, command: str, content: str) -> dict[str, Any]:
    return {"body": {"command": command, "content": content, "phone_ids": _phones(n)}}


PHONES: Final = (
    Call(
        "cph.phones.list",
        "list_cloud_phones",
        lambda n: {**PAGE, "phone_name": "a b", "server_id": n("server"), "status": 2, "type": 0},
        lambda cph, n: cph.phones.list(PhoneQuery("a b", n("server"), PhoneState.RUNNING, PhoneType.COMMON)),
    ),
    Call(
        "cph.phones.show",
        "show_cloud_phone_detail",
        lambda n: {"phone_id": n("phone")},
        lambda cph, n: cph.phones.show(n("phone")),
    ),
    Call(
        "cph.phones.rename",
        "update_phone_name",
        lambda n: {"phone_id": n("phone"), "body": {"phone_name": "店-1"}},
        lambda cph, n: cph.phones.rename(n("phone"), "店-1"),
    ),
    Call(
        "cph.phones.stop",
        "stop_cloud_phone",
        lambda n: {"body": {"phone_ids": _phones(n)}},
        lambda cph, n: cph.phones.stop(_phones(n)),
    ),
    Call(
        "cph.phones.restart",
        "restart_cloud_phone",
        lambda n: {
            "body": {
                "image_id": n("phone_image"),
                "phones": [{"phone_id": n("phone"), "property": BUTTONS}, {"phone_id": n("phone2")}],
            }
        },
        lambda cph, n: cph.phones.restart(
            [PhoneChange(n("phone"), {"com.cph.mainkeys": 1}), n("phone2")], n("phone_image")
        ),
    ),
    Call(
        "cph.phones.reset",
        "reset_cloud_phone",
        lambda n: {
            "body": {
                "image_id": n("phone_image"),
                "phones": [
                    {"phone_id": n("phone"), "property": BUTTONS, "factory_reset_enabled": True},
                    {"phone_id": n("phone2")},
                ],
            }
        },
        lambda cph, n: cph.phones.reset(
            [PhoneReset(n("phone"), {"com.cph.mainkeys": 1}, clear_properties=True), n("phone2")],
            n("phone_image"),
        ),
    ),
    Call(
        "cph.phones.models",
        "list_cloud_phone_models",
        lambda _: {**PAGE, "status": 1},
        lambda cph, _: cph.phones.models(SaleState.ON_SALE),
    ),
    Call(
        "cph.phones.connections",
        "batch_show_phone_connect_infos",
        lambda n: {"body": {"phone_ids": _phones(n), "client_type": "ANDROID"}},
        lambda cph, n: cph.phones.connections(_phones(n), ClientType.ANDROID),
    ),
    Call(
        "cph.phones.update_properties",
        "update_cloud_phone_property",
        lambda n: {
            "body": {
                "phones": [{"phone_id": n("phone"), "property": BUTTONS, "custom_property": {"shop": "1"}}]
            }
        },
        lambda cph, n: cph.phones.update_properties(
            [PropertyUpdate(n("phone"), {"com.cph.mainkeys": 1}, {"shop": "1"})]
        ),
    ),
    Call(
        "cph.traffic.route",
        "import_traffic",
        lambda n: {"body": {"phone_ids": _phones(n), "traffic_type": "direct"}},
        lambda cph, n: cph.traffic.route(_phones(n), Route.DIRECT),
    ),
)

STORAGE: Final = (
    Call(
        "cph.storage.export",
        "batch_export_cloud_phone_data",
        lambda n: {
            "body": {
                "storage_infos": [
                    {
                        "phone_id": n("phone"),
                        "include_files": ["/data/app", "/cache"],
                        "exclude_files": ["/data/app/log"],
                        **OBJECTS,
                    }
                ]
            }
        },
        lambda cph, n: cph.storage.export(
            [Export(n("phone"), ["/data/app", "/cache"], BUCKET, OBJECT, ["/data/app/log"])]
        ),
    ),
    Call(
        "cph.storage.restore",
        "batch_import_cloud_phone_data",
        lambda n: {"body": {"restore_infos": [{"phone_id": n("phone2"), **OBJECTS}]}},
        lambda cph, n: cph.storage.restore([Restore(n("phone2"), BUCKET, OBJECT)]),
    ),
    Call(
        "cph.storage.expand",
        "expand_phone_data_volume_size",
        lambda n: {"body": {"phones": [{"phone_id": n("phone"), "new_size": 200}]}},
        lambda cph, n: cph.storage.expand([NewSize(n("phone"), 200)]),
    ),
)

COMMANDS: Final = (
    Call(
        "cph.commands.push",
        "push_file",
        lambda n: _adb(n, "push", TAR),
        lambda cph, n: cph.commands.push(_phones(n), TAR),
    ),
    Call(
        "cph.commands.install",
        "install_apk",
        lambda n: _adb(n, "install", f"-t -r {APK}"),
        lambda cph, n: cph.commands.install(_phones(n), APK, "-t -r"),
    ),
    Call(
        "cph.commands.install_split",
        "install_apk",
        lambda n: _adb(n, "install-multiple", f"{APK} {APK}"),
        lambda cph, n: cph.commands.install_split(_phones(n), [APK, APK]),
    ),
    Call(
        "cph.commands.uninstall",
        "uninstall_apk",
        lambda n: _adb(n, "uninstall", "com.example.game"),
        lambda cph, n: cph.commands.uninstall(_phones(n), "com.example.game"),
    ),
    Call(
        "cph.commands.run",
        "run_shell_command",
        lambda n: {
            "body": {"command": "shell", "content": 'echo "ü"', "server_ids": [n("server"), n("server2")]}
        },
        lambda cph, n: cph.commands.run(OnServers([n("server"), n("server2")]), 'echo "ü"'),
    ),
    Call(
        "cph.commands.run_sync",
        "run_sync_command",
        lambda n: _adb(n, "shell", "getprop ro.build.version.release"),
        lambda cph, n: cph.commands.run_sync(_phones(n), "getprop ro.build.version.release"),
    ),
)

IMAGES: Final = (
    Call(
        "cph.phone_images.list",
        "list_cloud_phone_images",
        lambda _: {"image_type": "all", "marker": "m 1", "limit": 500},
        lambda cph, _: cph.phone_images.list(PhoneImageQuery(ImageScope.ALL, "m 1", 500)),
    ),
    Call(
        "cph.images.list",
        "list_images",
        lambda n: {
            **PAGE,
            "image_id": n("image"),
            "image_name": "a&b",
            "image_type": "private",
            "status": 1,
            "src_project_id": n("project"),
            "create_since": int(SINCE.timestamp() * 1000),
            "create_until": int(SINCE.timestamp() * 1000),
        },
        lambda cph, n: cph.images.list(
            ImageQuery(n("image"), "a&b", ImageType.PRIVATE, ImageState.READY, n("project"), SINCE, SINCE)
        ),
    ),
    Call(
        "cph.images.delete",
        "delete_image",
        lambda n: {"image_id": n("image")},
        lambda cph, n: cph.images.delete(n("image")),
    ),
    Call(
        "cph.image_members.list",
        "list_image_members",
        lambda n: {"image_id": n("image")},
        lambda cph, n: cph.image_members.list(n("image")),
    ),
    Call(
        "cph.image_members.add",
        "add_image_member",
        lambda n: {"image_id": n("image"), "body": {"member": n("project")}},
        lambda cph, n: cph.image_members.add(n("image"), n("project")),
    ),
    Call(
        "cph.image_members.remove",
        "delete_image_member",
        lambda n: {"image_id": n("image"), "member_id": n("member")},
        lambda cph, n: cph.image_members.remove(n("image"), n("member")),
    ),
    Call(
        "cph.image_members.answer",
        "update_image_member",
        lambda n: {"image_id": n("shared_image"), "body": {"status": "accepted"}},
        lambda cph, n: cph.image_members.answer(n("shared_image"), ShareAnswer.ACCEPTED),
    ),
)

JOBS: Final = (
    Call(
        "cph.jobs.show",
        "show_job",
        lambda n: {"job_id": n("job")},
        lambda cph, n: cph.jobs.show(n("job")),
    ),
    Call(
        "cph.jobs.list",
        "list_jobs",
        lambda n: {**PAGE, "request_ids": f"{n('request')},{n('request2')}"},
        lambda cph, n: cph.jobs.list([n("request"), n("request2")]),
    ),
)

CALLS: Final = (*PHONES, *STORAGE, *COMMANDS, *IMAGES, *JOBS)
