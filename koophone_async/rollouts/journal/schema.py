"""Tables of the journal, in the common subset of SQLite and PostgreSQL, and their migrations."""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    (
        """
CREATE TABLE rollouts (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, service TEXT NOT NULL, account TEXT,
    edition TEXT,
    projects TEXT NOT NULL, plan TEXT NOT NULL, forecast TEXT, waves TEXT NOT NULL, keep_output INTEGER
    NOT NULL,
    targets BIGINT NOT NULL, state TEXT NOT NULL, waiting_for TEXT, reason TEXT, counts TEXT NOT NULL,
    attempt BIGINT NOT NULL, wave BIGINT NOT NULL, last_request BIGINT NOT NULL,
    created_at BIGINT NOT NULL, created_by TEXT NOT NULL, began_at BIGINT, ended_at BIGINT)
""",
        "CREATE INDEX rollouts_by_name ON rollouts (name)",
        "CREATE INDEX rollouts_by_time ON rollouts (created_at)",
        # Apart from the row of the rollout, which is large and read by everybody.
        """
CREATE TABLE leases (
    rollout TEXT PRIMARY KEY, epoch BIGINT NOT NULL, renewals BIGINT NOT NULL, expires_at DOUBLE
    PRECISION NOT NULL,
    holder TEXT)
""",
        # A block is the JSON of up to 1,000 targets: a row for each would take ten times as long.
        "CREATE TABLE targets (rollout TEXT, block BIGINT, body TEXT NOT NULL, PRIMARY KEY (rollout, block))",
        """
CREATE TABLE attempts (
    rollout TEXT, attempt BIGINT, kind TEXT NOT NULL, targets BIGINT NOT NULL, waves TEXT NOT NULL,
    created_at BIGINT NOT NULL, PRIMARY KEY (rollout, attempt))
""",
        """
CREATE TABLE attempt_starts (
    rollout TEXT, attempt BIGINT, block BIGINT, body TEXT NOT NULL, PRIMARY KEY (rollout, attempt, block))
""",
        """
CREATE TABLE chunks (
    rollout TEXT, chunk BIGINT, attempt BIGINT NOT NULL, step BIGINT NOT NULL, wave BIGINT NOT NULL,
    selection BIGINT NOT NULL, state TEXT NOT NULL, positions TEXT NOT NULL, epoch BIGINT NOT NULL,
    parent BIGINT,
    handle TEXT, jobs TEXT, has_jobs INTEGER NOT NULL, called_at BIGINT, PRIMARY KEY (rollout, chunk))
""",
        # One row for the results of a chunk that one transaction writes.
        """
CREATE TABLE results (
    number {serial}, rollout TEXT NOT NULL, attempt BIGINT NOT NULL, chunk BIGINT, step BIGINT NOT NULL,
    body TEXT NOT NULL)
""",
        "CREATE INDEX results_by_rollout ON results (rollout, number)",
        "CREATE TABLE outputs (rollout TEXT, hash TEXT, body TEXT NOT NULL, PRIMARY KEY (rollout, hash))",
        """
CREATE TABLE requests (
    number {serial}, rollout TEXT NOT NULL, kind TEXT NOT NULL, wave BIGINT, chunk BIGINT, sent TEXT,
    at BIGINT NOT NULL, actor TEXT NOT NULL)
""",
        "CREATE INDEX requests_by_rollout ON requests (rollout, number)",
        """
CREATE TABLE log (
    number {serial}, rollout TEXT NOT NULL, at BIGINT NOT NULL, actor TEXT NOT NULL, what TEXT NOT NULL,
    details TEXT NOT NULL)
""",
        "CREATE INDEX log_by_rollout ON log (rollout, number)",
    ),
    (
        """
CREATE TABLE schedules (
    name TEXT PRIMARY KEY, plan TEXT NOT NULL, cron TEXT NOT NULL, zone TEXT NOT NULL, missed TEXT NOT NULL,
    account TEXT, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, due_at BIGINT NOT NULL,
    is_enabled INTEGER NOT NULL, last_run_at BIGINT, last_rollout TEXT, note TEXT)
""",
    ),
    (
        # Shard 0 is the rollout itself.
        "ALTER TABLE leases RENAME TO earlier_leases",
        """
CREATE TABLE leases (
    rollout TEXT, shard BIGINT, epoch BIGINT NOT NULL, renewals BIGINT NOT NULL, expires_at DOUBLE PRECISION
    NOT NULL,
    holder TEXT, PRIMARY KEY (rollout, shard))
""",
        """
INSERT INTO leases (rollout, shard, epoch, renewals, expires_at, holder)
SELECT rollout, 0, epoch, renewals, expires_at, holder FROM earlier_leases
""",
        "DROP TABLE earlier_leases",
        "ALTER TABLE chunks ADD COLUMN shard BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE results ADD COLUMN shard BIGINT NOT NULL DEFAULT 0",
        "CREATE INDEX chunks_by_shard ON chunks (rollout, shard, chunk) WHERE shard > 0",
        "CREATE INDEX results_by_shard ON results (rollout, shard, number) WHERE shard > 0",
        # Whether calls may be sent; and how workers go on with the rollout, NULL if none shall.
        "ALTER TABLE rollouts ADD COLUMN admission TEXT NOT NULL DEFAULT 'open'",
        "ALTER TABLE rollouts ADD COLUMN handover TEXT",
        """
CREATE TABLE shards (
    rollout TEXT, shard BIGINT, attempt BIGINT NOT NULL, wave BIGINT NOT NULL, selection BIGINT NOT NULL,
    lock TEXT, is_done INTEGER NOT NULL, starts TEXT NOT NULL, counts TEXT NOT NULL, results BIGINT NOT NULL,
    PRIMARY KEY (rollout, shard))
""",
        """
CREATE TABLE workers (
    id TEXT PRIMARY KEY, holder TEXT NOT NULL, version TEXT NOT NULL, queues TEXT NOT NULL, concurrency BIGINT
    NOT NULL,
    started_at BIGINT NOT NULL, beats BIGINT NOT NULL, beat_at DOUBLE PRECISION NOT NULL)
""",
    ),
    # Fields in which the plan of an attempt differs from that of its kind.
    ("ALTER TABLE attempts ADD COLUMN options TEXT NOT NULL DEFAULT '{{}}'",),
)
"""Statements that bring a journal from each version to the next; the first create it.

`{serial}` is a number that the database assigns in ascending order.
"""

