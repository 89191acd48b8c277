"""Buy a server of cloud phones, put it to use, give one phone's data to another, and stop the phones.

    python examples/cph_lifecycle.py NAME VPC SUBNET IMAGE BUCKET obs://BUCKET/path/app.apk

THIS SPENDS MONEY: a server for a month, paid at once. The only line that does so is marked.

An order has no key by which the service would know it again, so the server's name serves as one: choose a
name for this one order. If the script is interrupted, see that the order's server is listed before you run
it again with the same name: what is listed it goes on with, what is not listed it orders.
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

# Each phone notes which one it was, so that the end shows whose data the other phone got.
MARK = "getprop ro.serialno > /sdcard/first_phone.txt; pm list packages -3"


def order_of(name: str, vpc: str, subnet: str, image: str) -> BuyServers:
    """One server with 15 phones and no public address, for a month."""
    return BuyServers(
        name=name,
        model="physical.rx1.xlarge",
        phone_model="rx1.cp.c15.d32.e1v1",
        image=image,
        vpc=vpc,
        cards=(NetworkCard(subnet),),
        public_address=PublicAddress(count=0),
        bandwidth=ServerBandwidth(Sharing.DEDICATED, ChargedBy.TRAFFIC, size=5),
        # Without `pay` the order waits unpaid, and no server comes until somebody pays.
        term=ServerTerm(Period.MONTH, 1, pay=1),
    )


async def named(cph: CloudPhone, name: str) -> Server | None:
    """Find a server by its whole name; the service also lists those with the name in theirs."""
    found = [server async for server in cph.servers.list(ServerQuery(name=name)) if server.name == name]
    return found[0] if found else None


async def buy_once(cph: CloudPhone, order: BuyServers) -> None:
    if await named(cph, order.name):
        return  # an earlier run bought it
    try:
        await cph.servers.buy(order)  # MONEY IS SPENT HERE, and nowhere else
    except NoAnswer:
        # It may have been bought. Nothing sends an order twice, and neither must you: look for it instead.
        print("no answer to the order; waiting for the server as if it had been made")


async def ready(cph: CloudPhone, name: str, longest: float = 3600, every: float = 30) -> Server:
    """Wait until the server works. An order has no job, so the server itself is looked at.

    Raises:
        TimeoutError: It did not come. If nothing answered the order, look into the order centre now.
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
    # A server does its ADB work phone after phone. Listed phones know their server, so the fleet does too.
    installed = await cph.fleet(phones).install(apk, "-r")
    installed.raise_for_failures()
    ran = await cph.fleet(phones).run(MARK)
    ran.raise_for_failures()
    return ran


async def give(cph: CloudPhone, source: Phone, target: Phone, bucket: str, path: str) -> None:
    exported = await cph.fleet([source]).export(["/data/media"], bucket, {source.id: path})
    exported.raise_for_failures()
    restored = await cph.fleet([target]).restore(bucket, path)
    restored.raise_for_failures()
    restarted = await cph.fleet([target]).restart()  # until then apps may crash
    restarted.raise_for_failures()


async def live(order: BuyServers, bucket: str, apk: str) -> Report:
    async with Session() as session:
        cph = CloudPhone(session)
        await buy_once(cph, order)
        server = await ready(cph, order.name)
        phones = [phone async for phone in cph.phones.list(PhoneQuery(server=server.id))]
        await name_and_tag(cph, server, phones)
        ran = await install_and_run(cph, phones, apk)
        await give(cph, phones[0], phones[-1], bucket, f"{order.name}/data.tar")
        # Stopped phones cost the same: the server is paid by the month, and no call gives such a server back.
        stopped = await cph.fleet(phones).stop()
        stopped.raise_for_failures()
        return ran


if __name__ == "__main__":
    name, vpc, subnet, image, bucket, apk = sys.argv[1:]
    order = order_of(name, vpc, subnet, image)
    if input(f"This buys 1 x {order.model} for a month. Type {name} to pay for it: ") == name:
        for outcome in asyncio.run(live(order, bucket, apk)):
            print(outcome.id, outcome.state, outcome.output)
