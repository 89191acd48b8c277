"""Rate limits: how calls wait for quotas, and how undocumented quotas are learned.

The service counts calls in a sliding window: at most so many in any second, or in any minute. A client above
the quota gets a 429 and has to wait anyway; one that stays far below it is slower than necessary. So a
limiter must be exact. The usual ones are not, or they make operations wait for each other. With a thousand
waiting calls at 100 a second, a leaky bucket that starts full (aiolimiter) lets 199 calls into one window,
and a generic cell rate algorithm (throttled-py) 181, out of order. One lock for all keys (pyrate-limiter) is
exact, but a call with a free quota waits behind one with an exhausted quota.

**A window is a log** (`sliding_window`). A call takes a permit when it is granted, and the permit becomes
free one window after the call counted. With as many permits as the quota allows, there is never a call too
many, and never one too few. Nothing polls: the calls of an operation wait in order of arrival, and one timer
is set for the call that can go first. If a call is under several quotas, it takes a permit of each, or of
none.

**When a call counts** is the hard part. The service counts a request when it arrives, but the client only
sees when it was sent and when the answer came; the arrival is somewhere in between.

- Quotas per minute count a call from its answer: the service cannot have counted it later. (At six calls in
  three seconds, with 20 to 200 ms of delay each way, 10 % were refused when calls counted from the grant,
  none when they counted from the answer.)
- Quotas per second would lose a round trip in each window that way. They count a call from when it is sent,
  and the window is 20 ms longer than the service's, which allows for two delays that differ by that much. (Of
  100 a second, 97.8 % are used, and none is refused.)
- A call is sent when its first bytes are written to the connection, not when its permit was granted or
  aiohttp announced the write. Opening a connection can take longer than the margin, and so can the time from
  the announcement to the write: on Python 3.11 it was 9 ms at the median and 148 ms at worst on a busy
  machine, and 446 calls arrived within a second under a quota of 400.
  (`tests/limits/test_at_a_counting_server.py` counts at a server in another process.)

**Several processes** lease their permits from a store (`shared`).

**An undocumented quota** is learned from the 429 of the API gateway that states it (`throttle`). Its window
is then assumed to be used up, because it is unknown when it began.

**After a 429 without figures** the operation is limited to a rate (`adaptive_rate`): 0.7 of the rate so far,
recovered by the curve of TCP CUBIC, which rises fast while far below the rate that was too high, slowly near
it, and then fast again. Against a simulated service that states nothing, after a start-up of a quarter of the
time:

| quota | used | refused |
|---|---|---|
| 1,000 a second | 89 % | 0.04 % |
| 100 a second | 88 % | 0.3 % |
| 10 a second | 86 % | 2.8 % |
| 60 a minute | 97 % | 2.2 % |
| 6 a minute | 93 % | 2.0 % |
"""

from __future__ import annotations

from koophone_async.limits.limits import Limits
from koophone_async.limits.operation_limiter import Permit
from koophone_async.limits.sliding_window import MARGIN
from koophone_async.limits.throttle import parse_quota

__all__ = ["MARGIN", "Limits", "Permit", "parse_quota"]
