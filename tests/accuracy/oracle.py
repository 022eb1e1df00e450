"""llama.cpp itself, asked what it would allocate: the library inside the PyPI package ``xllamacpp``.

A model is opened with ``no_alloc`` on a sparse GGUF file (a real header, a hole for the data), a context
is built on it, and ``llama_get_memory_breakdown`` tells the bytes by buffer type.
"""

import ctypes
import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gguf

from explorer.fit.llama_cpp.settings import Settings

PINNED = "2026.10.11549"
"""The structs below are those of this version's ``llama.h``."""
TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q5_1": 7, "q8_0": 8, "bf16": 30}
_BREAKDOWN = "_Z26llama_get_memory_breakdownPK13llama_context"


class ModelParams(ctypes.Structure):
    """``llama_model_params``."""

    _fields_ = [
        ("devices", ctypes.c_void_p),
        ("tensor_buft_overrides", ctypes.c_void_p),
        ("n_gpu_layers", ctypes.c_int32),
        ("split_mode", ctypes.c_int),
        ("load_mode", ctypes.c_int),
        ("lazy_mode", ctypes.c_int),
        ("main_gpu", ctypes.c_int32),
        ("tensor_split", ctypes.c_void_p),
        ("progress_callback", ctypes.c_void_p),
        ("progress_callback_user_data", ctypes.c_void_p),
        ("kv_overrides", ctypes.c_void_p),
        ("vocab_only", ctypes.c_bool),
        ("check_tensors", ctypes.c_bool),
        ("use_extra_bufts", ctypes.c_bool),
        ("no_host", ctypes.c_bool),
        ("no_alloc", ctypes.c_bool),
        ("load_mtp", ctypes.c_bool),
    ]


