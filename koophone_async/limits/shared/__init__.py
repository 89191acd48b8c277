"""Quotas that several processes and machines share through a store: Valkey, Redis or PostgreSQL.

**A store lends permits.** It keeps the log of a window (`ledger`), by its own clock: which calls counted
when, and how many permits each process holds. A process asks for as many as calls wait, and reports when
its calls counted; both go in one exchange for many calls (`exchange`). A permit is lent up to a second
before it becomes free, with the time from which it may be used, so that round trips cost nothing of the
quota (`window`).

**A lease ends** after seconds, unless the next exchange renews it. A process that dies may have sent what
it held until then, so these permits count from the end of the lease. A process that was stopped finds its
permits void, and checks that right before the first byte of a request is written. A store that lost its
memory, or may have lost some of it, lends nothing for a lease and a window.

**Clocks.** Each exchange compares the store's clock with the monotonic one of the process, and what is
unknown about the moment in between is counted as used (`store.StoreClock`).

**What one learns, all learn** (`scope`): a quota that the service states, and a 429 without figures.

Simulated with two processes and 1,000 calls at 100 a second: 0.04 exchanges a call, 97.6 % of the quota
used, never more. `python -m benchmarks.shared_quotas` measures it at a server.
"""

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
