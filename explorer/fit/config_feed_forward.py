"""The feed-forward half of each block, from config.json: dense, or experts with or without shared ones."""

from explorer.fit.fields import Fields

FeedForward = tuple[int, int, int, int, int]
"""feed_forward, experts, experts_used, expert_feed_forward, shared_feed_forward of ``Layer``."""

WIDTH = (
    "intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "d_ff", "inner_dim",
    "ffn_intermediate_size",
)  # fmt: skip
EXPERTS = (
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts",
)  # fmt: skip
USED = (
    "num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk", "top_k_experts",
    "moe_top_k", "num_selected_experts", "experts_per_token",
)  # fmt: skip
EXPERT_WIDTH = (
    "moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", "ffn_hidden_size_moe",
)  # fmt: skip
NO_MIXTURE = frozenset({"mamba", "mamba2", "falcon_mamba"})
"""Blocks without a feed-forward part."""


def feed_forwards(text: Fields, model_type: str, layers: int, hidden: int) -> list[FeedForward]:
    """One entry a layer."""
    if model_type in NO_MIXTURE:
        return [(0, 0, 0, 0, 0)] * layers
    if "block_configs" in text:
        return _searched(text, layers, hidden)
    if "hybrid_override_pattern" in text:
        return _nemotron(text, layers)
    if "ffn_config" in text:
        text = text.section("ffn_config")  # DBRX
    dense = _dense_widths(text, model_type, layers, hidden)
    experts = text.number(*EXPERTS)
    if not experts:
        return [(width, 0, 0, 0, 0) for width in dense]
    expert_width = text.number(*EXPERT_WIDTH, default=dense[0])
    mixture = (0, experts, text.number(*USED, default=1), expert_width,
               _shared_width(text, model_type, expert_width))  # fmt: skip
    sparse = _sparse_layers(text, layers)
    if "enable_moe_block" in text:  # gemma 4 has a dense part beside its experts
        mixture = (dense[0], *mixture[1:])
    return [mixture if on else (width, 0, 0, 0, 0) for on, width in zip(sparse, dense, strict=True)]


def _dense_widths(text: Fields, model_type: str, layers: int, hidden: int) -> tuple[int, ...]:
    if model_type == "qwen":  # gate and up are stored side by side
        return (text.number("intermediate_size") // 2,) * layers
    if "ffn_multipliers" in text:
        return _openelm(text, layers, hidden)
    names = ("intermediate_size_mlp", *WIDTH)
    if text.is_list("intermediate_size"):
        return text.per_layer("intermediate_size", layers=layers)
    if "block_ff_dim" in text:
        return (_lfm2_width(text),) * layers
    shared = 0 if text.number(*EXPERTS) else text.number("shared_intermediate_size")
    width = (
        shared or text.number(*names) or int(hidden * text.ratio("expansion_ratio", default=4.0))
    )
    return (width,) * layers


def _lfm2_width(text: Fields) -> int:
    """LFM2 states the width before its two-thirds adjustment."""
    width = text.number("block_ff_dim")
    if not text.flag("block_auto_adjust_ff_dim", default=True):
        return width
    width = int(2 * width / 3 * text.ratio("block_ffn_dim_multiplier", default=1.0))
    multiple = max(text.number("block_multiple_of", default=256), 1)
    return -(-width // multiple) * multiple


def _openelm(text: Fields, layers: int, hidden: int) -> tuple[int, ...]:
    """A multiplier a layer, made divisible by ``ffn_dim_divisor``."""
    divisor = max(text.number("ffn_dim_divisor", default=256), 1)
    multipliers = text.ratios("ffn_multipliers", layers)
    return tuple(
        max(divisor, int(hidden * value + divisor / 2) // divisor * divisor)
        for value in multipliers
    )


def _shared_width(text: Fields, model_type: str, expert_width: int) -> int:
    stated = text.integer(
        "shared_expert_intermediate_size", "shared_intermediate_size",
        "moe_shared_expert_intermediate_size", "share_expert_dim",
    )  # fmt: skip
    if stated is not None:
        return stated
    count = text.number(
        "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert"
    )
    if model_type in {"llama4", "llama4_text"}:
        count = 1
    return count * expert_width


def _sparse_layers(text: Fields, layers: int) -> list[bool]:
    """Which layers have experts, by whichever of the conventions the config follows."""
    if "mlp_layer_types" in text:
        kinds = text.texts("mlp_layer_types")
        if len(kinds) < layers:
            raise text.wrong("mlp_layer_types", f"a value for each of {layers} layers")
        return [kind == "sparse" for kind in kinds[:layers]]
    if text.is_list("moe_layers"):
        chosen = frozenset(text.integers("moe_layers"))
        return [index in chosen for index in range(layers)]
    if text.is_list("moe_layer_freq"):
        return [bool(on) for on in text.per_layer("moe_layer_freq", layers=layers)]
    first = text.number("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
    last = text.number("moe_layer_end_index", default=layers)
    if last + 1 >= layers:
        last = layers
    step = max(text.number("decoder_sparse_step", "moe_layer_interval", "moe_layer_freq",
                           "interleave_moe_layer_step", default=1), 1)  # fmt: skip
    if "expert_layer_period" in text:
        period = max(text.number("expert_layer_period"), 1)
        offset = text.number("expert_layer_offset")
        return [index % period == offset for index in range(layers)]
    dense = frozenset(text.integers("mlp_only_layers"))
    return [
        first <= index <= last and index not in dense and (step == 1 or (index + 1) % step == 0)
        for index in range(layers)
    ]


def _nemotron(text: Fields, layers: int) -> list[FeedForward]:
    """Nemotron-H: a block is a mixer, a feed-forward part (``-``) or experts (``E``), never two."""
    width = text.number(*WIDTH)
    expert_width = text.number(*EXPERT_WIDTH, default=width)
    mixture = (0, text.number(*EXPERTS), text.number(*USED), expert_width,
               _shared_width(text, "nemotron_h", expert_width))  # fmt: skip
    kinds = {"-": (width, 0, 0, 0, 0), "E": mixture}
    pattern = text.text("hybrid_override_pattern")[:layers].ljust(layers)
    return [kinds.get(kind, (0, 0, 0, 0, 0)) for kind in pattern]


def _searched(text: Fields, layers: int, hidden: int) -> list[FeedForward]:
    """Nemotron-NAS: every block was chosen by search; widths are multiples of the hidden size."""
    blocks = text.sections("block_configs")
    if len(blocks) < layers:
        raise text.wrong("block_configs", f"a value for each of {layers} layers")
    result: list[FeedForward] = []
    for block in blocks[:layers]:
        part = block.section("ffn")
        width = int(2 * part.ratio("ffn_mult", default=4.0) * hidden / 3)
        absent = part.flag("no_op") or part.flag("replace_with_linear")
        result.append((0 if absent else -(-width // 256) * 256, 0, 0, 0, 0))
    return result
