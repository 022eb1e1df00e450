"""Judgements: what a model needs on a machine, and how fast it will be.

Pure functions over values. Knows nothing of HTTP or Textual.
"""
