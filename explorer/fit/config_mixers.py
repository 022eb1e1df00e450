"""How each block mixes tokens, from config.json: attention of every kind, and what recurs instead.

The feed-forward fields of the returned layers are left at zero.
"""

from collections.abc import Callable
from dataclasses import replace

from explorer.fit import recurrence
from explorer.fit.architecture import Layer, Mixer
from explorer.fit.config_patterns import Kind, kinds_of
from explorer.fit.fields import MOST_TOKENS, Fields
from explorer.fit.recurrence import State, remembering

HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads",
         "decoder_attention_heads")  # fmt: skip
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num",
            "num_attention_groups", "num_query_groups")  # fmt: skip
HEAD_DIM = ("head_dim", "kv_channels", "d_kv", "attention_head_dim", "head_size")
ATTENTION_FREE = frozenset({"mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv5", "rwkv6", "rwkv7"})
ONE_KV_HEAD_BY_DEFAULT = frozenset({"falcon", "gpt_bigcode"})


def mixers(text: Fields, model_type: str, layers: int, hidden: int) -> list[Layer]:
    """One layer a block. Raises HeaderError when the numbers contradict one another."""
    if "block_configs" in text:
        return _searched(text, layers, hidden)
    if text.is_list("num_kv_heads") or text.is_list("num_key_value_heads"):
        return _heads_by_layer(text, layers, hidden)
    kinds = kinds_of(text, model_type, layers)
    made: dict[Kind, Layer] = {}
    for kind in kinds:
        if kind not in made:
            made[kind] = _layer(kind, text, model_type, hidden)
    return _sharing([made[kind] for kind in kinds], text, model_type)


def _layer(kind: Kind, text: Fields, model_type: str, hidden: int) -> Layer:
    if kind in _RECURRENT:
        return remembering(Layer(_MIXER_OF[kind]), _RECURRENT[kind](text, hidden))
    if kind == "none":
        return Layer(Mixer.NONE)
    if kind == "parallel":
        return remembering(_attention("full", text, model_type, hidden), _mamba2(text, hidden))
    return _attention(kind, text, model_type, hidden)


def _attention(kind: Kind, text: Fields, model_type: str, hidden: int) -> Layer:
    heads = text.number(*HEADS)
    if not heads and model_type not in ATTENTION_FREE:
        raise text.wrong(HEADS[0], "the number of attention heads")
    if "kv_lora_rank" in text and "qk_rope_head_dim" in text:
        return _latent(text, heads)
    width = text.number(*HEAD_DIM) or hidden // max(heads, 1)
    kv_heads = _kv_heads(text, model_type, heads)
    value_width = text.number("v_head_dim", default=width)
    if kind == "full":
        if "global_head_dim" in text:  # gemma 4: wider heads, fewer of them, where nothing slides
            width = value_width = text.number("global_head_dim")
            kv_heads = text.number("num_global_key_value_heads", default=kv_heads)
        return Layer(Mixer.FULL, heads, kv_heads, width, value_width)
    if kind == "chunked":
        window = text.integer("attention_chunk_size", most=MOST_TOKENS)
        return Layer(Mixer.CHUNKED, heads, kv_heads, width, value_width, window)
    window = text.integer("sliding_window", "sliding_window_size", "local_attention", "window_size",
                          most=MOST_TOKENS)  # fmt: skip
    if "hybrid_layer_pattern" in text:  # MiMo: sliding layers have heads of their own
        heads = text.number("swa_num_attention_heads", default=heads)
        kv_heads = text.number("swa_num_key_value_heads", default=kv_heads)
        width = text.number("swa_head_dim", default=width)
        value_width = text.number("swa_v_head_dim", default=value_width)
    return Layer(Mixer.SLIDING, heads, kv_heads, width, value_width, window)


def _latent(text: Fields, heads: int) -> Layer:
    """Multi-head latent attention: one shared key of latent and rope part, its latent also the value."""
    rank = text.number("kv_lora_rank")
    return Layer(
        Mixer.MLA, heads, 1, rank + text.number("qk_rope_head_dim"), rank,
        indexer_dim=text.number("index_head_dim"), indexer_heads=text.number("index_n_heads"),
        indexer_top=text.number("index_topk"), nope_dim=text.number("qk_nope_head_dim"),
        value_dim=text.number("v_head_dim"),
    )  # fmt: skip


def _kv_heads(text: Fields, model_type: str, heads: int) -> int:
    if model_type in ONE_KV_HEAD_BY_DEFAULT and not text.flag("new_decoder_architecture"):
        return 1 if text.flag("multi_query", default=True) else heads
    if model_type == "chatglm" and not text.flag("multi_query_attention"):
        return heads
    nested = text.section("attn_config").number("kv_n_heads")  # MPT, DBRX
    return text.number(*KV_HEADS) or nested or heads


def _sharing(layers: list[Layer], text: Fields, model_type: str) -> list[Layer]:
    """Mark the last layers that read an earlier one's cache (Gemma 3n and 4)."""
    default = 15 if model_type in {"gemma3n", "gemma3n_text"} else 0
    count = text.number("num_kv_shared_layers", default=default)
    if not 0 < count < len(layers):
        return layers
    shared: dict[int, Layer] = {}
    for layer in layers[-count:]:
        shared.setdefault(id(layer), replace(layer, mixer=Mixer.SHARED))
    return layers[:-count] + [shared[id(layer)] for layer in layers[-count:]]


