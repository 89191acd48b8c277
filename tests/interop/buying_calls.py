"""Calls that buy servers or change their hardware."""

from __future__ import annotations

from typing import Any, Final

from koophone_async.cph import (
    AddressType,
    BareAddress,
    BareCard,
    BareDisk,
    BuyBareServers,
    BuyServers,
    ChangeModel,
    ChangeServer,
    ChargedBy,
    Disk,
    DiskType,
    Fee,
    NetworkCard,
    NewAddress,
    OwnBandwidth,
    Owner,
    Period,
    Port,
    PublicAddress,
    RenewableTerm,
    ReplacedBandwidth,
    ReplacedCard,
    ServerBandwidth,
    ServerTerm,
    Sharing,
)
from tests.interop.calls import Call, Names

VPC: Final = "0c9d0a52-5c1e-4f0c-9a3c-3f6d2b1a7e10"
SUBNET: Final = "3b7d41f0-8a2e-4c55-b0d1-9e6f7a8b2c34"
SHARED: Final = "6a1f2e3d-4c5b-4a69-8878-796a5b4c3d2e"
PROPERTIES: Final = '{"com.cph.mainkeys":"1"}'
TERM: Final = {"period_type": 2, "period_num": 1, "is_auto_pay": 1, "charging_mode": 0, "is_auto_renew": 1}
DEDICATED: Final = {"band_width_share_type": 0, "band_width_charge_mode": 1, "band_width_size": 10}
BANDWIDTH: Final = ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=10)
CARD: Final = {"subnet_id": SUBNET, "ipv6_enable": True}


def network(n: Names) -> dict[str, Any]:
    return {
        "phone_model_name": n("phone_model"),
        "image_id": n("phone_image"),
        "keypair_name": "KeyPair-1",
        "ports": [{"name": "game", "listen_port": 10001, "internet_accessible": "true"}],
        "tenant_vpc_id": VPC,
        "public_ip": {"eip": {"type": "5_bgp"}, "count": 1},
        "phone_count_per_ip": 1,
        "band_width": DEDICATED,
        "phone_data_volume": {"volume_type": "GPSSD", "size": 40},
        "server_share_data_volume": {"volume_type": "SSD", "size": 100},
        "availability_zone": "cn-north-4a",
        "property": PROPERTIES,
    }


def in_our_words(n: Names) -> dict[str, Any]:
    return {
        "phone_model": n("phone_model"),
        "image": n("phone_image"),
        "keypair": "KeyPair-1",
        "ports": (Port("game", 10001, is_public=True),),
        "vpc": VPC,
        "public_address": PublicAddress(NewAddress(AddressType.DYNAMIC_BGP), count=1),
        "phones_per_address": 1,
        "bandwidth": BANDWIDTH,
        "phone_disk": Disk(DiskType.GENERAL_PURPOSE_SSD, 40),
        "shared_disk": Disk(DiskType.SSD, 100),
        "zone": "cn-north-4a",
        "properties": PROPERTIES,
    }


CALLS: Final = (
    Call(
        "cph.servers.buy",
        "create_net2_cloud_phone_server",
        lambda n: {
            "body": {
                "server_name": "shop",
                "server_model_name": n("server_model"),
                "count": 2,
                "extend_param": {**TERM, "enterprise_project_id": "0"},
                "nics": [{**CARD, "ipv6_bandwidth": {"band_width_id": SHARED}}],
                **network(n),
            }
        },
        lambda cph, n: cph.servers.buy(
            BuyServers(
                name="shop",
                model=n("server_model"),
                count=2,
                term=ServerTerm(Period.MONTH, 1, 1, renew=1, enterprise_project="0"),
                cards=(NetworkCard(SUBNET, True, OwnBandwidth(SHARED)),),  # noqa: FBT003 - IPv6
                **in_our_words(n),
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
                "nics": [{**CARD, "ipv6_band_width_id": SHARED}],
                "public_ip": {"type": "5_bgp", "count": 1, "band_width": DEDICATED},
                "availability_zone": "cn-north-4a",
                "data_volume": {"volume_type": "SSD", "size": 100, "count": 2},
                "keypair_name": "KeyPair-1",
                "enterprise_project_id": "0",
                "image_id": n("phone_image"),
            }
        },
        lambda cph, n: cph.servers.buy_bare(
            BuyBareServers(
                name="bare",
                model=n("server_model"),
                term=RenewableTerm(Period.MONTH, 1, 1, renew=1),
                cards=(BareCard(SUBNET, True, SHARED),),  # noqa: FBT003 - IPv6
                public_address=BareAddress(bandwidth=BANDWIDTH, type="5_bgp", count=1),
                keypair="KeyPair-1",
                zone="cn-north-4a",
                disk=BareDisk(DiskType.SSD, 100, 2),
                image=n("phone_image"),
                enterprise_project="0",
            )
        ),
    ),
    Call(
        "cph.servers.change",
        "change_cloud_phone_server",
        lambda n: {
            "server_id": n("bought_server"),
            "body": {
                "nics": [{**CARD, "ipv6_bandwidth": {"band_width_id": SHARED}}],
                "extend_param": {"enterprise_project_id": "0"},
                **network(n),
            },
        },
        lambda cph, n: cph.servers.change(
            ChangeServer(
                server=n("bought_server"),
                cards=(ReplacedCard(SUBNET, True, ReplacedBandwidth(SHARED)),),  # noqa: FBT003 - IPv6
                owner=Owner("0"),
                **in_our_words(n),
            )
        ),
    ),
    Call(
        "cph.servers.change_model",
        "change_cloud_phone_server_model",
        lambda n: {
            "body": {
                "server_id": n("server"),
                "server_model_name": n("other_server_model"),
                "phone_model_name": n("other_phone_model"),
                "extend_param": {"is_auto_pay": 1},
            }
        },
        lambda cph, n: cph.servers.change_model(
            ChangeModel(n("server"), n("other_server_model"), n("other_phone_model"), Fee(1))
        ),
    ),
)
