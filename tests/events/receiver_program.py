"""A receiver that a test kills: prints its address and appends handled events to a file."""

from __future__ import annotations

import asyncio
import sys

from koophone_async.events import Delivery, Heartbeat, Receiver, serve


async def main(journal: str, done: str) -> None:
    receiver = Receiver(journal=journal, delivery=Delivery(workers=4, first_delay=0.01))
    tried: set[str] = set()

    @receiver.on_heartbeat
    async def append(event: Heartbeat) -> None:
        if event.session.endswith("7") and event.session not in tried:
            tried.add(event.session)
            raise OSError
        with open(done, "a") as file:  # noqa: ASYNC230, PTH123 - the file must survive the kill
            file.write(event.session + "\n")

    async with serve(receiver) as address:
        sys.stdout.write(address + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
