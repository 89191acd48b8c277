"""Quotas that several processes and machines share."""

from __future__ import annotations

from koophone_async.limits.shared.settings import (
    PostgresLimits,
    RedisLimits,
    SharedQuotas,
    create_limits,
    parse_limits,
)

__all__ = ["PostgresLimits", "RedisLimits", "SharedQuotas", "create_limits", "parse_limits"]
