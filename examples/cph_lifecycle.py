"""Buy a server of cloud phones, use its phones, copy the data of one to another, and stop them.

    python examples/cph_lifecycle.py NAME VPC SUBNET IMAGE BUCKET obs://BUCKET/path/app.apk

THIS COSTS MONEY: a server for a month, paid immediately. The only line that spends it is marked.

The API has no idempotency key for orders, so the name of the server serves as one: use a new name for each
order. If the script is interrupted, make sure that the server is listed before you run it again with the same
name: it continues with a server that is listed, and orders one that is not.
"""

import asyncio
import sys
from collections.abc import Sequence

from koophone_async import CloudPhone, Report, Session
from koophone_async.cph import (
    BuyServers,
    ChargedBy,
    NetworkCard,
    Period,
    Phone,
    PhoneQuery,
    PublicAddress,
    Server,
    ServerBandwidth,
    ServerQuery,
    ServerState,
    ServerTerm,
    Sharing,
)
from koophone_async.errors import NoAnswer

# Each phone records its serial number, so that the result shows whose data the other phone received.
MARK = "getprop ro.serialno > /sdcard/first_phone.txt; pm list packages -3"


def order_of(name: str, vpc: str, subnet: str, image: str) -> BuyServers:
    """Return an order of one server with 15 phones and no public address, for a month."""
    return BuyServers(
        name=name,
        model="physical.rx1.xlarge",
        phone_model="rx1.cp.c15.d32.e1v1",
        image=image,
        vpc=vpc,
        cards=(NetworkCard(subnet),),
        public_address=PublicAddress(count=0),
        bandwidth=ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=5),
        # Without `pay` the order stays unpaid, and the server is created once it is paid.
        term=ServerTerm(Period.MONTH, 1, pay=1),
    )


async def named(cph: CloudPhone, name: str) -> Server | None:
    """Return the server with exactly this name; the service also lists names that contain it."""
    servers = [server async for server in cph.servers.list(ServerQuery(name=name)) if server.name == name]
    return servers[0] if servers else None


async def buy_once(cph: CloudPhone, order: BuyServers) -> None:
    if await named(cph, order.name):
        return  # an earlier run bought it
    try:
        await cph.servers.buy(order)  # MONEY IS SPENT HERE, and nowhere else
    except NoAnswer:
        # It may have been bought. Never send an order twice: look for its server instead.
        print("no answer to the order; waiting for its server as if it had been placed")


async def ready(cph: CloudPhone, name: str, longest: float = 3600, every: float = 30) -> Server:
    """Wait until the server runs. An order has no job, so this polls the server.

    Raises:
        TimeoutError: There is no server yet. If the order had no answer, check it in the console now.
    """
    async with asyncio.timeout(longest):
        while True:
            server = await named(cph, name)
            if server is not None and server.state == ServerState.NORMAL:
                return server
            await asyncio.sleep(every)


async def name_and_tag(cph: CloudPhone, server: Server, phones: Sequence[Phone]) -> None:
    for number, phone in enumerate(phones, 1):
        await cph.phones.rename(phone.id, f"shop-{number:02}")
    tagged = await cph.server_fleet([server]).add_tags({"team": "shop"})
    tagged.raise_for_failures()


async def install_and_run(cph: CloudPhone, phones: Sequence[Phone], apk: str) -> Report:
    # A server runs ADB commands one phone at a time, so the fleet spreads listed phones over their servers.
    installed = await cph.fleet(phones).install(apk, "-r")
    installed.raise_for_failures()
    ran = await cph.fleet(phones).run(MARK)
    ran.raise_for_failures()
    return ran


async def copy_data(cph: CloudPhone, source: Phone, target: Phone, bucket: str, path: str) -> None:
    exported = await cph.fleet([source]).export(["/data/media"], bucket, {source.id: path})
    exported.raise_for_failures()
    restored = await cph.fleet([target]).restore(bucket, path)
    restored.raise_for_failures()
    restarted = await cph.fleet([target]).restart()  # until the restart apps may crash
    restarted.raise_for_failures()


async def run_lifecycle(order: BuyServers, bucket: str, apk: str) -> Report:
    async with Session() as session:
        cph = CloudPhone(session)
        await buy_once(cph, order)
        server = await ready(cph, order.name)
        phones = [phone async for phone in cph.phones.list(PhoneQuery(server=server.id))]
        await name_and_tag(cph, server, phones)
        ran = await install_and_run(cph, phones, apk)
        await copy_data(cph, phones[0], phones[-1], bucket, f"{order.name}/data.tar")
        # Stopped phones cost the same: the server is paid by the month, and no call can return it.
        stopped = await cph.fleet(phones).stop()
        stopped.raise_for_failures()
        return ran


if __name__ == "__main__":
    name, vpc, subnet, image, bucket, apk = sys.argv[1:]
    order = order_of(name, vpc, subnet, image)
    if input(f"This buys 1 x {order.model} for a month. Type {name} to pay for it: ") == name:
        for outcome in asyncio.run(run_lifecycle(order, bucket, apk)):
            print(outcome.id, outcome.state, outcome.output)
