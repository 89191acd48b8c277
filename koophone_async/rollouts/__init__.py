"""Rollouts: runs of steps over phones that survive the end of the process.

A `Plan` states which phones, what is done on them, in which waves, and when it must stop. A `Rollout` carries
it out, and writes down in a `Journal` what it does, so that another process can resume it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from koophone_async.rollouts.changes import with_value
    from koophone_async.rollouts.context import Reference
    from koophone_async.rollouts.expectations import Expect, Match
    from koophone_async.rollouts.journal import (
        Actor,
        Journal,
        JournalError,
        LeaseHeld,
        LeaseLost,
        LogEntry,
        RolloutRecord,
        RolloutState,
        Target,
        WaitingFor,
    )
    from koophone_async.rollouts.links import check_links, link_expiry
    from koophone_async.rollouts.order import Order, Spread
    from koophone_async.rollouts.outcomes import PhoneOutcome
    from koophone_async.rollouts.plan import Between, Plan, Service
    from koophone_async.rollouts.plan_file import InvalidPlan, load_plan, parse_plan
    from koophone_async.rollouts.plan_schema import json_schema
    from koophone_async.rollouts.reconciliation import reconcile
    from koophone_async.rollouts.redaction import redacted_data
    from koophone_async.rollouts.rollout import Rollout
    from koophone_async.rollouts.selections import Selection
    from koophone_async.rollouts.starts import NewOptions
    from koophone_async.rollouts.steps import Step
    from koophone_async.rollouts.stop_rule import Limit, StopRule
    from koophone_async.rollouts.waves import Wave
    from koophone_async.rollouts.windows import Weekday, Window

__all__ = [
    "Actor",
    "Between",
    "Expect",
    "InvalidPlan",
    "Journal",
    "JournalError",
    "LeaseHeld",
    "LeaseLost",
    "Limit",
    "LogEntry",
    "Match",
    "NewOptions",
    "Order",
    "PhoneOutcome",
    "Plan",
    "Reference",
    "Rollout",
    "RolloutRecord",
    "RolloutState",
    "Selection",
    "Service",
    "Spread",
    "Step",
    "StopRule",
    "Target",
    "WaitingFor",
    "Wave",
    "Weekday",
    "Window",
    "check_links",
    "json_schema",
    "link_expiry",
    "load_plan",
    "parse_plan",
    "reconcile",
    "redacted_data",
    "with_value",
]

_MODULE_OF: Final = {
    "Between": "plan",
    "Expect": "expectations",
    "InvalidPlan": "plan_file",
    "Limit": "stop_rule",
    "Match": "expectations",
    "NewOptions": "starts",
    "Order": "order",
    "PhoneOutcome": "outcomes",
    "Plan": "plan",
    "Reference": "context",
    "Rollout": "rollout",
    "Selection": "selections",
    "Service": "plan",
    "Spread": "order",
    "Step": "steps",
    "StopRule": "stop_rule",
    "Wave": "waves",
    "Weekday": "windows",
    "Window": "windows",
    "check_links": "links",
    "json_schema": "plan_schema",
    "link_expiry": "links",
    "load_plan": "plan_file",
    "parse_plan": "plan_file",
    "reconcile": "reconciliation",
    "redacted_data": "redaction",
    "with_value": "changes",
}
"""The module that defines each name; those not listed are the journal's.

Names are imported on first use: a journal can be read without the services that plans are about.
"""

if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts any name

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        module = import_module(f"{__name__}.{_MODULE_OF.get(name, 'journal')}")
        value = globals()[name] = getattr(module, name)
        return value

    def __dir__() -> list[str]:
        """List all names, including those not imported yet."""
        return sorted({*globals(), *__all__})
