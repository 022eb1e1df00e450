"""Memory of vLLM: weights and KV pool of every rank, after its own planning.

Knows vLLM's rules (tensor and pipeline parallel, groups of cache layers, the share of a device it
takes); knows nothing of files or hubs.
"""

VERSION = "0.33.0"
"""The version these rules were read in."""
