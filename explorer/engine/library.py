"""The native library inside the package ``xllamacpp``, reached through its C API.

A model is opened with ``no_alloc``, a context is built on it, and ``llama_get_memory_breakdown`` tells the
bytes by buffer type. Load it in a process of its own: it may abort.
"""

import ctypes
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from explorer.engine.structs import TYPES, ContextParams, Map, ModelParams
from explorer.fit.llama_cpp.builds import draft_settings
from explorer.fit.llama_cpp.settings import Settings

_BREAKDOWN = "_Z26llama_get_memory_breakdownPK13llama_context"
_BATCH = 2048
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_MTP = 1
"""``LLAMA_CONTEXT_TYPE_MTP``."""
_ERROR = 4
"""``GGML_LOG_LEVEL_ERROR``."""
_LONGEST_COMPLAINT = 160


class Refused(Exception):
    """The library would not open a file, or build a context on it."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Bytes by what they hold, over all buffer types."""

    model: int
    context: int
    """KV cache and recurrent state."""
    compute: int

    def __add__(self, other: "Breakdown") -> "Breakdown":
        """With another context on the same model."""
        return Breakdown(self.model, self.context + other.context, self.compute + other.compute)


class Library:
    """The library, loaded once."""

    def __init__(self) -> None:
        library = ctypes.CDLL(str(_find()))
        self._complaint = ""
        # kept, since the library calls it as long as it lives
        self._listener = _LISTENER(self._hear)
        library.llama_log_set(self._listener, None)
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
        self._breakdown.restype = Map
        self.functions = library
        """The C API, its argument types declared as far as they are used here."""

    def plan(self, path: Path, settings: Settings) -> Breakdown:
        """What a GGUF file would take on a processor alone, with the context that drafts if there is one.

        Raises Refused.
        """
        params = self.functions.llama_model_default_params()
        params.n_gpu_layers = 0
        params.no_alloc = True
        params.load_mode = 0
        params.load_mtp = settings.drafts > 0
        model = self.functions.llama_model_load_from_file(str(path).encode(), params)
        if not model:
            raise Refused(f"it does not open {path.name}{self._complaint}")
        try:
            found = self._held(model, self.context_params(settings), path)
            if settings.drafts:
                drafting = self.context_params(draft_settings(settings))
                drafting.ctx_type = _MTP
                found += self._held(model, drafting, path)
            return found
        finally:
            self.functions.llama_model_free(model)

    def _held(self, model: int, params: ContextParams, path: Path) -> Breakdown:
        """What a context built with these parameters holds."""
        context = self.functions.llama_init_from_model(model, params)
        if not context:
            raise Refused(f"it builds no context on {path.name}{self._complaint}")
        try:
            return self.breakdown(context)
        finally:
            self.functions.llama_free(context)

    def _hear(self, level: int, text: bytes | None, _: object) -> None:
        """Keep the first error since the library was loaded: those after it only follow from it."""
        if level == _ERROR and text and not self._complaint:
            said = " ".join(text.decode(errors="replace").split())
            self._complaint = f": {said[:_LONGEST_COMPLAINT]}"

    def breakdown(self, context: int) -> Breakdown:
        """What a context and its model hold."""
        return _summed(self._breakdown(context))

    def context_params(self, settings: Settings) -> ContextParams:
        """The library's own defaults with these settings."""
        params: ContextParams = self.functions.llama_context_default_params()
        params.n_ctx = settings.n_ctx
        params.n_batch = max(_BATCH, settings.n_ubatch)
        params.n_ubatch = settings.n_ubatch
        params.n_seq_max = settings.sequences
        params.n_rs_seq = settings.drafts
        params.n_outputs_max = settings.n_outputs
        params.flash_attn_type = int(settings.flash_attention)
        params.type_k = TYPES[settings.type_k]
        params.type_v = TYPES[settings.type_v]
        params.swa_full = settings.swa_full
        params.kv_unified = settings.unified
        return params


def _find() -> Path:
    spec = importlib.util.find_spec("xllamacpp")
    found = list(Path(spec.origin).parent.glob("*.so")) if spec and spec.origin else []
    if len(found) != 1:
        raise Refused("the package xllamacpp has no library")
    return found[0]


def _summed(found: Map) -> Breakdown:
    totals = [0, 0, 0]
    waiting = [found.root] if found.count else []
    while waiting:
        node = waiting.pop().contents
        totals = [total + size for total, size in zip(totals, node.sizes, strict=True)]
        waiting += [child for child in (node.left, node.right) if child]
    return Breakdown(*totals)
