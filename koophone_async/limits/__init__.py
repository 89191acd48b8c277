"""Quotas: how calls wait for them, and what is learned of those that no document states.

The service counts calls in a window that slides: at most so many in any second, or any minute. Who
is over it gets a 429, and has to wait anyway. Who stays far under it makes a fleet wait. So a
limiter has to be exact, and the usual ones are not, or not free of each other. With a thousand
waiters at 100 a second, a leaky bucket that may be full at the start (aiolimiter) lets 199 calls
into one window, and a generic cell rate (throttled-py) 181, out of order; one lock for all keys
(pyrate-limiter) is exact, and a free key waits behind a blocked one.

**A window is a log** (`window`). A call holds a place from its grant until one window after it
counted. With as many places as the quota has permits there is never one call too many, and never
one too few. Nothing polls: calls wait in the order they came, one queue an operation, and one timer
is set for the one that can go first. Several quotas hold at once; a permit is taken in all of them
or in none.

**When a call counts** is what the network makes hard: the service counts arrivals, and we see
departures and answers. A request arrives between the two. With a quota of a minute, a call counts
from its answer: the service cannot have counted it later. (Six in three seconds under 20 to 200 ms
one way: 10 % were refused when the log was stamped at the grant, none when at the answer.) With a
quota of a second that would cost a round trip in each window; there a call counts from its
departure, and the window is 20 ms longer than the service's, which is how much two delays may
differ. A thousand calls at 100 a second use 97.8 % of the quota, and none is refused. Opening a
connection takes longer than that, which is why departure is not grant.

**A quota that no document states** is learned (`throttle`): a 429 of the API gateway names it. Its
window is then taken as just used up, since nobody knows when it was.

**A 429 without figures** cuts the operation to a rate (`rate`): 0.7 of its rate, returned by
CUBIC's curve, which is steep far from the rate that was too much and flat near it. Against a
simulated service that tells nothing, after a start of a quarter of the time:

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
from koophone_async.limits.throttle import read_throttle

__all__ = ["MARGIN", "Limits", "Permit", "read_throttle"]
