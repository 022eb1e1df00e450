"""A GGUF file loaded for real, in a process of its own: ``python -m tests.accuracy.loaded PATH N_CTX``.

Prints JSON: bytes resident before the library was there and at most, after a whole micro-batch was worked
through, and llama.cpp's own account of its buffers. Nothing is mapped and nothing repacked, so that what
is resident is what the buffers hold.
"""

import ctypes
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from explorer.engine.library import Library
from explorer.fit.llama_cpp.settings import Settings


class Batch(ctypes.Structure):
    """``llama_batch``."""

    _fields_ = (
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.c_void_p),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.c_void_p),
        ("n_seq_id", ctypes.c_void_p),
        ("seq_id", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
    )


def resident_bytes(line: str) -> int:
    """``VmRSS``, or its peak ``VmHWM``, which unlike getrusage's begins anew with each program."""
    for text in Path("/proc/self/status").read_text().splitlines():
        name, _, value = text.partition(":")
        if name == line:
            return int(value.split()[0]) * 1024
    raise LookupError(line)


def main() -> None:
    path, settings = Path(sys.argv[1]), Settings(n_ctx=int(sys.argv[2]))
    before = resident_bytes("VmRSS")
    engine = Library()
    functions = engine.functions
    params = functions.llama_model_default_params()
    params.n_gpu_layers = 0
    params.load_mode = 0
    params.use_extra_bufts = False
    model = functions.llama_model_load_from_file(str(path).encode(), params)
    options = engine.context_params(settings)
    options.n_threads = options.n_threads_batch = 2
    context = functions.llama_init_from_model(model, options)
    tokens = (ctypes.c_int32 * settings.n_ubatch)(*range(100, 100 + settings.n_ubatch))
    functions.llama_batch_get_one.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    functions.llama_batch_get_one.restype = Batch
    functions.llama_decode.argtypes = [ctypes.c_void_p, Batch]
    batch = functions.llama_batch_get_one(ctypes.addressof(tokens), settings.n_ubatch)
    status = functions.llama_decode(context, batch)
    told = asdict(engine.breakdown(context))
    found = {"before": before, "peak": resident_bytes("VmHWM"), "status": status, **told}
    sys.stdout.write(f"\n{json.dumps(found)}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
