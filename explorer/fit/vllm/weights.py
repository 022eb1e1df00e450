"""Weights of one vLLM rank: what is divided among ranks, what every rank keeps whole, what is added.

Source: vLLM 0.33.0, ``vllm/model_executor/layers/linear.py``, ``vocab_parallel_embedding.py``,
``rotary_embedding``, ``quantization/mxfp4.py`` and ``mla_attention.py``. Multi-token prediction is
loaded when tokens are drafted, and then shares embeddings and head with the model; vision towers are.
"""

from collections.abc import Iterable

from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.vllm.settings import Settings, stages
from explorer.fit.weight_map import BlockWeights, WeightMap
from explorer.hardware.machine import Device

VOCABULARY_STEP = 64
"""The vocabulary is padded to a multiple of this before it is divided."""

_PARTLY_ROTARY = {
    "qwen3_next": 4, "qwen3_5": 4, "qwen3_5_text": 4, "qwen3_5_moe": 4, "qwen3_5_moe_text": 4,
    "glm": 2, "glm4": 2, "glm4_moe": 2, "chatglm": 2, "phi": 2, "stablelm": 4, "gpt_neox": 4,
}  # fmt: skip
"""One in so many elements of a head is rotated."""
_SEEN_POSITIONS = frozenset({
    "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text", "qwen3_vl", "qwen3_vl_text",
    "qwen3_vl_moe", "qwen3_vl_moe_text", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text",
    "qwen2_5_omni_text", "qwen3_omni_moe_text", "glm4v", "glm4v_text", "glm4v_moe_text",
})  # fmt: skip
"""Model types with positions in images and video, whose table is four times as long."""
_POSITION_TABLES = frozenset({"gpt2", "opt", "bert", "roberta", "xlm-roberta", "mpt", "bloom"})
"""Model types without rotary positions."""


def rank_bytes(
    architecture: Architecture, weights: WeightMap, settings: Settings, devices: Iterable[Device]
) -> tuple[int, ...]:
    """Weights of one rank of every pipeline stage, in bytes.

    ``devices`` decide how kernels pad: MXFP4 experts (gpt-oss) are padded differently by generation.
    """
    tensor = settings.tensor_parallel
    blocks, layers = weights.blocks, architecture.layers
    padding = expert_padding(architecture, weights, settings, devices)
    packed = weights.quantization.upper() not in _UNPACKED
    parts = stages(len(layers), settings.pipeline_parallel)
    sizes = [
        sum(
            _block(blocks[i], layers[i], tensor, padding)
            + (absorbed_bytes(layers[i], tensor) if packed else 0)
            for i in part
            if i < len(blocks)
        )
        + rotary_bytes(architecture)
        for part in parts
    ]
    table = padded_vocabulary(weights.input_bytes, architecture.vocabulary) // tensor
    head = padded_vocabulary(weights.output_bytes, architecture.vocabulary) // tensor
    beyond = blocks[len(layers) :]
    sizes[0] += table + weights.vision_bytes // tensor
    sizes[-1] += head + weights.other_bytes - weights.copied_bytes
    sizes[-1] += sum(block.dense_bytes + block.expert_bytes for block in beyond) // tensor
    if settings.draft_tokens:
        sizes[-1] += (weights.mtp_bytes - weights.mtp_copied_bytes) // tensor
    if len(parts) > 1 and not weights.output_bytes:  # a tied head needs the table on its stage too
        sizes[-1] += table
    return tuple(sizes)


def _block(block: BlockWeights, layer: Layer, tensor: int, padding: float) -> int:
    whole = block.replicated_bytes
    divided = block.dense_bytes - whole - block.kv_bytes
    heads = layer.kv_heads or tensor
    keys_values = block.kv_bytes * max(1, heads // tensor) // heads
    experts = int(block.expert_bytes * padding)
    return (divided + experts) // tensor + whole + keys_values


_UNPACKED = {"BF16", "F16", "F32"}


def absorbed_bytes(layer: Layer, tensor: int) -> int:
    """MLA: the up-projections of keys and values again, where they are packed: unpacked for decoding."""
    if layer.mixer is not Mixer.MLA:
        return 0
    return 2 * layer.heads // tensor * layer.head_dim_v * (layer.nope_dim + layer.value_dim)


def padded_vocabulary(size_bytes: int, vocabulary: int) -> int:
    """Bytes of an embedding table or head with its vocabulary padded."""
    if not vocabulary:
        return size_bytes
    padded = -(-vocabulary // VOCABULARY_STEP) * VOCABULARY_STEP
    return size_bytes * padded // vocabulary


def rotary_bytes(architecture: Architecture) -> int:
    """The table of rotary sines and cosines, in 16 bits: one for each kind of attention with its own."""
    kind = architecture.model_type
    if kind in _POSITION_TABLES or architecture.kind == "encoder":
        return 0
    share = _PARTLY_ROTARY.get(kind, 1)
    kinds = {
        (layer.mixer, _rotated(layer) // share)
        for layer, _ in architecture.groups
        if layer.head_dim_k and layer.mixer not in (Mixer.SHARED, Mixer.CROSS)
    }
    local = {each for each in kinds if each[0] is Mixer.SLIDING}
    if kind not in _LOCAL_ROTARY and len(kinds) > len(local):
        kinds -= local
    positions = (architecture.context_tokens or 0) * (4 if kind in _SEEN_POSITIONS else 1)
    return 2 * positions * sum(width for _, width in kinds)


_LOCAL_ROTARY = frozenset({
    "gemma3", "gemma3_text", "gemma3n", "gemma3n_text", "gemma4", "gemma4_text",
})  # fmt: skip
"""Model types whose sliding layers rotate at a frequency of their own."""


def _rotated(layer: Layer) -> int:
    return layer.head_dim_k - layer.head_dim_v if layer.mixer is Mixer.MLA else layer.head_dim_k


def expert_padding(
    architecture: Architecture, weights: WeightMap, settings: Settings, devices: Iterable[Device]
) -> float:
    """How much larger kernels make MXFP4 experts: 1 for others.

    Marlin and FlashInfer's kernels for Blackwell pad the width of an expert to 128 and the model's to
    256; on Hopper, Triton's layout pads one of them to 256, by the 13.47 GiB an H100 prints; AMD pads both
    to 256.
    """
    if "MXFP4" not in weights.quantization.upper():
        return 1.0
    width = max((layer.expert_feed_forward for layer, _ in architecture.groups), default=0)
    hidden = architecture.hidden
    if not width or not hidden:
        return 1.0
    rank_width = width // settings.tensor_parallel
    wide = _step(hidden, 256) / hidden
    kinds = {_kernel(device) for device in devices}
    if kinds == {"triton"}:
        return wide
    return wide * _step(rank_width, 256 if "rocm" in kinds else 128) / rank_width


def _kernel(device: Device) -> str:
    if device.kind != "cuda":
        return device.kind
    return "triton" if (device.compute_capability or (0, 0))[0] == _HOPPER else "marlin"


_HOPPER = 9


def _step(size: int, step: int) -> int:
    return -(-size // step) * step
