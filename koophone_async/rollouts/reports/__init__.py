"""What a rollout is expected to take, what came of each phone, and the report for people."""
