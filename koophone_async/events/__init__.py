"""The receiver of game events: what the service calls you for, as typed events in your handlers.

```python
receiver = Receiver(journal="events.db")


@receiver.on_enter
async def entered(event: GameEntered) -> None:
    print(event.phone, event.session, event.at)


app.add_subapp("/cph", receiver.aiohttp())  # or: fastapi_app.mount("/cph", receiver.asgi())
```
"""

from koophone_async.events.access import Cipher, Encoding, Grant, Mode, Stamp, Validity
from koophone_async.events.asgi import Asgi
from koophone_async.events.counters import Counts
from koophone_async.events.dispatcher import Delivery
from koophone_async.events.errors import Reason
from koophone_async.events.models import Access, Event, GameEntered, GameQuit, Heartbeat, Kind, PhoneEvent
from koophone_async.events.presence import Playing, Presence
from koophone_async.events.receiver import Limits, Receiver
from koophone_async.events.web import serve
from koophone_async.events.wire import (
    ENTER,
    HEARTBEAT,
    INBOUND,
    INTERVAL,
    QUIT,
    VERIFY,
    Answer,
    Head,
    Inbound,
    properties,
    read_access,
    read_event,
    write,
)

__all__ = [
    "ENTER",
    "HEARTBEAT",
    "INBOUND",
    "INTERVAL",
    "QUIT",
    "VERIFY",
    "Access",
    "Answer",
    "Asgi",
    "Cipher",
    "Counts",
    "Delivery",
    "Encoding",
    "Event",
    "GameEntered",
    "GameQuit",
    "Grant",
    "Head",
    "Heartbeat",
    "Inbound",
    "Kind",
    "Limits",
    "Mode",
    "PhoneEvent",
    "Playing",
    "Presence",
    "Reason",
    "Receiver",
    "Stamp",
    "Validity",
    "properties",
    "read_access",
    "read_event",
    "serve",
    "write",
]
