"""llama.cpp itself, asked what it would allocate for a GGUF file, without its data.

A room beside ``hub/``: it does I/O, with a native library, a program on the path and a temporary folder.
The library is only ever loaded in a process of its own (``python -m explorer.engine``), so that a crash
of native code ends that process and nothing else. Knows how llama.cpp is run (``fit.llama_cpp.settings``)
and nothing of hubs, models, machines or how anything is shown.
"""
