"""Which type llama-quantize gives each tensor of a file type: llama.cpp's own mixing rules.

Follows ``llama_tensor_get_type_impl`` and its fallbacks in ``src/llama-quant.cpp`` of llama.cpp
v0.5.0 (commit 007dbbf3f). A rule is a condition on the tensor's spot among its like and the type it
then gets; the first that holds decides, and otherwise the file type's default type stays.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from explorer.weights.dtypes import DType, lookup


class Traits(NamedTuple):
    """What the rules ask about a model as a whole."""

    gqa: int = 1
    """Query heads a KV head in the first layer; 0 where that layer has no attention."""
    experts: int = 0
    big: bool = False
    """One of the 70B models, which share their values over eight heads."""
    falcon: bool = False
    imatrix: bool = False
    """Quantized with an importance matrix."""


class Spot(NamedTuple):
    """A tensor's number among those of its kind, and how many of them there are."""

    number: int
    among: int
    traits: Traits


class LayerTypes(NamedTuple):
    """Types of one layer's tensors by category."""

    attn_q: str
    attn_k: str
    attn_v: str
    attn_output: str
    ffn_up: str
    ffn_gate: str
    ffn_down: str
    ffn_down_second: str
    """Of the shared experts, where the layer has routed ones too."""
    other: str
    stacked: str | None
    """Of every tensor with a third dimension, where the file type sets it apart."""


Rule: TypeAlias = tuple[Callable[[Spot], bool], str]


def _always(_: Spot) -> bool:
    return True


def _grouped(spot: Spot) -> bool:
    return spot.traits.gqa >= 4


def _grouped_or_experts(spot: Spot) -> bool:
    return spot.traits.gqa >= 4 or spot.traits.experts >= 4


def _no_imatrix(spot: Spot) -> bool:
    return not spot.traits.imatrix


def _first_eighth(spot: Spot) -> bool:
    return spot.number < spot.among // 8


def _first_sixteenth(spot: Spot) -> bool:
    return spot.number < spot.among // 16


def _more_bits(spot: Spot) -> bool:
    """The first and last eighth, and every third in between: ``use_more_bits``."""
    eighth = spot.among // 8
    return (
        spot.number < eighth
        or spot.number >= 7 * spot.among // 8
        or (spot.number >= eighth and (spot.number - eighth) % 3 == 2)
    )


def _middle(spot: Spot) -> bool:
    return spot.among // 8 <= spot.number < 7 * spot.among // 8


def _falcon(spot: Spot) -> bool:
    return spot.traits.falcon


def _eight_experts(spot: Spot) -> bool:
    return spot.traits.experts == 8


def _both(first: Callable[[Spot], bool], second: Callable[[Spot], bool]) -> Callable[[Spot], bool]:
    return lambda spot: first(spot) and second(spot)


def _not(condition: Callable[[Spot], bool]) -> Callable[[Spot], bool]:
    return lambda spot: not condition(spot)


def _first(number: int) -> Callable[[Spot], bool]:
    return lambda spot: spot.number < number


DEFAULTS: Mapping[str, str] = {
    "F32": "F32", "F16": "F16", "BF16": "BF16",
    "Q4_0": "Q4_0", "Q4_1": "Q4_1", "Q5_0": "Q5_0", "Q5_1": "Q5_1", "Q8_0": "Q8_0",
    "Q1_0": "Q1_0", "Q2_0": "Q2_0", "MXFP4_MOE": "MXFP4", "NVFP4": "NVFP4",
    "Q2_K": "Q2_K", "Q2_K_S": "Q2_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K",
    "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K", "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K", "Q6_K": "Q6_K",
    "TQ1_0": "TQ1_0", "TQ2_0": "TQ2_0",
    "IQ1_S": "IQ1_S", "IQ1_M": "IQ1_M", "IQ2_XXS": "IQ2_XXS", "IQ2_XS": "IQ2_XS",
    "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S", "IQ3_XXS": "IQ3_XXS", "IQ3_XS": "IQ3_S",
    "IQ3_S": "IQ3_S", "IQ3_M": "IQ3_S", "IQ4_NL": "IQ4_NL", "IQ4_XS": "IQ4_XS",
}  # fmt: skip
"""File types of llama-quantize and the type each starts from (``llama_ftype_get_default_type``)."""

