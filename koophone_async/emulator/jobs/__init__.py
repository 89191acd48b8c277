"""The job engine that all emulated services share."""
