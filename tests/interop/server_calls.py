"""Calls about servers: their lives, what they share, tags, bandwidths and planned maintenance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from koophone_async.cph import (
    Authorization,
    BandwidthQuery,
    EncodingFilter,
    EncodingServerQuery,
    EncodingType,
    EventQuery,
    EventState,
    EventType,
    Network,
    ProductType,
    ServerQuery,
    ServerState,
)
from tests.interop.calls import Call, Names

PAGE: Final = {"offset": 0, "limit": 100}
PACKAGE: Final = "com.example.game"
TURBO: Final = {"type": "sfs_turbo", "id": "f1e2d3c4-b5a6-4978-8899-aabbccddeeff"}
KIND: Final = {"resource_type": "cph-server"}
TAGS: Final = [{"key": "shop", "value": "north 1"}, {"key": "店", "value": "a=b"}]
AT: Final = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def _servers(n: Names) -> list[str]:
    return [n("server"), n("server2")]


SERVERS: Final = (
    Call(
        "cph.servers.list",
        "list_cloud_phone_servers",
        lambda n: {
            **PAGE,
            "server_name": "shop",
            "server_id": n("server"),
            "network_version": "v2",
            "phone_model_name": n("phone_model"),
            "create_since": 1,
            "create_until": 4102444800,
            "status": 5,
        },
        lambda cph, n: cph.servers.list(
            ServerQuery("shop", n("server"), Network.OWN, n("phone_model"), 1, 4102444800, ServerState.NORMAL)
        ),
    ),
    Call(
        "cph.servers.show",
        "show_cloud_phone_server_detail",
        lambda n: {"server_id": n("server")},
        lambda cph, n: cph.servers.show(n("server")),
    ),
    Call(
        "cph.servers.models",
        "list_cloud_phone_server_models",
        lambda _: {"product_type": 0},
        lambda cph, _: cph.servers.models(ProductType.PHONES),
    ),
    Call(
        "cph.servers.offerings",
        "list_cloud_phone_server_model_offerings",
        lambda _: {"limit": 100},
        lambda cph, _: cph.servers.offerings(),
    ),
    Call(
        "cph.servers.restart",
        "restart_cloud_phone_server",
        lambda n: {"body": {"server_ids": _servers(n)}},
        lambda cph, n: cph.servers.restart(_servers(n)),
    ),
    Call(
        "cph.servers.rename",
        "update_server_name",
        lambda n: {"server_id": n("server"), "body": {"server_name": "店-1"}},
        lambda cph, n: cph.servers.rename(n("server"), "店-1"),
    ),
    Call(
        "cph.servers.delete",
        "delete_cloud_phone_server",
        lambda n: {"body": {"server_ids": [n("server_by_use")]}},
        lambda cph, n: cph.servers.delete([n("server_by_use")]),
    ),
    Call(
        "cph.keypairs.update",
        "update_keypair",
        lambda n: {"body": {"servers": [{"server_id": one, "keypair_name": "key 1"} for one in _servers(n)]}},
        lambda cph, n: cph.keypairs.update(dict.fromkeys(_servers(n), "key 1")),
    ),
    Call(
        "cph.encoding_servers.list",
        "list_encode_servers",
        lambda n: {**PAGE, "type": 1, "status": 1, "server_id": n("server")},
        lambda cph, n: cph.encoding_servers.list(
            EncodingServerQuery(n("server"), EncodingType.CONTAINER, EncodingFilter.RUNNING)
        ),
    ),
    Call(
        "cph.encoding_servers.restart",
        "restart_encode_server",
        lambda n: {"body": {"encode_server_ids": [n("encoding_server")]}},
        lambda cph, n: cph.encoding_servers.restart([n("encoding_server")]),
    ),
    Call(
        "cph.bandwidths.list",
        "show_bandwidth_detail",
        lambda _: {"offset": 0, "limit": 7},
        lambda cph, _: cph.bandwidths.list(BandwidthQuery(0, 7)),
    ),
    Call(
        "cph.bandwidths.update",
        "update_bandwidth",
        lambda n: {"band_width_id": n("bandwidth"), "body": {"band_width_size": 350}},
        lambda cph, n: cph.bandwidths.update(n("bandwidth"), 350),
    ),
)

SHARED: Final = (
    Call(
        "cph.shared_files.push",
        "push_share_files",
        lambda n: {"body": {"bucket_name": "games", "object_path": "a/b.tar", "server_ids": _servers(n)}},
        lambda cph, n: cph.shared_files.push(_servers(n), "games", "a/b.tar"),
    ),
    Call(
        "cph.shared_files.list",
        "list_share_files",
        lambda n: {"path": "/data/a+b=c", "server_ids": ",".join(_servers(n)), "offset": 0, "limit": 50},
        lambda cph, n: cph.shared_files.list(_servers(n), "/data/a+b=c"),
    ),
    Call(
        "cph.shared_files.delete",
        "delete_share_files",
        lambda n: {"body": {"server_ids": _servers(n), "file_paths": ["/data/a b", "/cache/c"]}},
        lambda cph, n: cph.shared_files.delete(_servers(n), ["/data/a b", "/cache/c"]),
    ),
    Call(
        "cph.shared_apps.push",
        "push_share_apps",
        lambda n: {
            "body": {
                "package_name": PACKAGE,
                "bucket_name": "games",
                "object_path": "a/b.tar",
                "server_ids": _servers(n),
                "pre_install_app": 1,
            }
        },
        lambda cph, n: cph.shared_apps.push(_servers(n), PACKAGE, "games", "a/b.tar", preinstall=True),
    ),
    Call(
        "cph.shared_apps.delete",
        "delete_share_apps",
        lambda n: {"body": {"package_name": PACKAGE, "server_ids": _servers(n)}},
        lambda cph, n: cph.shared_apps.delete(_servers(n), PACKAGE),
    ),
    Call(
        "cph.shared_apps.list",
        "list_share_apps_snapshot",
        lambda n: {"server_id": n("server"), "package_name": PACKAGE, "limit": 100},
        lambda cph, n: cph.shared_apps.list(n("server"), PACKAGE),
    ),
    Call(
        "cph.shared_filesystems.attach",
        "attach_share_filesystem",
        lambda n: {"body": {**TURBO, "server_ids": _servers(n), "path": "/games"}},
        lambda cph, n: cph.shared_filesystems.attach(TURBO["id"], _servers(n), "/games"),
    ),
    Call(
        "cph.shared_filesystems.detach",
        "detach_share_filesystem",
        lambda n: {"body": {**TURBO, "server_ids": _servers(n)}},
        lambda cph, n: cph.shared_filesystems.detach(TURBO["id"], _servers(n)),
    ),
)

TAGGED: Final = (
    Call(
        "cph.tags.list",
        "list_project_tags",
        lambda _: {**KIND, **PAGE},
        lambda cph, _: cph.tags.list(),
    ),
    Call(
        "cph.tags.show",
        "list_resource_tags",
        lambda n: {**KIND, "resource_id": n("server")},
        lambda cph, n: cph.tags.show(n("server")),
    ),
    Call(
        "cph.tags.find",
        "list_resource_instances",
        lambda _: {
            **KIND,
            "body": {
                "action": "filter",
                "offset": "0",
                "limit": "1000",
                "tags": [{"key": "shop", "values": ["north 1", "south"]}],
                "matches": [{"key": "resource_name", "value": "shop"}],
            },
        },
        lambda cph, _: cph.tags.find({"shop": ["north 1", "south"]}, "shop"),
    ),
    Call(
        "cph.tags.count",
        "list_resource_instances",
        lambda _: {**KIND, "body": {"action": "count", "without_any_tag": True, "tags": [], "matches": []}},
        lambda cph, _: cph.tags.count(untagged=True),
    ),
    Call(
        "cph.tags.add",
        "batch_create_tags",
        lambda n: {**KIND, "resource_id": n("server"), "body": {"action": "create", "tags": TAGS}},
        lambda cph, n: cph.tags.add(n("server"), {tag["key"]: tag["value"] for tag in TAGS}),
    ),
    Call(
        "cph.tags.remove",
        "batch_delete_tags",
        lambda n: {**KIND, "resource_id": n("server"), "body": {"action": "delete", "tags": TAGS}},
        lambda cph, n: cph.tags.remove(n("server"), {tag["key"]: tag["value"] for tag in TAGS}),
    ),
)

PLANNED: Final = (
    Call(
        "cph.scheduled_events.list",
        "list_scheduled_events",
        lambda n: {
            "event_id": n("event"),
            "server_id": n("server"),
            "publish_since": "2030-01-02T03:04:05Z",
            "publish_until": "2030-01-02T03:04:05Z",
            "state": ["inquiring", "scheduled"],
            "type": ["localdisk-recovery", "system-maintenance"],
            "limit": 100,
        },
        lambda cph, n: cph.scheduled_events.list(
            EventQuery(
                event=n("event"),
                server=n("server"),
                since=AT,
                until=AT,
                states=[EventState.INQUIRING, EventState.SCHEDULED],
                types=list(EventType),
            )
        ),
    ),
    Call(
        "cph.scheduled_events.authorize",
        "authorize_scheduled_event",
        lambda n: {
            "event_id": n("event"),
            "body": {"authorization_type": "maintenance", "not_before": "2030-01-02T03:04:05Z"},
        },
        lambda cph, n: cph.scheduled_events.authorize(n("event"), Authorization.MAINTENANCE, AT),
    ),
    Call(
        "cph.scheduled_events.reschedule",
        "update_scheduled_event",
        lambda n: {"event_id": n("event"), "body": {"not_before": "2030-01-02T03:04:05Z"}},
        lambda cph, n: cph.scheduled_events.reschedule(n("event"), AT),
    ),
)

CALLS: Final = (*SERVERS, *SHARED, *TAGGED, *PLANNED)
