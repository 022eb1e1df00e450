"""Memory of mlx-lm on Apple silicon: weights and cache in the GPU's working set.

Knows mlx-lm's caches and the step it reads a prompt in; knows nothing of files or hubs.
"""

VERSION = "0.32.2"
"""The version these rules were read in."""
