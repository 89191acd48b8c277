"""Adaptive polling: wait for many jobs with few requests.

The services send no notifications: whether a job has ended is known only by polling. Each poll costs a
request, and requests are limited; each second without a poll may be a second in which a job has ended
unnoticed. A `PollScheduler` serves all waits of a session and balances the two. This page explains how,
without requiring statistics; `duration_model` has the formulas.

**Terms.** A *handle* is the id that jobs are looked up by: a KooPhone task id, a CPH request id or a job id.
A *poller* makes the request that lists the jobs of one or more handles. `PendingJobs` is one caller's wait
for jobs of a handle, with callbacks; `JobStream` is the same as an async iterator; a `ResumeToken` is a wait
that another process can resume.

**When is a poll worth a request?** Suppose we know how long jobs of this operation usually take. Then, for a
job that was still running at the last poll, two numbers can be computed for any moment:

- `p`, the chance that it has ended since then. The speed at which `p` starts to grow is called the *hazard*:
  of the jobs that are running, the share that ends per second.
- `W`, its *unseen wait*: for how many seconds, on average, it has been over without being noticed.
  `W` is `p` summed over time: if `p` were 0.5 for 3 s, `W` would be 1.5 s.

The `W` of a handle is the sum over its jobs. A poll sets it back to 0, so `W` is the benefit of a poll.
`PollPolicy.poll_cost` is its price, 10 s of unseen wait by default. The rule is:

    poll when W reaches the cost of a poll.

No other rule has a lower total cost: with a hazard `h`, and `n` jobs covered by one poll, `p` grows as `h *
t` and `W` as `n * h * t**2 / 2`, so the rule polls every `t = sqrt(2 * cost / (n * h))` seconds. That is
exactly where the sum of both costs per second, `cost / t` for polls and `n * h * t / 2` for delays, is
smallest. Because of the square root, a hundred times as many jobs need only ten times as many polls.

**Example.** Nothing is known yet of an operation, so half its jobs are assumed to end within 10 s, and two
thirds between 3 s and 33 s. After 10 s, 6.6 % of the running jobs end per second. A task of 100 jobs is then
polled every `sqrt(2 * 10 / (100 * 0.066)) = 1.7` s, so that an end is noticed 0.9 s late on average. A single
job would be polled every `sqrt(2 * 10 / 0.066) = 17` s. Computed exactly from the start, the 100 jobs are
polled at 2.3, 4.0, 5.6, 7.2 and 8.9 s, as long as none has ended. Once it is known that jobs take 2 s, plus
or minus 10 %, they are polled at 2.05, 2.28 and 2.47 s.

**Exceptions from the rule.**

- *The cost depends on the load* (`policy.PollLoad`). Where requests are not scarce, there is no reason to
  save them: with a single handle, a poll costs 0.2 s instead of 10 s, and a single job is polled at 3.1, 5.4,
  7.7 and 10.2 s. From 30 handles, or 30 polls within 3 s, a poll has its full cost.
- *Handles share a request* where the service allows it (CPH: 20 request ids, up to 100 jobs). The handles
  with the largest `W` are packed first, and the request is sent when their sum reaches the cost.
- *A maximum interval* of 15 s applies whatever the model expects, because it can be wrong. A job that has
  outlasted nearly all others (`Lognormal.tail`) is polled less and less often, down to every 5 minutes.
- *The oldest handle counts for more.* What its polls show is learned for all handles of the operation, so
  early polls of it save polls of the others.
- *The two oldest handles are polled first.* Tasks that were started together often end together. As long as
  none of their jobs has ended, polls of the others cost four times as much, and once one has, all are planned
  anew. Otherwise a hundred tasks whose learned duration is a little too short would all be polled just before
  their end, and again after it.
- *Jitter* of 10 %, so that processes that were started together do not poll together.

**Where the numbers come from.** Durations are modelled by a lognormal distribution for each operation, since
they are positive and vary by factors rather than by seconds. The prior (median 10 s, sigma 1.2) is a choice
and not a measurement, as no document states durations. It counts for 0.15 of one observed job, so the first
jobs that end outweigh it. From then on the distribution is fitted to the polls of this session. It is not
stored.

**What happens with a result** (`PollScheduler._finished`). Jobs that have ended are reported to the waits,
jobs that are running update the model, and jobs that are missing from three answers in a row, after a grace
period, are lost. A failed poll pauses the queue of its poller (`PollQueue.failed`), or ends the waits if
retrying cannot help. Five answers in a row that cannot be read end the jobs that they cover as lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from koophone_async.lazy_names import lazy_names

if TYPE_CHECKING:
    from koophone_async.polling.deadlines import Deadline
    from koophone_async.polling.pending_jobs import JobStream, PendingJobs
    from koophone_async.polling.policy import PollPolicy
    from koophone_async.polling.poller import LimitedPoller, LostJob, OpenJob, Poller, PollLimiter, PollResult
    from koophone_async.polling.resume_token import ResumeToken
    from koophone_async.polling.scheduler import PollScheduler

__all__ = [
    "Deadline",
    "JobStream",
    "LimitedPoller",
    "LostJob",
    "OpenJob",
    "PendingJobs",
    "PollLimiter",
    "PollPolicy",
    "PollResult",
    "PollScheduler",
    "Poller",
    "ResumeToken",
]

_MODULE_OF: Final = {
    "Deadline": "deadlines",
    "JobStream": "pending_jobs",
    "LimitedPoller": "poller",
    "LostJob": "poller",
    "OpenJob": "poller",
    "PendingJobs": "pending_jobs",
    "PollLimiter": "poller",
    "PollPolicy": "policy",
    "PollResult": "poller",
    "PollScheduler": "scheduler",
    "Poller": "poller",
    "ResumeToken": "resume_token",
}
"""The module of each name: a client states a default deadline before it waits for any job."""

if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts any name
    __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
