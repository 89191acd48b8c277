"""Options and arguments of commands: derived from the library, parsed, and validated."""
