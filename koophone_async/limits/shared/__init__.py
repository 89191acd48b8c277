"""Quotas that several processes and machines share."""

from __future__ import annotations

from koophone_async.limits.shared.settings import (
    VARIABLE,
    PostgresLimits,
    RedisLimits,
    SharedQuotas,
    create_limits,
    parse_limits,
)

__all__ = ["VARIABLE", "PostgresLimits", "RedisLimits", "SharedQuotas", "create_limits", "parse_limits"]
