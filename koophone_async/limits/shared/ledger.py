"""The ledger of shared permits: what a store keeps for one scope, and how it settles a request.

PostgreSQL keeps the document of a scope as JSON in a row, and this module settles requests under the lock of
the row. Valkey runs `ledger.lua`, which does the same; a test compares the two. All times are milliseconds of
the store's clock.

A permit is either *held* by a process (leased, and its call not yet counted), or in the *log* until a
window has passed since its call. What is neither is free. A process that stops asking loses what it holds
when its lease ends; since its calls may have been sent until then, the permits are logged as used at that
moment.
"""

from __future__ import annotations

from bisect import insort
from typing import Any, Final, TypedDict

GRAINS: Final = 1000
"""A log has at most this many different times: those of a minute are rounded up to 60 ms."""

MAX_STEP_BACK: Final = 1000
"""Milliseconds that the clock of the store may be set back without a new start."""


class WindowRequest(TypedDict):
    """What a process reports and wants of one window."""

    id: str
    """The window of the quota in milliseconds, as text."""

    permits: int
    length: int
    """Milliseconds for which a call counts: the window and the margin."""

    horizon: int
    """Permits are leased this many milliseconds before they become free."""

    valid: int
    """Milliseconds for which a lease is valid."""

    term: str
    """The term of the last answer; permits of another term are void."""

    held: int
    """The permits that the process still holds."""

    first: int
    """The number of the first reported call, so that none counts twice if an answer is lost."""

    used: list[int]
    """When calls were made."""

    want: int
    """The number of calls that wait."""

    exhausted: bool
    """Whether the service has just stated this quota and that it is used up."""


class Throttle(TypedDict):
    """A 429 without figures."""

    granted: int
    """When the refused call had its permit."""

    at: int
    pause: int
    """Milliseconds that the service asks to wait; 0 if it does not say."""

    holder: str


class Request(TypedDict):
    """What a process reports and wants of one scope."""

    holder: str
    serial: int
    """Grows with each request of the process. Late arrivals are ignored."""

    windows: list[WindowRequest]
    throttle: Throttle | None


class Lease(TypedDict):
    """What a process gets of one window."""

    id: str
    term: str
    starts: list[tuple[int, int]]
    """From when on permits may be used, and how many."""

    next: int
    """When the next permit becomes free; 0 if that depends on calls in progress."""

    sharers: int
    """The number of other processes whose calls wait."""

    others: int
    """The number of these calls, of each process at most as many as the quota has permits."""


class Answer(TypedDict):
    """The answer to a request."""

    now: int
    leases: list[Lease]
    quotas: dict[str, int]
    """Learned quotas: the permits of each window."""

    throttle: Throttle | None


Document = dict[str, Any]
"""What a store keeps for a scope, as JSON."""

Json = dict[str, Any]


def settle(document: Document, request: Request, now: int, since: int) -> Answer:
    """Settle a request and update the document.

    Args:
        document: The document of the scope; an empty one if the store has none.
        request: The request of a process.
        now: The time of the store.
        since: When the store was first seen since it started. Before that, permits may have been used that it
            does not know of, so that none is free until they have left the window.
    """
    last = document.get("now", 0)
    if now < last - MAX_STEP_BACK:
        since = now
    else:
        now = max(now, last)
        since = max(min(since, now), document.get("since", 0))
    if document.get("since") != since:
        document |= {"since": since, "windows": {}}
    document["now"] = now
    quotas: dict[str, int] = document.setdefault("quotas", {})
    throttle: Throttle | None = request["throttle"]
    known: Throttle | None = document.get("throttle")
    if throttle and (known is None or throttle["granted"] > known["at"]):
        document["throttle"] = known = throttle
    leases = [_settle_window(document, request, window) for window in request["windows"]]
    return {"now": now, "leases": leases, "quotas": quotas, "throttle": known}


def _settle_window(document: Document, request: Request, window: WindowRequest) -> Lease:
    now, quotas = document["now"], document["quotas"]
    state = _state(document, window)
    _end_leases(state, window, now)
    holder = state["holders"].setdefault(request["holder"], _new_holder(window))
    is_late = request["serial"] <= holder["serial"]
    if not is_late:
        holder["serial"] = request["serial"]
        _report(document, state, holder, window)
        if window["exhausted"] and quotas.get(window["id"]) != window["permits"]:
            quotas[window["id"]] = window["permits"]
            _exhaust(state, window, now)
            holder = state["holders"][request["holder"]] = _new_holder(window) | {
                "serial": request["serial"],
                "count": holder["count"],
            }
        holder["want"] = min(window["want"], quotas.get(window["id"], window["permits"]))
        holder["until"] = now + window["valid"]
    return _lease(document, state, holder, window, is_late=is_late)


def _state(document: Document, window: WindowRequest) -> Json:
    """Return the state of a window; a new one has no free permits while unknown calls may count."""
    state: Json | None = document["windows"].get(window["id"])
    if state is None:
        known_from = document["since"] + window["valid"] + window["length"]
        log = [[known_from, window["permits"]]] if known_from > document["now"] else []
        state = Json(term=0, log=log, holders={})
        document["windows"][window["id"]] = state
    return state


