"""Run every operation of the vendor's client against the emulator."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.emulator import Durations, Emulator
from tests.interop.calls import Call, Json, an_id
from tests.interop.json_paths import leaves, without_numbers
from tests.interop.recorded_calls import CALLS
from tests.interop.vendor import Answer, Refusal, Vendor

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED: Final = 20250208
"""Different from other tests' seeds: the vendor's client caches the projects of keys for ever."""

LISTED: Final[Mapping[str, tuple[str, Json, str]]] = {
    "phone": ("list_cloud_phones", {}, "phones.#.phone_id"),
    "server": ("list_cloud_phone_servers", {}, "servers.#.server_id"),
    "encoding_server": ("list_encode_servers", {}, "encode_servers.#.encode_server_id"),
    "image": ("list_images", {"image_type": "private"}, "image_infos.#.image_id"),
    "shared_image": ("list_images", {"image_type": "share"}, "image_infos.#.image_id"),
    "phone_image": ("list_cloud_phone_images", {"image_type": "public"}, "phone_images.#.image_id"),
    "phone_model": ("list_cloud_phone_models", {"status": 1}, "phone_models.#.phone_model_name"),
    "server_model": ("list_cloud_phone_models", {"status": 1}, "phone_models.#.server_model_name"),
    "event": ("list_scheduled_events", {}, "scheduled_events.#.event_id"),
    "bandwidth": ("show_bandwidth_detail", {}, "band_widths.#.band_width_id"),
}
"""Source of the ids of a kind: operation, request, place in the answer."""

BEFORE: Final[Mapping[str, str]] = {
    "cph.commands.uninstall": "cph.commands.install",
    "cph.image_members.list": "cph.image_members.add",
    "cph.image_members.remove": "cph.image_members.add",
    "cph.phones.show": "cph.phones.update_properties",
    "cph.scheduled_events.reschedule": "cph.scheduled_events.authorize",
    "cph.shared_apps.delete": "cph.shared_apps.push",
    "cph.shared_apps.list": "cph.shared_apps.push",
    "cph.shared_filesystems.detach": "cph.shared_filesystems.attach",
    "cph.storage.restore": "cph.storage.export",
    "cph.tags.find": "cph.tags.add",
    "cph.tags.list": "cph.tags.add",
    "cph.tags.remove": "cph.tags.add",
    "cph.tags.show": "cph.tags.add",
}
"""Operation that must precede another, so that its answer is not empty."""

UNFILTERED: Final[Mapping[str, Json]] = {
    "cph.encoding_servers.list": {},
    "cph.images.list": {},
    "cph.phones.list": {},
    "cph.scheduled_events.list": {},
    "cph.servers.list": {},
    "cph.tags.find": {
        "resource_type": "cph-server",
        "body": {"action": "filter", "tags": [{"key": "shop", "values": []}]},
    },
}
"""Request without filters, for lists whose filters match nothing."""


@frozen
class Verdict:
    """Result of one operation."""

    refusal: str = ""
    """Status and code of a refusal; empty if there was none."""

    empty: tuple[str, ...] = ()
    """Names of the lists in the answer, if all are empty."""

    lost: tuple[str, ...] = ()
    """Places of the answer that the vendor's model lost."""

    @property
    def is_good(self) -> bool:
        """Whether the answer had content, and the vendor's model kept all of it."""
        return not (self.refusal or self.empty or self.lost)


