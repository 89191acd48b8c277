"""Captures of what terminals show."""
