"""Rollouts that several machines share: workers run shards of a wave, and one of them drives the rollout.

The journal is the guard: a chunk is sent only by whoever holds the lease of its shard. Jobs of procrastinate,
in the same PostgreSQL database, only say which worker looks at which shard; one that is run twice, late or
never makes nobody send anything twice.
"""