@define
class Finder:
    """Finds ids with the vendor's client; makes them up if nothing lists them."""

    _vendor: Vendor
    _found: dict[str, list[str]] = field(factory=dict[str, list[str]])

    def __call__(self, kind: str) -> str:
        """Return an id of a kind; `phone2` is the second phone, if there are two."""
        kind, number = kind.removesuffix("2").removesuffix("_by_use"), kind.endswith("2")
        if kind not in self._found:
            self._found[kind] = self._ids(kind)
        ids = self._found[kind] or [an_id(kind)]
        return ids[min(number, len(ids) - 1)]

    def _ids(self, kind: str) -> list[str]:
        match kind:
            case "project" | "member":
                return ["0f1e2d3c4b5a49788796a5b4c3d2e1f0"]
            case "job" | "request":
                body = {"command": "shell", "content": "echo hi", "phone_ids": [self("phone")]}
                place = "jobs.#.job_id" if kind == "job" else "request_id"
                return self._listed("run_shell_command", {"body": body}, place)
            case "bought_server":
                order = next(call for call in CALLS if call.ours == "cph.servers.buy")
                return self._listed(order.vendor, order.fields(self), "server_ids.#")
            case "other_phone_model" | "other_server_model":
                return [self._other_model()[kind.removeprefix("other_") + "_name"]]
            case _:
                return self._listed(*LISTED[kind])

    def _other_model(self) -> dict[str, str]:
        """Return a flavor with as many phones as the first, on other servers."""
        first, *others = self._vendor("list_cloud_phone_models", {}).raw["phone_models"]
        return next(
            other
            for other in others
            if other["phone_capacity"] == first["phone_capacity"]
            and other["server_model_name"] != first["server_model_name"]
        )

    def _listed(self, operation: str, fields: Json, place: str) -> list[str]:
        try:
            raw = self._vendor(operation, fields).raw
        except Refusal:
            return []
        return [value for where, value in leaves(raw) if without_numbers(where) == place]


def judged(answer: Answer) -> Verdict:
    """Return the verdict on an answer."""
    values = leaves(answer.raw)
    if refused := [str(value) for where, value in values if where.endswith("error_code") and value]:
        return Verdict(f"in the answer {refused[0]}")
    lists = [] if not answer.raw else [name for name, value in answer.raw.items() if isinstance(value, list)]
    empty = () if any(answer.raw[name] for name in lists) else tuple(lists)
    return Verdict(empty=empty, lost=_lost(answer))


def _lost(answer: Answer) -> tuple[str, ...]:
    """Return the places of the answer whose values the vendor's model lost or changed."""
    kept = dict(leaves(answer.read))
    sent = [(where, value) for where, value in leaves(answer.raw) if value not in (None, [], {})]
    return tuple(dict.fromkeys(without_numbers(where) for where, value in sent if kept.get(where) != value))


def _driven(vendor: Vendor, call: Call) -> Verdict:
    finder = Finder(vendor)
    try:
        if before := BEFORE.get(call.ours):
            vendor(*next((other.vendor, other.fields(finder)) for other in CALLS if other.ours == before))
        answer = vendor(call.vendor, call.fields(finder))
        return judged(vendor(call.vendor, UNFILTERED[call.ours]) if call.ours in UNFILTERED else answer)
    except Refusal as refusal:
        return Verdict(str(refusal))


@cache
def driven() -> dict[str, Verdict]:
    """Run every operation, each against its own emulator; verdicts by our names."""
    return asyncio.run(_drive())


async def _drive() -> dict[str, Verdict]:
    return {call.ours: await _with_emulator(call) for call in CALLS}


async def _with_emulator(call: Call) -> Verdict:
    # Shared apps are listed as of the last full two hours, so the clock stands still.
    began = datetime.now(UTC)
    async with Emulator(4, servers=2, seed=SEED, jobs=Durations(fixed=0), now=lambda: began) as emulator:
        at, key, project = emulator.cph_endpoint, emulator.access_key, emulator.project_id
        with Vendor.at(at, key, project) as vendor:
            return await asyncio.to_thread(_driven, vendor, call)


async def looked_up_project() -> tuple[str, str]:
    """Return the project that the vendor's client finds in IAM, and the expected one."""
    async with Emulator(1, seed=SEED) as emulator:
        at, key = emulator.iam_endpoint, emulator.access_key
        with await asyncio.to_thread(Vendor.at, at, key, None, emulator.project) as vendor:
            return vendor.project, emulator.project_id