_LOW = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M")
_LOW_S = ("IQ2_S", "IQ2_M")

_LOW_ATTN_V: dict[str, tuple[Rule, ...]] = {
    name: ((_grouped_or_experts, "Q4_K"), (_always, "IQ3_S" if name in _LOW_S else "Q2_K"))
    for name in _LOW
}
_LOW_OUTPUT: dict[str, tuple[Rule, ...]] = {
    name: ((_eight_experts, "Q5_K"),)
    + (((_always, "IQ2_XXS"),) if name.startswith("IQ1") else ())
    + (((_always, "IQ3_S"),) if name in _LOW_S else ())
    for name in _LOW
}

_ATTN_V: dict[str, tuple[Rule, ...]] = _LOW_ATTN_V | {
    "Q2_K": ((_grouped, "Q4_K"), (_always, "Q3_K")),
    "Q2_K_S": ((_grouped, "Q4_K"),),
    "IQ3_XXS": ((_grouped, "Q4_K"), (_no_imatrix, "IQ3_S")),
    "IQ3_XS": ((_grouped, "Q4_K"),),
    "IQ3_S": ((_grouped, "Q4_K"),),
    "IQ3_M": ((_always, "Q4_K"),),
    "Q3_K_M": ((_first(2), "Q5_K"), (_always, "Q4_K")),
    "Q3_K_L": ((_always, "Q5_K"),),
    "IQ4_NL": ((_grouped, "Q5_K"),),
    "IQ4_XS": ((_grouped, "Q5_K"),),
    "Q4_K_M": ((_more_bits, "Q6_K"),),
    "Q5_K_M": ((_more_bits, "Q6_K"),),
    "Q4_K_S": ((_first(4), "Q5_K"),),
}
_ATTN_Q: dict[str, tuple[Rule, ...]] = {
    "IQ3_XS": ((_always, "IQ3_XXS"),),
    "IQ3_XXS": ((_always, "IQ2_S"),),
}
_ATTN_K: dict[str, tuple[Rule, ...]] = (
    dict.fromkeys(DEFAULTS, ((_eight_experts, "Q8_0"),))
    | {name: ((_eight_experts, "Q8_0"), *rules) for name, rules in _ATTN_Q.items()}
    | dict.fromkeys(_LOW, ((_eight_experts, "Q4_K"),))
)
_EIGHT_EXPERTS_OUTPUT = (
    "Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S",
    "IQ3_M", "IQ4_XS",
)  # fmt: skip
_OUTPUT_TYPES = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "IQ3_M": "Q4_K"}
_ATTN_OUTPUT: dict[str, tuple[Rule, ...]] = (
    _LOW_OUTPUT
    | {
        name: (
            (_both(_eight_experts, _not(_falcon)), "Q5_K"),
            (_not(_falcon), _OUTPUT_TYPES.get(name, DEFAULTS[name])),
        )
        for name in _EIGHT_EXPERTS_OUTPUT
    }
    | {
        "Q3_K_L": (
            (_falcon, "Q4_K"),
            (_not(_eight_experts), "Q5_K"),
        )
    }
)
_FFN_DOWN: dict[str, tuple[Rule, ...]] = {
    name: ((_first_eighth, "IQ3_S" if name in _LOW_S else "Q2_K"),) for name in _LOW
} | {
    "Q2_K": ((_always, "Q3_K"),),
    "Q2_K_S": ((_first_eighth, "Q4_K"),),
    "IQ3_XXS": ((_both(_no_imatrix, _first_eighth), "Q4_K"), (_no_imatrix, "Q3_K")),
    "Q3_K_M": (
        (_first_sixteenth, "Q5_K"),
        (_not(_falcon), "Q4_K"),
        (_more_bits, "Q4_K"),
    ),
    "IQ3_M": ((_first_eighth, "Q4_K"), (_both(_eight_experts, _more_bits), "Q4_K")),
    "Q3_K_L": ((_falcon, "Q4_K"), (_always, "Q5_K")),
    "Q4_K_M": (
        (_both(_falcon, _first_sixteenth), "Q6_K"),
        (_both(_falcon, _more_bits), "Q5_K"),
        (_both(_not(_falcon), _more_bits), "Q6_K"),
    ),
    "IQ4_NL": ((_both(_first_eighth, _no_imatrix), "Q5_K"),),
    "IQ4_XS": ((_both(_first_eighth, _no_imatrix), "Q5_K"),),
    "Q5_K_M": ((_more_bits, "Q6_K"),),
    "Q4_K_S": ((_both(_first_eighth, _not(_falcon)), "Q5_K"),),
    # with an importance matrix the first few go wrong in the plain types
    "Q4_0": ((_both(_first_eighth, _not(_no_imatrix)), "Q4_1"),),
    "Q5_0": ((_both(_first_eighth, _not(_no_imatrix)), "Q5_1"),),
}
_FFN_UP: dict[str, tuple[Rule, ...]] = {"IQ3_XS": ((_middle, "IQ3_XXS"),)}