VERSION: Final = len(MIGRATIONS)

COLUMNS: Final = {
    table: frozenset(columns.split())
    for table, columns in {
        "rollouts": "id name kind service account edition projects plan forecast waves keep_output targets"
        " state waiting_for reason counts attempt wave last_request created_at created_by began_at ended_at"
        " admission handover",
        "leases": "rollout shard epoch renewals expires_at holder",
        "targets": "rollout block body",
        "attempts": "rollout attempt kind targets waves created_at options",
        "attempt_starts": "rollout attempt block body",
        "chunks": "rollout chunk attempt step wave selection state positions epoch parent handle jobs"
        " has_jobs called_at shard",
        "results": "number rollout attempt chunk step body shard",
        "outputs": "rollout hash body",
        "requests": "number rollout kind wave chunk sent at actor",
        "log": "number rollout at actor what details",
        "schedules": "name plan cron zone missed account created_at created_by due_at is_enabled last_run_at"
        " last_rollout note",
        "shards": "rollout shard attempt wave selection lock is_done starts counts results",
        "workers": "id holder version queues concurrency started_at beats beat_at",
    }.items()
}
"""Columns of each table of the current version."""

OWNED_TABLES: Final = {
    "leases": "shard",
    "targets": "block",
    "attempts": "attempt",
    "attempt_starts": "block",
    "chunks": "chunk",
    "results": "number",
    "outputs": "hash",
    "requests": "number",
    "log": "number",
    "shards": "shard",
}
"""Tables whose rows belong to the rollout that they name, with a column to delete them by, some at a time."""
