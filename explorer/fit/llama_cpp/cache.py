"""KV cache and recurrent state of llama.cpp, to the byte.

Source: ``llama-kv-cache.cpp``, ``llama-kv-cache-iswa.cpp``, ``llama-memory-recurrent.cpp`` (v0.5.0).
"""

from explorer.fit.architecture import Layer, Mixer
from explorer.fit.llama_cpp.settings import Settings, padded, row_bytes

CUDA_ROW_ELEMENTS = 512
"""CUDA pads the last row of a quantized tensor to this many elements."""
CUDA_ALIGNMENT = 128


def cells(layer: Layer, settings: Settings, *, windowed: bool = True) -> int:
    """Cells a stream of this layer's cache holds; a stream is one sequence, or all when unified.

    The context of a stream is padded to 256, and so is a window of its tokens (each sequence's own, when
    they share the stream) plus a micro-batch.
    """
    streams = 1 if settings.unified else settings.sequences
    whole = padded(-(-settings.n_ctx // streams))
    if not windowed or layer.window_tokens is None or settings.swa_full:
        return whole
    if layer.mixer not in (Mixer.SLIDING, Mixer.CHUNKED, Mixer.SHARED):
        return whole
    shared = settings.sequences if settings.unified else 1
    return padded(min(whole, layer.window_tokens * shared + settings.n_ubatch))


def kv_bytes(
    layer: Layer, settings: Settings, *, windowed: bool = True, cuda: bool = False, widest: int = 0
) -> int:
    """Bytes of one layer's KV cache over all sequences; 0 for a layer that owns none.

    MLA stores keys only (the latent and the rope part), from which values are a view. ``widest`` is
    the least width of the values (``builds.value_width``).
    """
    if not layer.caches:
        return 0
    streams = 1 if settings.unified else settings.sequences
    rows = cells(layer, settings, windowed=windowed) * streams
    total = _tensor(settings.type_k, layer.kv_heads * layer.head_dim_k, rows, cuda=cuda)
    if layer.mixer is not Mixer.MLA:
        values = max(layer.kv_heads * layer.head_dim_v, widest)
        total += _tensor(settings.type_v, values, rows, cuda=cuda)
    if layer.indexer_dim:
        total += _tensor(settings.type_k, layer.indexer_dim, rows, cuda=cuda)
    return total


def values_only_bytes(settings: Settings, widest: int, *, cuda: bool = False) -> int:
    """Bytes of the cache of a block that has no attention but is given values as wide as the others'."""
    streams = 1 if settings.unified else settings.sequences
    rows = padded(-(-settings.n_ctx // streams)) * streams
    return _tensor(settings.type_v, widest, rows, cuda=cuda) if widest else 0


def _tensor(type_name: str, elements: int, rows: int, *, cuda: bool) -> int:
    total = row_bytes(type_name, elements) * rows
    beyond = elements % CUDA_ROW_ELEMENTS
    if cuda and beyond and type_name not in {"f32", "f16", "bf16"}:
        total += row_bytes(type_name, CUDA_ROW_ELEMENTS - beyond)
    return padded(total, CUDA_ALIGNMENT) if cuda else total


def state_bytes(layer: Layer, settings: Settings) -> int:
    """Bytes of one layer's recurrent state, f32, a row a sequence and one more a draft token."""
    rows = settings.sequences * (1 + settings.drafts)
    return 4 * rows * (layer.conv_elements + layer.state_elements)
