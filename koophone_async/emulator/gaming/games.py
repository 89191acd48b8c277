"""Games that are played: a test starts and stops them, and the phones send the events to their callback URLs.

A phone reads its URLs when it starts. If it has one for verification, a game starts only when the answer
has the player's key. Each callback is sent once and recorded: no document mentions that phones retry (CPH
6, 2020-07-30).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import define, field

from koophone_async import events
from koophone_async.emulator.android import system
from koophone_async.emulator.fleet import Phone, RunningState
from koophone_async.emulator.gaming.callbacks import CallbackClient
from koophone_async.emulator.gaming.library import Library, Version
from koophone_async.emulator.gaming.player import Call, Player, Round, TurnedAway
from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.errors import InvalidRequest
from koophone_async.wire import Json

_REMEMBERED: Final = 1000
_NONCE_BYTES: Final = {events.Mode.GCM: 12, events.Mode.CBC: 16}


@define(eq=False)
class Games:
    """Starts and stops games on phones.

    ```python
    await emulator.games.start(phone, application, Player(ticket, key))
    await emulator.games.stop(phone)
    ```
    """

    _jobs: Jobs
    _callbacks: CallbackClient
    cipher: events.Cipher = field(factory=events.Cipher)
    """How players' apps encrypt; no document states it, so it must be the receiver's choice."""

    calls: deque[Call] = field(factory=lambda: deque(maxlen=_REMEMBERED), init=False)
    """The last 1,000 callbacks of all phones, oldest first."""

    _rounds: dict[str, Round] = field(factory=dict[str, Round], init=False)
    _beats: dict[str, asyncio.TimerHandle] = field(factory=dict[str, "asyncio.TimerHandle"], init=False)
    _sending: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"], init=False)
    _rng: random.Random = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._rng = random.Random(f"{self._jobs.world.fleet.seed}/games")  # noqa: S311 - the same seed, the same ids

    @property
    def library(self) -> Library:
        """The games, and where they are deployed."""
        return self._jobs.world.library

    async def start(
        self, phone: str, application: str, player: Player | None = None, *, session: str | None = None
    ) -> Round:
        """Start a game on a phone.

        Args:
            phone: By CPH's id.
            application: The id of the game.
            player: Required if the phone verifies players.
            session: The id of the session; by default it is generated.

        Raises:
            InvalidRequest: The phone is not running or is in use, has not this game, or a player is required.
            TurnedAway: The player was not verified.
        """
        target = self._free(phone)
        self._version(phone, application)
        id_ = session or self._rng.randbytes(16).hex()
        if url := target.android.properties.get(events.VERIFY.url_property):
            await self._verify(phone, url, id_, player)
            self._free(phone)  # the state may have changed meanwhile
        version = self._version(phone, application)
        package, ticket = self.library.applications[application].package, player.ticket if player else None
        began = Round(phone, application, package, id_, self._now(), ticket)
        system.run(target.android, f"am start -n {package}/{version.activity}", began.since)
        self._rounds[phone] = began
        self._schedule_beat(phone)  # before the call: when it is answered, the phone may not exist any more
        await self._notify(
            events.ENTER, phone, events.GameEntered(phone, application, id_, began.since, ticket=began.ticket)
        )
        return began

    async def stop(self, phone: str, error: str | None = None) -> Round:
        """Stop the game on a phone. The phone keeps sending heartbeats, without a game.

        Args:
            phone: By CPH's id.
            error: The error in the event.

        Raises:
            InvalidRequest: No game runs on this phone.
        """
        ended = self.on(phone)
        if ended is None:
            raise InvalidRequest("", "phone", f"{phone} is not playing a game")
        del self._rounds[phone]
        now = self._now()
        system.run(self._phone(phone).android, f"am force-stop {ended.package}", now)
        played = int((now - ended.since).total_seconds())
        quitted = events.GameQuit(phone, ended.application, ended.session, now, played, error, ended.ticket)
        await self._notify(events.QUIT, phone, quitted)
        return ended

    def on(self, phone: str) -> Round | None:
        """Return what is played on a phone. A game ends with its process, without an event."""
        found = self._rounds.get(phone)
        if found is None or not self._runs(phone):
            return None
        return found if found.package in self._phone(phone).android.processes else None

    @property
    def playing(self) -> tuple[Round, ...]:
        """The games that run."""
        return tuple(found for phone in self._rounds if (found := self.on(phone)))

    def stop_heartbeats(self) -> None:
        """Stop all heartbeats, and cancel the callbacks that are being sent."""
        for timer in self._beats.values():
            timer.cancel()
        for task in self._sending:
            task.cancel()
        self._beats.clear()

    def _now(self) -> datetime:
        return self._jobs.world.fleet.now().astimezone(UTC).replace(microsecond=0)

    def _phone(self, phone: str) -> Phone:
        return self._jobs.world.fleet.by_cph_id(phone)

    def _runs(self, phone: str) -> bool:
        self._jobs.settle()
        try:
            return self._phone(phone).running is RunningState.RUNNING
        except KeyError:
            return False

    def _free(self, phone: str) -> Phone:
        if not self._runs(phone):
            raise InvalidRequest("", "phone", f"{phone} is not running")
        if self.on(phone):
            raise InvalidRequest("", "phone", f"{phone} is already playing a game")
        return self._phone(phone)

    def _version(self, phone: str, application: str) -> Version:
        for version in self.library.installed(phone):
            if version.application == application:
                return version
        raise InvalidRequest("", "application", f"{application} is not on the phone {phone}")

    async def _verify(self, phone: str, url: str, session: str, player: Player | None) -> None:
        if player is None:
            raise InvalidRequest("", "player", "is needed: the phone has accesses verified")
        salt = self._rng.randbytes(_NONCE_BYTES[self.cipher.mode])
        iv, data = self.cipher.encrypt(player.key, salt, player.content)
        stamp = int((self._jobs.world.fleet.now() + timedelta(seconds=player.stamp)).timestamp() * 1000)
        access = events.Access(session, player.ticket, stamp, data, iv)
        status, answer = await self._call(events.VERIFY, phone, url, events.serialize(access))
        if status != 200 or answer.get("aes_key") != self.cipher.key_encoding.to_text(player.key):
            raise TurnedAway(events.VERIFY.name, status)

    async def _notify(self, inbound: events.InboundCall, phone: str, event: events.Event) -> None:
        if url := self._phone(phone).android.properties.get(inbound.url_property):
            await self._call(inbound, phone, url, events.serialize(event))

    async def _call(self, inbound: events.InboundCall, phone: str, url: str, body: bytes) -> tuple[int, Json]:
        at = self._now()
        status, answer = await self._callbacks.post(url, body)
        self.calls.append(Call(inbound, phone, url, at, status))
        return status, answer

    def _schedule_beat(self, phone: str) -> None:
        """Schedule the next heartbeat, unless one is scheduled or the phone has no interval."""
        seconds = self._phone(phone).android.properties.get(events.HEARTBEAT_INTERVAL, "")
        if seconds.isdecimal() and int(seconds) and phone not in self._beats:
            self._beats[phone] = asyncio.get_running_loop().call_later(int(seconds), self._beat, phone)

    def _beat(self, phone: str) -> None:
        del self._beats[phone]
        if not self._runs(phone):
            self._rounds.pop(phone, None)
            return
        played = self.on(phone)
        app, session = (played.application, played.session) if played else ("", "")
        beat = events.Heartbeat(phone=phone, at=self._now(), app=app, session=session)
        task = asyncio.get_running_loop().create_task(self._notify(events.HEARTBEAT, phone, beat))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        self._schedule_beat(phone)