def _new_holder(window: WindowRequest) -> Json:
    zeros = dict.fromkeys(("serial", "held", "last", "want", "due", "served", "until"), 0)
    return {"count": window["first"], **zeros}


def _term(document: Document, state: Json) -> str:
    return f"{document['since']}.{state['term']}"


def _end_leases(state: Json, window: WindowRequest, now: int) -> None:
    """Drop what has left the window, and take back the permits of processes that stopped asking."""
    state["log"] = [entry for entry in state["log"] if entry[0] > now]
    for name, holder in list(state["holders"].items()):
        if holder["until"] <= now:
            _log(state, window, holder["until"] + window["length"], holder["held"], now)
            del state["holders"][name]


def _log(state: Json, window: WindowRequest, free_at: int, count: int, now: int) -> None:
    """Enter permits that become free at some time, rounded up."""
    grain = max(1, window["length"] // GRAINS)
    free_at = -(-free_at // grain) * grain
    if count <= 0 or free_at <= now:
        return
    for entry in state["log"]:
        if entry[0] == free_at:
            entry[1] += count
            return
    insort(state["log"], [free_at, count])


def _report(document: Document, state: Json, holder: Json, window: WindowRequest) -> None:
    """Log reported calls, and take back what the process no longer holds or never received."""
    now = document["now"]
    new = window["used"][max(0, holder["count"] - window["first"]) :]
    holder["count"] = max(holder["count"], window["first"] + len(window["used"]))
    for used in new:
        _log(state, window, used + window["length"], 1, now)
    if window["term"] == _term(document, state):
        _log(state, window, holder["last"], holder["held"] - len(new) - window["held"], now)
        holder["held"] = window["held"]


def _exhaust(state: Json, window: WindowRequest, now: int) -> None:
    """Void all permits: the service has just reported that none is left."""
    state |= {"term": state["term"] + 1, "log": [], "holders": {}}
    _log(state, window, now + window["length"], window["permits"], now)


def _lease(document: Document, state: Json, holder: Json, window: WindowRequest, *, is_late: bool) -> Lease:
    now = document["now"]
    holders: list[Json] = list(state["holders"].values())
    permits = document["quotas"].get(window["id"], window["permits"])
    used = sum(count for _, count in state["log"]) + sum(one["held"] for one in holders)
    available = _available(state, permits - used, now)
    soon = sum(count for free_at, count in available if free_at <= now + window["horizon"])
    _distribute(state["holders"], soon)
    taken = 0 if is_late else min(holder["due"], soon)
    starts = _take(state, available, taken, now)
    if starts:
        holder["held"] += taken
        holder["due"] -= taken
        holder["want"] -= taken
        holder["served"] = now
        holder["last"] = max(holder["last"], starts[-1][0])
    reserved = sum(one["due"] for one in holders)
    waiting = [one["want"] for one in holders if one is not holder and one["want"] > 0]
    return {
        "id": window["id"],
        "term": _term(document, state),
        "starts": starts,
        "next": _nth(available, reserved),
        "sharers": len(waiting),
        "others": sum(waiting),
    }


def _available(state: Json, free: int, now: int) -> list[list[int]]:
    """Return when permits become free that nobody holds, and how many, in order.

    If more calls count than the quota allows, the first permits that leave the log are not free.
    """
    available = [[now, free]] if free > 0 else []
    for free_at, count in state["log"]:
        free = min(free, 0) + count
        if free > 0:
            available.append([free_at, free])
    return available


def _distribute(holders: dict[str, Json], available: int) -> None:
    """Divide the available permits among all processes whose calls wait, whoever asks first.

    Nobody gets more than one permit ahead of another that wants it; the one that was served longest ago is
    the first. What is due to a process stays so until it asks, or its lease ends.
    """
    for one in holders.values():
        one["due"] = min(one["due"], one["want"])
    rest = available - sum(one["due"] for one in holders.values())
    while rest > 0:
        waiting = [
            (one["due"], one["served"], name) for name, one in holders.items() if one["due"] < one["want"]
        ]
        if not waiting:
            return
        holders[min(waiting)[2]]["due"] += 1
        rest -= 1


def _take(state: Json, available: list[list[int]], count: int, now: int) -> list[tuple[int, int]]:
    """Remove the first permits from those available, and from the log."""
    starts: list[tuple[int, int]] = []
    while count > 0:
        start, free = available[0]
        taken = min(free, count)
        starts.append((start, taken))
        count -= taken
        available[0][1] -= taken
        if not available[0][1]:
            del available[0]
        if start > now:
            _unlog(state, start, taken)
    return starts


def _unlog(state: Json, free_at: int, count: int) -> None:
    for entry in state["log"]:
        if entry[0] == free_at:
            entry[1] -= count
    state["log"] = [entry for entry in state["log"] if entry[1]]


def _nth(available: list[list[int]], skipped: int) -> int:
    """Return when the permit after some others becomes free; 0 if that is unknown."""
    for free_at, count in available:
        if skipped < count:
            return free_at
        skipped -= count
    return 0
