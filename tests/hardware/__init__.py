"""Machines: the catalog, described ones, and recorded systems."""
