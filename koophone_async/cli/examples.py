"""Two examples for the help of each command. Words in capitals stand for ids of your own."""

from __future__ import annotations

from typing import Final

from koophone_async.cli.commands.services import Entry

_ARGUMENTS: Final = {
    "koophone.apps.install": (
        "--name com.example.app --file app.apk --version 1.0 --size 12.5 --url https://example.com/app.apk"
    ),
    "koophone.commands.run": "--command 'getprop ro.build.version.release'",
    "koophone.commands.run_sync": "--command 'getprop ro.build.version.release'",
    "koophone.jobs.list": "TASK",
    "koophone.orders.buy": "--body @order.json",
    "koophone.streaming.prepare": "--user ann",
    "koophone.streaming.progress": "--user ann phone0001",
    "koophone.users.assign": "--user ann",
    "koophone.users.unassign": "--user ann",
    "koophone.video.set": "--body @video.json",
    "cph.bandwidths.update": "BANDWIDTH --size 100",
    "cph.commands.install": "--apk obs://bucket/app.apk",
    "cph.commands.install_split": "--apks obs://bucket/base.apk --apks obs://bucket/german.apk",
    "cph.commands.push": "--tar obs://bucket/data.tar",
    "cph.commands.run": "--command 'getprop ro.build.version.release'",
    "cph.commands.run_sync": "--command 'getprop ro.build.version.release'",
    "cph.commands.uninstall": "--package com.example.app",
    "cph.image_members.add": "IMAGE --project PROJECT",
    "cph.image_members.answer": "IMAGE --verdict accepted",
    "cph.image_members.list": "IMAGE",
    "cph.image_members.remove": "IMAGE PROJECT",
    "cph.images.delete": "IMAGE",
    "cph.jobs.list": "REQUEST",
    "cph.jobs.show": "JOB",
    "cph.keypairs.update": "--keypair KeyPair-2",
    "cph.phones.connections": "--client ANDROID",
    "cph.phones.migrate": "--sources PHONE=OTHER",
    "cph.phones.rename": "PHONE --name shop-1",
    "cph.phones.show": "PHONE",
    "cph.phones.update_properties": "--properties com.cph.mainkeys=1",
    "cph.scheduled_events.authorize": "EVENT --authorization maintenance",
    "cph.scheduled_events.reschedule": "EVENT --start 2026-08-01T02:00:00+08:00",
    "cph.servers.buy": "--body @order.json",
    "cph.servers.buy_bare": "--body @order.json",
    "cph.servers.buy_v1": "--body @order.json",
    "cph.servers.change": "--body @change.json",
    "cph.servers.change_model": (
        "--server SERVER --model physical.rx1.xlarge --phone-model rx1.cp.c15.d46.e1v1"
    ),
    "cph.servers.delete": "SERVER",
    "cph.servers.rename": "SERVER --name shop",
    "cph.servers.show": "SERVER",
    "cph.shared_apps.delete": "--package com.example.app",
    "cph.shared_apps.list": "SERVER",
    "cph.shared_apps.push": "--package com.example.app --bucket apps --path app.tar",
    "cph.shared_files.delete": "--paths /data/local/old",
    "cph.shared_files.list": "--path /data",
    "cph.shared_files.push": "--bucket files --path data.tar",
    "cph.shared_filesystems.attach": "--filesystem FILESYSTEM SERVER",
    "cph.shared_filesystems.detach": "--filesystem FILESYSTEM SERVER",
    "cph.storage.expand": "--size 200",
    "cph.storage.export": "--include /data/local --bucket backups --path '{phone}.tar'",
    "cph.storage.restore": "--bucket backups --path '{phone}.tar'",
    "cph.tags.add": "--tags env=test",
    "cph.tags.remove": "--tags env=test",
    "cph.tags.show": "SERVER",
    "cph.traffic.route": "--route direct",
    "cph.undocumented.create_peering_routes": "--body @routes.json",
    "gaming.applications.create": "--name game --package com.example.game",
    "gaming.applications.delete": "APPLICATION",
    "gaming.applications.phones": "APPLICATION",
    "gaming.applications.servers": "APPLICATION",
    "gaming.applications.show": "APPLICATION",
    "gaming.deployments.deploy": "--versions VERSION",
    "gaming.deployments.on_phone": "PHONE",
    "gaming.deployments.on_server": "SERVER",
    "gaming.deployments.push": "--versions VERSION",
    "gaming.deployments.remove": "--versions VERSION",
    "gaming.deployments.undeploy": "--versions VERSION",
    "gaming.deployments.update": "--versions VERSION",
    "gaming.versions.create": "--body @version.json",
    "gaming.versions.delete": "VERSION",
    "gaming.versions.show": "VERSION",
    "iam.projects.list": "--name cn-north-4",
    "iam.tokens.create": "--user ann --password secret --domain company --project cn-north-4",
}
"""Arguments that a call needs, by operation."""


def examples(entry: Entry) -> tuple[str, str]:
    """Return two command lines of an operation: the plain one, and one for a script or a selection."""
    command = " ".join(("koophone", *entry.words))
    arguments = _ARGUMENTS.get(entry.operation.name, "")
    inventory = entry.verb.inventory if entry.verb else entry.lists or entry.details.inventory
    yes = "--yes" if entry.is_confirmed else ""
    yes_for_one = yes if entry.operation.order or (inventory and inventory.has_phones) else ""
    where = f"--where '{inventory.example}'" if inventory else ""
    if entry.verb is None:
        plain = f"{command} {arguments}"
        selected = f"{plain} {where}" if entry.lists else plain
    else:
        noun = entry.verb.inventory.noun.removesuffix("s").replace(" ", "_").upper()
        one = "phone0001" if entry.operation.service == "koophone" else noun
        plain, selected = f"{command} {one} {arguments}", f"{command} {where} {arguments}"
    return _line(plain, yes_for_one), _line(selected, yes, "--output jsonl")


def _line(*parts: str) -> str:
    return " ".join(filter(None, " ".join(parts).split(" ")))
