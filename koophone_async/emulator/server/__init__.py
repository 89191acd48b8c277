"""What serves a request: routing, authentication, quotas, faults, envelopes and the page for people."""