def _choose(table: Mapping[str, tuple[Rule, ...]], file_type: str, spot: Spot) -> str:
    for holds, dtype in table.get(file_type, ()):
        if holds(spot):
            return dtype
    return DEFAULTS[file_type]


def _attn_v(file_type: str, spot: Spot) -> str:
    dtype = _choose(_ATTN_V, file_type, spot)
    if file_type in _LOW:
        return dtype
    if spot.traits.experts == 8:
        return "Q8_0"
    return "Q5_K" if spot.traits.big and dtype in ("Q3_K", "Q4_K") else dtype


class LayerShape(NamedTuple):
    """What the rules count of one layer."""

    attn_v: bool = True
    """It has a tensor that counts as values: ``attn_v``, ``attn_qkv`` or ``attn_kv_b``."""
    ups: int = 1
    """Tensors of ``ffn_up`` kind."""
    downs: int = 1
    """Tensors of ``ffn_down`` kind: two where there are routed and shared experts."""


@lru_cache(maxsize=4096)
def layer_types(
    file_type: str, layout: tuple[LayerShape, ...], traits: Traits
) -> tuple[LayerTypes, ...]:
    """The type of each layer's tensors in a file type, for layers of this layout, in order.

    ``layout`` includes layers of multi-token prediction where the file has them. File types that
    are not quantizations, and NVFP4 (which llama-quantize makes only by requantizing), are uniform.
    """
    default = DEFAULTS[file_type]
    if file_type in ("F32", "F16", "BF16"):
        return (LayerTypes(*(default,) * 9, stacked=None),) * len(layout)
    if file_type == "MXFP4_MOE":
        return (LayerTypes(*("Q8_0",) * 9, stacked="MXFP4"),) * len(layout)
    # Experts are counted by layer, dense feed-forwards one after the other, and in the lowest types
    # one after the other always: llama-quant.cpp keeps running numbers for them.
    by_layer = traits.experts > 1
    values = sum(shape.attn_v for shape in layout)
    types = []
    distinct: dict[LayerTypes, LayerTypes] = {}
    value = up = down = 0
    for number, shape in enumerate(layout):
        downs = [
            number if by_layer and file_type not in _LOW else down + offset for offset in (0, 1)
        ]
        spot = Spot(value, values, traits)
        up_type = _choose(_FFN_UP, file_type, Spot(number if by_layer else up, len(layout), traits))
        chosen = LayerTypes(
            attn_q=_choose({} if file_type in _LOW else _ATTN_Q, file_type, spot),
            attn_k=_choose(_ATTN_K, file_type, spot),
            attn_v=_attn_v(file_type, spot),
            attn_output=_choose(_ATTN_OUTPUT, file_type, spot),
            ffn_up=up_type,
            ffn_gate=up_type,
            ffn_down=_choose(_FFN_DOWN, file_type, Spot(downs[0], len(layout), traits)),
            ffn_down_second=_choose(_FFN_DOWN, file_type, Spot(downs[1], len(layout), traits)),
            other=default,
            stacked=None,
        )
        types.append(distinct.setdefault(chosen, chosen))  # equal ones are one value
        value += shape.attn_v
        up += shape.ups
        down += shape.downs
    return tuple(types)


