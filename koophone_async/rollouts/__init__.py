"""Rollouts: runs of steps over phones that survive the end of the process."""
