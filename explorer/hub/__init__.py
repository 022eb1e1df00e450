"""Sources of models, and the only I/O with hubs and disks.

Knows nothing of tensors' meaning, of hardware or of Textual.
"""
