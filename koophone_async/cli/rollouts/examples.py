"""Two examples for the help of each command of rollouts."""

from __future__ import annotations

from typing import Final

_EXAMPLES: Final = {
    "check": ("koophone rollout check plan.yaml", "koophone rollout check plan.yaml --output json"),
    "start": ("koophone rollout start plan.yaml", "koophone rollout start plan.yaml --again"),
    "resume": ("koophone rollout resume", "koophone rollout resume friday"),
    "status": ("koophone rollout status", "koophone rollout status friday --output json"),
    "list": ("koophone rollout list", "koophone rollout list --output jsonl"),
    "outcomes": ("koophone rollout outcomes", "koophone rollout outcomes friday --output csv"),
    "prune": ("koophone rollout prune", "koophone rollout prune --older-than 30d"),
    "worker": (
        "koophone rollout worker --journal postgresql://koophone@db/koophone",
        "koophone rollout worker --concurrency 8 --queue nightly",
    ),
    "workers": ("koophone rollout workers", "koophone rollout workers --output json"),
    "schema": ("koophone rollout schema", "koophone rollout schema > rollout.schema.json"),
    "schedule add": (
        "koophone rollout schedule add plan.yaml --cron '0 2 * * *' --timezone Asia/Shanghai",
        "koophone rollout schedule add plan.yaml --cron '0 2 * * SAT' --timezone UTC --missed skip --replace",
    ),
    "schedule list": (
        "koophone rollout schedule list",
        "koophone rollout schedule list --output jsonl",
    ),
    "schedule enable": (
        "koophone rollout schedule enable friday",
        "koophone rollout schedule enable friday && koophone rollout schedule list",
    ),
    "schedule disable": (
        "koophone rollout schedule disable friday",
        "koophone rollout schedule disable friday && koophone rollout schedule list",
    ),
}


def examples(name: str) -> tuple[str, str]:
    """Return two command lines; most commands take a rollout, which is the last one by default."""
    return _EXAMPLES.get(name, (f"koophone rollout {name}", f"koophone rollout {name} friday"))
