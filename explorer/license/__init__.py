"""Judgements about terms: what a license lets one do, with its source and how far it was read.

For display, not legal advice. Knows nothing of HTTP or Textual.
"""
