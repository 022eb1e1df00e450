"""Widgets that know how to show values, and nothing of where they come from."""