def _heads_by_layer(text: Fields, layers: int, hidden: int) -> list[Layer]:
    """OpenELM and other searched shapes that list heads a layer."""
    kv_heads = text.per_layer("num_kv_heads", "num_key_value_heads", layers=layers)
    heads = text.per_layer("num_query_heads", "num_attention_heads", layers=layers)
    width = text.number(*HEAD_DIM) or hidden // max(*heads, 1)
    return [
        Layer(Mixer.FULL, query, own, width, width) if own else Layer(Mixer.NONE)
        for query, own in zip(heads, kv_heads, strict=True)
    ]


def _searched(text: Fields, layers: int, hidden: int) -> list[Layer]:
    """Nemotron-NAS: attention may be missing from a block, or have fewer KV heads."""
    blocks = text.sections("block_configs")
    if len(blocks) < layers:
        raise text.wrong("block_configs", f"a value for each of {layers} layers")
    heads = max(text.number(*HEADS), 1)
    width = text.number(*HEAD_DIM) or hidden // heads
    found = []
    for block in blocks[:layers]:
        part = block.section("attention")
        if part.flag("no_op") or part.flag("replace_with_linear"):
            found.append(Layer(Mixer.NONE))
        else:
            group = max(part.number("n_heads_in_group", default=1), 1)
            found.append(Layer(Mixer.FULL, heads, heads // group, width, width))
    return found


def _mamba1(text: Fields, hidden: int) -> State:
    expand = text.ratio("mamba_expand", "expand", default=2.0)
    return recurrence.mamba(
        kernel=text.number("mamba_d_conv", "conv_kernel", "d_conv", default=4),
        inner=text.number("intermediate_size_mamba") or int(expand * hidden),
        state=text.number("mamba_d_state", "state_size", "d_state", default=16),
        groups=0,
    )


def _mamba2(text: Fields, hidden: int) -> State:
    heads = text.number("mamba_n_heads", "mamba_num_heads", "n_mamba_heads", "num_heads")
    width = text.number_or_auto("mamba_d_head", "mamba_head_dim", "mamba_headdim", "head_dim")
    expanded = int(text.ratio("mamba_expand", "expand", default=2.0) * hidden)
    return recurrence.mamba(
        kernel=text.number("mamba_d_conv", "conv_kernel", default=4),
        inner=text.number("mamba_d_ssm") or heads * width or expanded,
        state=text.number("mamba_d_state", "ssm_state_size", "state_size", default=128),
        groups=text.number("mamba_n_groups", "mamba_ngroups", "n_groups", default=1),
    )


def _gated_delta(text: Fields, hidden: int) -> State:
    heads = text.number("linear_num_value_heads", default=text.number(*HEADS))
    width = hidden // max(heads, 1)
    return recurrence.gated_delta(
        kernel=text.number("linear_conv_kernel_dim", default=4),
        key_heads=text.number("linear_num_key_heads", default=heads),
        key_dim=text.number("linear_key_head_dim", default=width),
        value_heads=heads,
        value_dim=text.number("linear_value_head_dim", default=width),
    )


def _kimi_delta(text: Fields, hidden: int) -> State:
    linear = text.section("linear_attn_config")
    heads = linear.number("num_heads", default=text.number(*HEADS))
    return recurrence.kimi_delta(
        kernel=linear.number("short_conv_kernel_size", default=4),
        heads=heads,
        head_dim=linear.number("head_dim", default=hidden // max(heads, 1)),
    )


def _linear(text: Fields, hidden: int) -> State:
    """Lightning attention (MiniMax): a square matrix a head, no convolution."""
    heads = text.number(*HEADS, default=1)
    width = text.number(*HEAD_DIM) or hidden // max(heads, 1)
    return recurrence.linear(heads=heads, head_dim=width)


def _griffin(text: Fields, hidden: int) -> State:
    """RecurrentGemma: a diagonal state as wide as the recurrent unit."""
    return recurrence.griffin(
        width=text.number("lru_width", default=hidden),
        kernel=text.number("conv1d_width", default=4),
    )


def _rwkv(text: Fields, hidden: int) -> State:
    shifts = text.number("token_shift_count", default=2)
    return recurrence.rwkv(
        hidden=hidden, head_size=text.number("head_size", "head_dim", default=64), shifts=shifts
    )


def _short_conv(text: Fields, hidden: int) -> State:
    return recurrence.short_conv(taps=text.number("conv_L_cache", default=3), hidden=hidden)


_RECURRENT: dict[Kind, Callable[[Fields, int], State]] = {
    "mamba1": _mamba1,
    "mamba2": _mamba2,
    "gated_delta": _gated_delta,
    "kimi_delta": _kimi_delta,
    "linear": _linear,
    "griffin": _griffin,
    "rwkv": _rwkv,
    "conv": _short_conv,
}
_MIXER_OF: dict[Kind, Mixer] = {
    "mamba1": Mixer.MAMBA1,
    "mamba2": Mixer.MAMBA2,
    "gated_delta": Mixer.GATED_DELTA,
    "kimi_delta": Mixer.KIMI_DELTA,
    "linear": Mixer.LINEAR,
    "griffin": Mixer.LINEAR,
    "rwkv": Mixer.RWKV,
    "conv": Mixer.SHORT_CONV,
}
