"""Memory of transformers' ``generate``: weights, a cache that grows with the tokens, a whole prompt at once.

Knows transformers' caches and how ``device_map="auto"`` deals layers out; knows nothing of files or hubs.
"""

VERSION = "5.23.0"
"""The version these rules were read in."""