def category(role: str) -> str:
    """The field of ``LayerTypes`` that rules a role (``tensor_get_category``)."""
    if role in ("attn_v", "attn_qkv", "attn_kv_b"):
        return "attn_v"
    if role in ("attn_q", "attn_k", "attn_output"):
        return role
    for name in ("ffn_up", "ffn_gate"):
        if role.startswith(name):
            return name
    if role.startswith("ffn_down"):
        return "ffn_down_second" if role == "ffn_down_shexp" else "ffn_down"
    return "other"


_UNTOUCHED = (
    "ffn_gate_inp", "ssm_conv1d", "ssm_a", "ssm_d", "shortconv.conv", "position_embd", "token_types",
    "per_layer_model_proj", "attn_rel_b", "indexer.k_proj", "indexer.q_proj",
)  # fmt: skip
_UNTOUCHED_PARTS = ("time_mix_", "altup", "laurel")
_QUANTIZED_TIME_MIX = (
    "time_mix_key", "time_mix_value", "time_mix_receptance", "time_mix_gate", "time_mix_output",
)  # fmt: skip


def quantizes(role: str, kind: str, dimensions: int) -> bool:
    """Whether llama-quantize touches such a tensor at all (``tensor_allows_quantization``)."""
    if dimensions < 2 or kind != "weight" or role.endswith("_norm") or role in _UNTOUCHED:
        return False
    return role in _QUANTIZED_TIME_MIX or not any(part in role for part in _UNTOUCHED_PARTS)


def head_type(file_type: str, traits: Traits, columns: int) -> str:
    """The type of the output head, and of the embedding table where it serves as the head."""
    default = DEFAULTS[file_type]
    if file_type in ("F32", "F16", "BF16"):
        return default
    if file_type == "MXFP4_MOE" or traits.falcon or columns % known(default).block_elements:
        return "Q8_0"
    if file_type in _LOW or file_type == "IQ3_XXS":
        return "Q5_K"
    return default if default == "Q8_0" else "Q6_K"


def embedding_type(file_type: str) -> str:
    """The type of an embedding table beside a head of its own."""
    if file_type == "MXFP4_MOE":
        return "Q8_0"
    if file_type in ("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"):
        return "Q2_K"
    if file_type in ("IQ2_S", "IQ2_M", "IQ3_XXS"):
        return "IQ3_S"
    return "Q4_K" if file_type in ("TQ1_0", "TQ2_0", "Q2_0") else DEFAULTS[file_type]


_FALLBACKS = (
    dict.fromkeys(
        ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"
    )
    | dict.fromkeys(("Q2_0", "Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0")
    | {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
)


def fitted(dtype: str, columns: int) -> str:
    """The type a tensor of so many columns gets instead, where they do not fill whole blocks."""
    if columns % known(dtype).block_elements == 0:
        return dtype
    smaller = _FALLBACKS.get(dtype, "F16")
    return "F16" if columns % known(smaller).block_elements else smaller


@lru_cache(maxsize=256)
def known(name: str) -> DType:
    """The type of this name; those of these rules all exist. Raises KeyError otherwise."""
    dtype = lookup(name)
    if dtype is None:
        raise KeyError(name)
    return dtype
