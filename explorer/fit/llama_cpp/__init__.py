"""llama.cpp's memory, as version v0.5.0 plans it (also what Ollama and LM Studio run).

KV cache, recurrent state and the residency of weights follow its source to the byte; compute buffers
are what its allocator needs for its graphs. Knows nothing of machines: the planner puts the parts on
devices.
"""

VERSION = "v0.5.0"
