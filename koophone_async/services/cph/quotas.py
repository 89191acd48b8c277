"""Quotas of CPH that belong to no single operation."""

from __future__ import annotations

from typing import Final

from koophone_async.operation import Quota

POLL_QUOTA: Final = Quota(60, 60)
"""Default maximum rate of job polls. No document states a quota."""
