"""Fan-out: any number of ids, chunks of the size that the service takes, one outcome for every id.

A chunk that is refused for some of its ids is halved until these stand alone; what cannot be
known is `unknown` and never success or failure.
"""

from koophone_async.batches.job_wait import wait_for
from koophone_async.batches.outcomes import COLUMNS, SAYS_NOTHING, STOPPED, Estimate, Outcome, Report, State
from koophone_async.batches.run import Run
from koophone_async.batches.verb import Ended, Reading, RunOptions, Verb, Wait

__all__ = [
    "COLUMNS",
    "SAYS_NOTHING",
    "STOPPED",
    "Ended",
    "Estimate",
    "Outcome",
    "Reading",
    "Report",
    "Run",
    "RunOptions",
    "State",
    "Verb",
    "Wait",
    "wait_for",
]
