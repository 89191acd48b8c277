"""Batches: operations on any number of ids, in chunks of the maximum size, with one outcome for each id.

If a chunk is refused because of some of its ids, it is halved until these are isolated. An id whose outcome
cannot be known is `unknown`, never a success or a failure.
"""

from koophone_async.batches.call_log import CallLog, LoggedCall, SendingHeld, SendingStopped, StartedCall
from koophone_async.batches.job_wait import once_listed, wait_for_jobs
from koophone_async.batches.outcome_mapping import (
    UnreadableJob,
    error_code,
    jobs_by_id,
    open_job,
    outcomes_without_row,
    unreadable_jobs,
    unreadable_rows,
)
from koophone_async.batches.outcomes import (
    NOT_IN_ANSWER,
    STOP_REASONS,
    Estimate,
    Outcome,
    Report,
    State,
)
from koophone_async.batches.run import Run
from koophone_async.batches.verb import CallResult, EndedJob, RunOptions, Verb, Wait

__all__ = [
    "NOT_IN_ANSWER",
    "STOP_REASONS",
    "CallLog",
    "CallResult",
    "EndedJob",
    "Estimate",
    "LoggedCall",
    "Outcome",
    "Report",
    "Run",
    "RunOptions",
    "SendingHeld",
    "SendingStopped",
    "StartedCall",
    "State",
    "UnreadableJob",
    "Verb",
    "Wait",
    "error_code",
    "jobs_by_id",
    "once_listed",
    "open_job",
    "outcomes_without_row",
    "unreadable_jobs",
    "unreadable_rows",
    "wait_for_jobs",
]
