"""`koophone rollout`: runs of many steps and waves, which survive the end of their process."""
