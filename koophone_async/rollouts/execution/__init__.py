"""How a plan is carried out: attempts, waves and chunks, and how each is restored after a crash."""
