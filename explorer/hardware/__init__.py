"""Facts about machines: devices, memory, bandwidth; detected, or described in words.

Knows nothing of models. Only ``detect`` and the vendor modules it calls touch the system.
"""