class ContextParams(ctypes.Structure):
    """``llama_context_params``."""

    _fields_ = [
        ("n_ctx", ctypes.c_uint32),
        ("n_batch", ctypes.c_uint32),
        ("n_ubatch", ctypes.c_uint32),
        ("n_seq_max", ctypes.c_uint32),
        ("n_rs_seq", ctypes.c_uint32),
        ("n_outputs_max", ctypes.c_uint32),
        ("n_outputs_max_per_seq", ctypes.c_uint32),
        ("n_threads", ctypes.c_int32),
        ("n_threads_batch", ctypes.c_int32),
        ("ctx_type", ctypes.c_int),
        ("rope_scaling_type", ctypes.c_int),
        ("pooling_type", ctypes.c_int),
        ("attention_type", ctypes.c_int),
        ("flash_attn_type", ctypes.c_int),
        ("rope", ctypes.c_float * 6),
        ("yarn_orig_ctx", ctypes.c_uint32),
        ("defrag_thold", ctypes.c_float),
        ("cb_eval", ctypes.c_void_p),
        ("cb_eval_user_data", ctypes.c_void_p),
        ("type_k", ctypes.c_int),
        ("type_v", ctypes.c_int),
        ("abort_callback", ctypes.c_void_p),
        ("abort_callback_data", ctypes.c_void_p),
        ("reserved", ctypes.c_void_p),
        ("embeddings", ctypes.c_bool),
        ("offload_kqv", ctypes.c_bool),
        ("no_perf", ctypes.c_bool),
        ("op_offload", ctypes.c_bool),
        ("swa_full", ctypes.c_bool),
        ("kv_unified", ctypes.c_bool),
        ("samplers", ctypes.c_void_p),
        ("n_samplers", ctypes.c_size_t),
        ("ctx_other", ctypes.c_void_p),
    ]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Bytes by what they hold, over all buffer types."""

    model: int
    context: int
    """KV cache and recurrent state."""
    compute: int


class _MapNode(ctypes.Structure):
    """A node of ``std::map<buffer type, breakdown>`` as libstdc++ lays it out."""


_MapNode._fields_ = [
    ("color", ctypes.c_int),
    ("parent", ctypes.POINTER(_MapNode)),
    ("left", ctypes.POINTER(_MapNode)),
    ("right", ctypes.POINTER(_MapNode)),
    ("key", ctypes.c_void_p),
    ("sizes", ctypes.c_size_t * 3),
]


class _Map(ctypes.Structure):
    _fields_ = [
        ("compare", ctypes.c_size_t),
        ("color", ctypes.c_int),
        ("root", ctypes.POINTER(_MapNode)),
        ("left", ctypes.c_void_p),
        ("right", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
    ]


def why_not() -> str:
    """Why the engine cannot be asked here; empty if it can."""
    try:
        found = version("xllamacpp")
    except PackageNotFoundError:
        return "xllamacpp is not installed"
    return "" if found == PINNED else f"xllamacpp is {found}, the structs are those of {PINNED}"


class Engine:
    """The library, loaded once."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("xllamacpp")
        assert spec is not None
        assert spec.origin is not None
        (path,) = Path(spec.origin).parent.glob("*.so")
        library = ctypes.CDLL(str(path))
        self._silence = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
            lambda *_: None
        )
        library.llama_log_set(self._silence, None)
        library.llama_backend_init()
        library.llama_model_default_params.restype = ModelParams
        library.llama_context_default_params.restype = ContextParams
        library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, ModelParams]
        library.llama_model_load_from_file.restype = ctypes.c_void_p
        library.llama_init_from_model.argtypes = [ctypes.c_void_p, ContextParams]
        library.llama_init_from_model.restype = ctypes.c_void_p
        library.llama_free.argtypes = [ctypes.c_void_p]
        library.llama_model_free.argtypes = [ctypes.c_void_p]
        self._breakdown = library[_BREAKDOWN]
        self._breakdown.argtypes = [ctypes.c_void_p]
        self._breakdown.restype = _Map
        self._library = library

    def plan(self, path: Path, settings: Settings) -> Breakdown:
        """What a model file would take on a processor alone."""
        params = self._library.llama_model_default_params()
        params.n_gpu_layers = 0
        params.no_alloc = True
        params.load_mode = 0
        model = self._library.llama_model_load_from_file(str(path).encode(), params)
        assert model, f"{path.name} was refused"
        context = self._library.llama_init_from_model(model, self._context_params(settings))
        assert context, f"no context on {path.name}"
        try:
            return _summed(self._breakdown(context))
        finally:
            self._library.llama_free(context)
            self._library.llama_model_free(model)

    def _context_params(self, settings: Settings) -> ContextParams:
        params: ContextParams = self._library.llama_context_default_params()
        params.n_ctx = settings.n_ctx
        params.n_batch = 2048
        params.n_ubatch = settings.n_ubatch
        params.n_seq_max = settings.sequences
        params.n_outputs_max = settings.n_outputs
        params.flash_attn_type = int(settings.flash_attention)
        params.type_k = TYPES[settings.type_k]
        params.type_v = TYPES[settings.type_v]
        params.swa_full = settings.swa_full
        params.kv_unified = settings.unified
        return params


def _summed(found: _Map) -> Breakdown:
    totals = [0, 0, 0]
    waiting = [found.root] if found.count else []
    while waiting:
        node = waiting.pop().contents
        totals = [total + size for total, size in zip(totals, node.sizes, strict=True)]
        waiting += [child for child in (node.left, node.right) if child]
    return Breakdown(*totals)


def write_sparse(description: dict[str, Any], path: Path) -> None:
    """A GGUF file with a real header and a hole where its data would be."""
    metadata = description["metadata"]
    writer = gguf.GGUFWriter(path, metadata["general.architecture"])
    for key, value in metadata.items():
        if key != "general.architecture":
            _add(writer, key, value)
    size = 0
    for name, dtype, shape in description["tensors"]:
        kind = gguf.GGMLQuantizationType[dtype]
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        elements = 1
        for extent in shape:
            elements *= extent
        nbytes = elements // block * block_bytes
        writer.tensors[0][name] = gguf.gguf_writer.TensorInfo(
            shape=tuple(reversed(shape)), dtype=kind, nbytes=nbytes
        )
        size += -(-nbytes // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        start = -(-file.seek(0, 2) // 32) * 32
        file.truncate(start + size)


def _add(writer: gguf.GGUFWriter, key: str, value: object) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    else:
        writer.add_string(key, str(value))
