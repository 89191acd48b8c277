"""The plan of a rollout: its classes, its file and its schema; nothing here sends or stores anything."""
