"""The JSON Schema of plans, which editors complete and check them by.

It is generated from the classes of the plan and the methods of the fleets, as the parser reads them.
"""

from __future__ import annotations

from typing import Final

from koophone_async.rollouts.plans.fleets import RESOURCES
from koophone_async.rollouts.plans.model_types import ModelType
from koophone_async.rollouts.plans.plan import Plan, Service
from koophone_async.rollouts.plans.steps import StepType
from koophone_async.rollouts.plans.value_types import Schema
from koophone_async.rollouts.plans.verbs import REFERENCE_SCHEMA, FleetVerb, verbs_of

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_LISTS: Final = ("steps", "undo")


def json_schema() -> Schema:
    """Return the JSON Schema of plans."""
    schema = ModelType(Plan).schema()
    for name in _LISTS:
        schema["properties"][name] = {"type": "array", "description": _STEPS[name]}
    schema["properties"]["steps"]["minItems"] = 1
    return {
        "$schema": _DIALECT,
        "title": "Plan of a rollout",
        "description": "Which phones, what is done on them, in which waves, and when it must stop.",
        **schema,
        "allOf": [_of_service(service) for service in Service],
        "$defs": {
            "reference": REFERENCE_SCHEMA,
            **{f"{service}_step": StepType().step_schema(_verbs(service)) for service in Service},
        },
    }


_STEPS: Final = {
    "steps": "A phone takes the next step when the last one succeeded on it.",
    "undo": "What `rollout undo` does on every phone that a step may have reached.",
}


def _of_service(service: Service) -> Schema:
    """Return the condition that the steps of a plan are verbs of its service."""
    condition: Schema = {"properties": {"service": {"const": service.value}}}
    if service is not Service.KOOPHONE:
        condition["required"] = ["service"]
    items = {"items": {"$ref": f"#/$defs/{service}_step"}}
    return {"if": condition, "then": {"properties": dict.fromkeys(_LISTS, items)}}


def _verbs(service: Service) -> list[FleetVerb]:
    """Return the verbs of all resources of a service."""
    return [verb for resource in RESOURCES[service] for verb in verbs_of(service, resource).values()]
