"""Facts about weight files: formats, tensors, packed layouts, checkpoints.

Bytes in, values out. Knows nothing of HTTP, disks or hardware.
"""
