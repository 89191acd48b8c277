"""Calls whose fields exclude those of the first: all phones of a server, existing addresses, bandwidths."""

from __future__ import annotations

from typing import Any, Final

from koophone_async.cph import (
    BareAddress,
    BareCard,
    BuyBareServers,
    BuyServers,
    ChangeServer,
    ChargedBy,
    NetworkCard,
    OnServers,
    Period,
    PublicAddress,
    RenewableTerm,
    ReplacedCard,
    ServerBandwidth,
    ServerTerm,
    Sharing,
)
from tests.interop.buying_calls import SHARED, SUBNET, in_our_words, network
from tests.interop.calls import Call, Names
from tests.interop.phone_calls import APK, TAR

ADDRESS: Final = "9e8d7c6b-5a49-4837-a625-140312f0e1d2"
TERM: Final = {"period_type": 3, "period_num": 10, "is_auto_pay": 0, "charging_mode": 0}
LINE: Final = {"band_width_share_type": 1, "band_width_charge_mode": 0, "band_width_id": SHARED}
EXISTING: Final = {"public_ip": {"ids": [ADDRESS]}, "band_width": LINE}
BANDWIDTH: Final = ServerBandwidth(Sharing.SHARED, ChargedBy.BANDWIDTH, id=SHARED)
OURS: Final[dict[str, Any]] = {"public_address": PublicAddress(existing=[ADDRESS]), "bandwidth": BANDWIDTH}


def _where(n: Names) -> OnServers:
    return OnServers([n("server"), n("server2")])


def _adb(n: Names, command: str, content: str) -> dict[str, Any]:
    return {"body": {"command": command, "content": content, "server_ids": list(_where(n).servers)}}


ADB: Final = (
    Call(
        "cph.commands.push",
        "push_file",
        lambda n: _adb(n, "push", TAR),
        lambda cph, n: cph.commands.push(_where(n), TAR),
    ),
    Call(
        "cph.commands.install",
        "install_apk",
        lambda n: _adb(n, "install", APK),
        lambda cph, n: cph.commands.install(_where(n), APK),
    ),
    Call(
        "cph.commands.uninstall",
        "uninstall_apk",
        lambda n: _adb(n, "uninstall", "com.example.game"),
        lambda cph, n: cph.commands.uninstall(_where(n), "com.example.game"),
    ),
    Call(
        "cph.commands.run",
        "run_shell_command",
        lambda n: {"body": {"command": "shell", "content": "id", "phone_ids": [n("phone")]}},
        lambda cph, n: cph.commands.run([n("phone")], "id"),
    ),
    Call(
        "cph.commands.run_sync",
        "run_sync_command",
        lambda n: _adb(n, "shell", "id"),
        lambda cph, n: cph.commands.run_sync(_where(n), "id"),
    ),
)

ORDERS: Final = (
    Call(
        "cph.servers.buy",
        "create_net2_cloud_phone_server",
        lambda n: {
            "body": {
                "server_name": "shop",
                "server_model_name": n("server_model"),
                "count": 1,
                "extend_param": TERM,
                "nics": [{"subnet_id": SUBNET}],
                **network(n),
                **EXISTING,
            }
        },
        lambda cph, n: cph.servers.buy(
            BuyServers(
                name="shop",
                model=n("server_model"),
                term=ServerTerm(Period.YEAR, 10),
                cards=(NetworkCard(SUBNET),),
                **in_our_words(n) | OURS,
            )
        ),
    ),
    Call(
        "cph.servers.buy_bare",
        "create_cloud_phone_single_server",
        lambda n: {
            "body": {
                "server_name": "bare",
                "server_model_name": n("server_model"),
                "count": 1,
                "order_param": TERM,
                "nics": [{"subnet_id": SUBNET}],
                "public_ip": {"ids": [ADDRESS], "band_width": LINE},
                "keypair_name": "KeyPair-1",
            }
        },
        lambda cph, n: cph.servers.buy_bare(
            BuyBareServers(
                name="bare",
                model=n("server_model"),
                term=RenewableTerm(Period.YEAR, 10),
                cards=(BareCard(SUBNET),),
                public_address=BareAddress(bandwidth=BANDWIDTH, existing=[ADDRESS]),
                keypair="KeyPair-1",
            )
        ),
    ),
    Call(
        "cph.servers.change",
        "change_cloud_phone_server",
        lambda n: {
            "server_id": n("server"),
            "body": {"nics": [{"subnet_id": SUBNET}], **network(n), **EXISTING},
        },
        lambda cph, n: cph.servers.change(
            ChangeServer(server=n("server"), cards=(ReplacedCard(SUBNET),), **in_our_words(n) | OURS)
        ),
    ),
)

CALLS: Final = (*ADB, *ORDERS)
