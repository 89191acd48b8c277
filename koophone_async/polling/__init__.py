"""Adaptive polling: wait for many jobs with few requests.

The services report nothing by themselves: whether a job has ended is known only by polling. Every poll costs
a request, and requests are limited; every second without a poll may be a second in which a job has ended
unnoticed. A `PollScheduler` serves all waits of a session and balances the two. This page explains how,
without assuming statistics; `duration_model` has the formulas.

Terms ----- A *handle* is the id that jobs are looked up by: a KooPhone task id, a CPH request id. A *poller*
knows the request that lists the jobs of one or more handles. `PendingJobs` is one caller's wait for jobs of a
handle, with callbacks; `JobStream` is the same as an async iterator; a `ResumeToken` is a wait that another
process can resume.

When is a poll worth a request?
-------------------------------
Suppose we know how long jobs of this kind usually take. Then for a job that was open at the last poll, we can
compute two numbers at any moment:

- `p`, the chance that it has ended since then. Statisticians call the speed at which `p` grows the *hazard*:
  of the jobs that are still running, the share that ends per second.
- `W`, its *unseen wait*: the seconds for which it has probably been over without anybody noticing. `W` is `p`
  summed over time: after 3 s with `p` at 0.5 throughout, 1.5 s.

`W` of a handle is the sum over its jobs. A poll sets it back to 0, so `W` is what a poll buys. `PollPolicy`
states what a poll may cost, 10 s of unseen wait by default, and the rule is:

    poll when W reaches the cost of a poll.

This is the best that can be done. With hazard `h`, and `n` jobs answered by one poll, `p` grows as `h * t`,
so `W = n * h * t**2 / 2`, and the rule polls every `t = sqrt(2 * cost / (n * h))` seconds. That is where the
sum of both costs (`cost / t` a second for polls, `n * h * t / 2` for delay) is smallest. The root has a
practical meaning: a hundred times as many jobs need polls only ten times as often.

**Example.** Nothing is known yet of an operation: half its jobs are assumed to end within 10 s, two thirds
between 3 s and 33 s. After 10 s, 6.6 % of the running jobs end per second. For a task of 100 jobs that gives
`sqrt(2 * 10 / (100 * 0.066)) = 1.7`: a poll every 1.7 s, so that an end is seen 0.9 s late on average. A
single job would be polled every `sqrt(2 * 10 / 0.066) = 17` s. Computed exactly from the start, the polls of
the 100 jobs are made at 2.3, 4.0, 5.6, 7.2 and 8.9 s, as long as none has ended. Once it is known that jobs
take 2 s, give or take 10 %, they are made at 2.05, 2.28 and 2.47 s.

What modifies the rule
----------------------
- *The cost of a poll depends on the load* (`policy.PollLoad`). Where requests are not scarce, waiting is not
  worth saving them: with a single open task a poll costs 0.2 s instead of 10 s, and the polls for a single
  job are made at 3.1, 5.4, 7.7 and 10.2 s. From 30 open handles, or 30 polls within 3 s, a poll has its full
  cost.
- *Handles share a poll* where the service allows it (CPH: 20 request ids, up to 100 jobs). The handles with
  the largest `W` are packed first; the poll is sent when their sum reaches the cost.
- *The maximum interval* (15 s) applies whatever is expected, because the model can be wrong. A job that has
  outlasted nearly everything seen (`Lognormal.tail`) is polled less and less often, down to every 5 minutes.
- *The oldest handle counts for more.* What its polls show is learned for all handles of the operation, so
  early polls of it save polls of the others.
- *10 % jitter*, so that processes started together do not poll together.

Where the numbers come from --------------------------- Durations are modelled per operation as a lognormal
distribution: durations are positive, and vary by factors rather than by seconds. The prior (median 10 s,
sigma 1.2) is a choice, not a measurement, since no document states durations; it counts for 0.15 of one
observed job, so the first jobs that end outweigh it. From then on the distribution is fitted to what the
polls of this session showed. It is not kept after the session.

What a poll decides ------------------- `PollScheduler._process` handles each result: jobs that are reported
ended are passed to the waits; jobs reported open update the model; jobs that are missing from three answers
in a row, after a grace period, are lost. A failed poll delays the queue (`PollQueue.failed`), or ends the
waits if retrying cannot help.
"""

from __future__ import annotations

from koophone_async.polling.pending_jobs import JobStream, PendingJobs
from koophone_async.polling.policy import PollPolicy
from koophone_async.polling.poller import LimitedPoller, Poller, PollLimiter, PollResult
from koophone_async.polling.resume_token import ResumeToken
from koophone_async.polling.scheduler import PollScheduler

__all__ = [
    "JobStream",
    "LimitedPoller",
    "PendingJobs",
    "PollLimiter",
    "PollPolicy",
    "PollResult",
    "PollScheduler",
    "Poller",
    "ResumeToken",
]
