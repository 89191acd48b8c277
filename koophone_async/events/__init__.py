"""Receiver of game events: delivers the calls that the service makes to you as typed events.

```python
receiver = Receiver(journal="events.db")


@receiver.on_enter
async def entered(event: GameEntered) -> None:
    print(event.phone, event.session, event.at)


app.add_subapp("/cph", receiver.aiohttp())  # or: fastapi_app.mount("/cph", receiver.asgi())
```
"""

from koophone_async.events.access import Cipher, Encoding, Grant, Mode, TimestampMeaning, Validity
from koophone_async.events.asgi import Asgi
from koophone_async.events.counters import Counts
from koophone_async.events.dispatcher import Delivery
from koophone_async.events.errors import Reason
from koophone_async.events.limits import Limits
from koophone_async.events.models import Access, Event, GameEntered, GameQuit, Heartbeat, Kind, PhoneEvent
from koophone_async.events.presence import GameSession, Presence
from koophone_async.events.receiver import Receiver
from koophone_async.events.server import serve
from koophone_async.events.wire import (
    ENTER,
    HEARTBEAT,
    HEARTBEAT_INTERVAL,
    INBOUND_CALLS,
    QUIT,
    VERIFY,
    Answer,
    InboundCall,
    RequestHead,
    parse_access,
    parse_event,
    properties,
    serialize,
)

__all__ = [
    "ENTER",
    "HEARTBEAT",
    "HEARTBEAT_INTERVAL",
    "INBOUND_CALLS",
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
    "GameSession",
    "Grant",
    "Heartbeat",
    "InboundCall",
    "Kind",
    "Limits",
    "Mode",
    "PhoneEvent",
    "Presence",
    "Reason",
    "Receiver",
    "RequestHead",
    "TimestampMeaning",
    "Validity",
    "parse_access",
    "parse_event",
    "properties",
    "serialize",
    "serve",
]
