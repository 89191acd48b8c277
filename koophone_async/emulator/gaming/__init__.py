"""Cloud mobile gaming: applications, deployments, and games that are played."""

from koophone_async.emulator.gaming.player import Player, TurnedAway

__all__ = ["Player", "TurnedAway"]
