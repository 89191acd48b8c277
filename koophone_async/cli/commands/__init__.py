"""The commands of `koophone`, and what only they need; those of rollouts have a package of their own."""
