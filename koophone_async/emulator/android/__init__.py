"""A small Android behind the shell of each phone."""
