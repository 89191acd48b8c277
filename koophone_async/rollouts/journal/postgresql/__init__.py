"""The journal in a PostgreSQL server, which several machines can share."""
