"""What the services expect on the wire, as pure functions: no I/O, no clock, no randomness of our own."""
