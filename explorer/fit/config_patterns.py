"""Which kind of mixer stands in which block, by whichever convention a config.json follows."""

from typing import Literal, TypeAlias

from explorer.errors import HeaderError
from explorer.fit.families import HALF_SLIDING, PATTERN
from explorer.fit.fields import MOST_TOKENS, Fields

Kind: TypeAlias = Literal[
    "full", "sliding", "chunked", "none", "parallel",
    "mamba1", "mamba2", "gated_delta", "kimi_delta", "linear", "griffin", "rwkv", "conv",
]  # fmt: skip

_NAMED: dict[str, Kind] = {
    "full_attention": "full", "attention": "full", "global_attention": "full", "global": "full",
    "sliding_attention": "sliding", "sliding_window": "sliding", "local": "sliding",
    "chunked_attention": "chunked", "mamba": "mamba2", "hybrid": "parallel", "conv": "conv",
    "recurrent": "griffin", "mlp": "none", "moe": "none",
}  # fmt: skip
_LETTERS: dict[str, Kind] = {"M": "mamba2", "*": "full", "-": "none", "E": "none"}
_EVERYWHERE: dict[str, Kind] = {
    "mamba": "mamba1", "falcon_mamba": "mamba1", "mamba2": "mamba2", "falcon_h1": "parallel",
    "rwkv": "rwkv", "rwkv5": "rwkv", "rwkv6": "rwkv", "rwkv7": "rwkv",
}  # fmt: skip
_GATED_DELTA = frozenset({
    "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text", "olmo_hybrid",
})  # fmt: skip


def kinds_of(text: Fields, model_type: str, layers: int) -> list[Kind]:
    """The kind of every block."""
    if model_type in _EVERYWHERE:
        return [_EVERYWHERE[model_type]] * layers
    return (
        _by_letters(text, layers)
        or _by_names(text, model_type, layers)
        or _by_indices(text, model_type, layers)
        or _by_periods(text, model_type, layers)
        or _by_flags(text, layers)
        or _by_window(text, model_type, layers)
    )


def _by_letters(text: Fields, layers: int) -> list[Kind]:
    """Nemotron-H writes one letter a block."""
    pattern = text.text("hybrid_override_pattern")
    if not pattern:
        return []
    if len(pattern) < layers or set(pattern) - set(_LETTERS):
        raise text.wrong("hybrid_override_pattern", f"{layers} letters of M, *, - and E")
    return [_LETTERS[letter] for letter in pattern[:layers]]


def _by_names(text: Fields, model_type: str, layers: int) -> list[Kind]:
    for key in ("layer_types", "layers_block_type", "block_types", "_block_types"):
        names = text.texts(key)
        if not names:
            continue
        if key.endswith("block_types"):  # RecurrentGemma repeats its list
            names = (names * layers)[:layers]
        if len(names) < layers:
            raise text.wrong(key, f"a value for each of {layers} layers")
        return [_named(name, text, model_type) for name in names[:layers]]
    return []


def _named(name: str, text: Fields, model_type: str) -> Kind:
    if name == "linear_attention":
        if "linear_attn_config" in text:
            return "kimi_delta"
        return "gated_delta" if "linear_num_value_heads" in text else "linear"
    if name == "mamba" and model_type == "jamba":
        return "mamba1"
    if name not in _NAMED:
        raise HeaderError(
            f"config.json: “{name[:40]}” is not a kind of layer this version knows",
            hint="the model is newer than this program: look for an update",
        )
    return _NAMED[name]


def _by_indices(text: Fields, model_type: str, layers: int) -> list[Kind]:
    """Lists of the layers that attend to everything."""
    other: Kind
    if "attn_layer_indices" in text or model_type == "bamba":
        attention, other = text.integers("attn_layer_indices"), "mamba2"
    elif "full_attn_idxs" in text:  # LFM2
        attention, other = text.integers("full_attn_idxs"), "conv"
    elif "linear_attn_config" in text:  # Kimi Linear counts from one
        listed = text.section("linear_attn_config").integers("full_attn_layers")
        attention, other = tuple(index - 1 for index in listed), "kimi_delta"
    else:
        return []
    chosen = frozenset(attention)
    return ["full" if index in chosen else other for index in range(layers)]


def _by_periods(text: Fields, model_type: str, layers: int) -> list[Kind]:
    """One layer of attention in so many."""
    if "attn_layer_period" in text:  # Jamba
        period = max(text.number("attn_layer_period"), 1)
        offset = text.number("attn_layer_offset")
        return ["full" if index % period == offset else "mamba1" for index in range(layers)]
    if "full_attention_interval" in text or model_type in _GATED_DELTA:
        every = max(text.number("full_attention_interval", default=4), 1)
        return ["gated_delta" if (index + 1) % every else "full" for index in range(layers)]
    return []


def _by_flags(text: Fields, layers: int) -> list[Kind]:
    """A zero or a one a layer."""
    if "attn_type_list" in text:  # MiniMax-01: 0 is lightning attention
        listed = text.per_layer("attn_type_list", layers=layers)
        return ["full" if on else "linear" for on in listed]
    if "hybrid_layer_pattern" in text:  # MiMo: 1 slides
        listed = text.per_layer("hybrid_layer_pattern", layers=layers)
        return ["sliding" if on else "full" for on in listed]
    return []


def _by_window(text: Fields, model_type: str, layers: int) -> list[Kind]:
    """Sliding and chunked attention; full where nothing is said of either."""
    if model_type in {"llama4", "llama4_text"}:
        return _chunked(text, layers)
    if not text.number("sliding_window", most=MOST_TOKENS):
        return ["full"] * layers
    if model_type in HALF_SLIDING:
        return ["full" if index % 2 else "sliding" for index in range(layers)]
    every = _period(text, model_type)
    if every:
        return ["sliding" if (index + 1) % every else "full" for index in range(layers)]
    slides = text.flag("use_sliding_window", default=not model_type.startswith("qwen"))
    first = text.number("max_window_layers") if slides else layers
    return ["sliding" if index >= first else "full" for index in range(layers)]


def _chunked(text: Fields, layers: int) -> list[Kind]:
    """Llama 4: layers with rotary positions attend within a chunk."""
    rope = text.integers("no_rope_layers")
    every = max(text.number("no_rope_layer_interval", default=4), 1)
    if len(rope) < layers:
        rope = tuple((index + 1) % every for index in range(layers))
    return ["chunked" if on else "full" for on in rope[:layers]]


def _period(text: Fields, model_type: str) -> int:
    if text.is_text("sliding_window_pattern"):  # EXAONE 4 writes LLLG
        return len(text.text("sliding_window_pattern"))
    default = PATTERN.get(model_type, 0)
    return text.number("sliding_window_pattern", "_sliding_window_pattern", default=default)
