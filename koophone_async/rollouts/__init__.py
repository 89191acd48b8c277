"""Rollouts: runs of steps over phones that survive the end of the process.

A `Plan` states which phones, what is done on them, in which waves, and when it must stop. A `Rollout` carries
it out, and writes down in a `Journal` what it does, so that another process can resume it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from koophone_async.lazy_names import lazy_names

if TYPE_CHECKING:
    from koophone_async.rollouts.execution.reconciliation import reconcile
    from koophone_async.rollouts.execution.starts import NewOptions
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
    from koophone_async.rollouts.plans.changes import with_value
    from koophone_async.rollouts.plans.context import Reference
    from koophone_async.rollouts.plans.expectations import Expect, Match
    from koophone_async.rollouts.plans.file import InvalidPlan, load_plan, parse_plan
    from koophone_async.rollouts.plans.links import check_links, link_expiry
    from koophone_async.rollouts.plans.order import Order, Spread
    from koophone_async.rollouts.plans.plan import Between, Plan, Service
    from koophone_async.rollouts.plans.redaction import redacted_data
    from koophone_async.rollouts.plans.schema import json_schema
    from koophone_async.rollouts.plans.selections import Selection
    from koophone_async.rollouts.plans.steps import Step
    from koophone_async.rollouts.plans.stop_rule import Limit, StopRule
    from koophone_async.rollouts.plans.waves import Wave
    from koophone_async.rollouts.plans.windows import Weekday, Window
    from koophone_async.rollouts.reports.last_outcomes import last_outcomes
    from koophone_async.rollouts.reports.outcomes import PhoneOutcome
    from koophone_async.rollouts.rollout import Rollout

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
    "last_outcomes",
    "link_expiry",
    "load_plan",
    "parse_plan",
    "reconcile",
    "redacted_data",
    "with_value",
]

_MODULE_OF: Final = {
    "Between": "plans.plan",
    "Expect": "plans.expectations",
    "InvalidPlan": "plans.file",
    "Limit": "plans.stop_rule",
    "Match": "plans.expectations",
    "NewOptions": "execution.starts",
    "Order": "plans.order",
    "PhoneOutcome": "reports.outcomes",
    "Plan": "plans.plan",
    "Reference": "plans.context",
    "Rollout": "rollout",
    "Selection": "plans.selections",
    "Service": "plans.plan",
    "Spread": "plans.order",
    "Step": "plans.steps",
    "StopRule": "plans.stop_rule",
    "Wave": "plans.waves",
    "Weekday": "plans.windows",
    "Window": "plans.windows",
    "check_links": "plans.links",
    "json_schema": "plans.schema",
    "last_outcomes": "reports.last_outcomes",
    "link_expiry": "plans.links",
    "load_plan": "plans.file",
    "parse_plan": "plans.file",
    "reconcile": "execution.reconciliation",
    "redacted_data": "plans.redaction",
    "with_value": "plans.changes",
}
"""The module that defines each name; those not listed are the journal's.

Names are imported on first use: a journal can be read without the services that plans are about.
"""

if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts any name
    __getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, "journal") | _MODULE_OF)
