"""GGUF key-values as an ``Architecture``, read the way llama.cpp reads them.

Source: ``llama-hparams.cpp`` and ``load_arch_hparams`` of the models in llama.cpp v0.5.0. Values may be
one number or one a layer.
"""

from collections.abc import Mapping
from dataclasses import replace

from explorer.errors import HeaderError
from explorer.fit import recurrence
from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.fields import MOST_LAYERS, MOST_TOKENS, Fields
from explorer.fit.recurrence import State, remembering
from explorer.weights.tensors import LongArray, MetadataValue

ENCODERS = frozenset({
    "bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert",
    "nomic-bert", "nomic-bert-moe", "t5encoder",
})  # fmt: skip
PERIOD = {
    "cohere2": 4, "exaone4": 4, "exaone-moe": 4, "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2,
    "llama4": 4, "olmo2": 4, "plamo3": 8, "smallthinker": 4, "afmoe": 4,
    "gemma-embedding": 6, "modern-bert": 3,
}  # fmt: skip
"""Every so many layers one attends to everything."""
LISTED_WINDOWS = frozenset(
    {"gemma4", "mimo2", "step35", "laguna", "exaone4", "mellum", "modern-bert"}
)
"""Families whose window applies where the file lists it."""
HYBRID_BY_INTERVAL = frozenset({"qwen3next", "qwen35", "qwen35moe"})
PARALLEL = frozenset({"falcon-h1"})
GEMMA_3N_OWNERS = 20
"""Of Gemma 3n's layers the first so many own their cache."""
MAMBA1 = frozenset({"mamba", "jamba"})
MAMBA2 = frozenset(
    {"mamba2", "granitehybrid", "nemotron_h", "nemotron_h_moe", "falcon-h1", "plamo2"}
)
RWKV_SHIFTS = {"rwkv6": 2, "rwkv6qwen2": 1, "rwkv7": 2, "arwkv7": 1}
_FULL_ATTENTION = frozenset({
    "apertus", "arcee", "arctic", "baichuan", "bailingmoe", "bailingmoe2", "bitnet", "bloom", "chameleon",
    "chatglm", "codeshell", "cogvlm", "command-r", "dbrx", "deci", "deepseek", "deepseek2",
    "deepseek2-ocr", "deepseek32", "dots1", "dream", "ernie4_5", "ernie4_5-moe", "exaone",
    "falcon", "gemma", "glm-dsa",
    "glm4", "glm4moe", "gpt2", "gptj", "gptneox", "granite", "granitemoe", "grok", "grovemoe",
    "hunyuan-dense", "hunyuan-moe", "internlm2", "jais", "llada", "llada-moe", "llama", "llama-embed",
    "maincoder", "minicpm", "minicpm3", "minimax-m2", "mistral3", "mistral4", "mpt", "nemotron", "olmo",
    "olmoe", "openelm", "orion", "paddleocr", "pangu-embedded", "phi2", "phi3", "phimoe", "plamo", "plm",
    "qwen", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3vl", "qwen3vlmoe", "refact",
    "rnd1", "seed_oss", "smollm3", "stablelm", "starcoder", "starcoder2", "xverse",
})  # fmt: skip
_KNOWN = (
    ENCODERS | set(PERIOD) | LISTED_WINDOWS | HYBRID_BY_INTERVAL | MAMBA1 | MAMBA2 | set(RWKV_SHIFTS)
    | _FULL_ATTENTION | {"lfm2", "lfm2moe", "kimi-linear", "t5"}
)  # fmt: skip

_SUPPOSED = (
    "The architecture “{}” was not checked: full attention was assumed in every layer that does "
    "not say otherwise."
)


def from_gguf(metadata: Mapping[str, MetadataValue]) -> Architecture:
    """The architecture GGUF key-values describe.

    Raises HeaderError when they describe none, or with values no model has.
    """
    arch = metadata.get("general.architecture")
    if not isinstance(arch, str) or not arch:
        raise HeaderError("the GGUF file does not state general.architecture")
    prefix = f"{arch}."
    own = {
        key[len(prefix) :]: value
        for key, value in metadata.items()
        if key.startswith(prefix) and not isinstance(value, LongArray)
    }
    fields = Fields(own, f"GGUF {arch}")
    hidden = fields.number("embedding_length")
    blocks = fields.number("block_count", most=MOST_LAYERS)
    if not hidden or not blocks:
        raise HeaderError(
            f"the GGUF file does not state {arch}.block_count and {arch}.embedding_length",
            hint="it may be a projector, an adapter or a vocabulary rather than a language model",
        )
    mtp = min(fields.number("nextn_predict_layers", most=MOST_LAYERS), blocks - 1)
    known = arch in _KNOWN
    decoders = fields.number("decoder_block_count", default=blocks, most=MOST_LAYERS)
    return Architecture(
        name=arch,
        model_type=arch,
        layers=_encoder_decoder(fields, hidden, blocks, decoders)
        if arch == "t5"
        else _layers(fields, arch, hidden, blocks - mtp),
        hidden=hidden,
        vocabulary=_vocabulary(metadata, fields),
        context_tokens=fields.integer("context_length", most=MOST_TOKENS) or None,
        per_layer_width=fields.number("embedding_length_per_layer_input"),
        picture_streams=fields.number("n_deepstack_layers", most=MOST_LAYERS),
        mtp_layers=mtp,
        encoder_layers=blocks if arch == "t5" else 0,
        kind="encoder-decoder" if arch == "t5" else "encoder" if arch in ENCODERS else "decoder",
        known=known,
        assumptions=() if known else (_SUPPOSED.format(arch),),
    )


def _layers(fields: Fields, arch: str, hidden: int, count: int) -> tuple[Layer, ...]:
    mixed = _mixers(fields, arch, hidden, count)
    made: dict[Layer, Layer] = {}
    layers = []
    for layer, feed in zip(mixed, _feed_forwards(fields, arch, count), strict=True):
        whole = replace(
            layer, feed_forward=feed[0], experts=feed[1], experts_used=feed[2],
            expert_feed_forward=feed[3], shared_feed_forward=feed[4],
        )  # fmt: skip
        layers.append(made.setdefault(whole, whole))
    return tuple(layers)


def _mixers(fields: Fields, arch: str, hidden: int, count: int) -> list[Layer]:
    heads = fields.per_layer("attention.head_count", layers=count)
    kv_heads = fields.per_layer("attention.head_count_kv", "attention.head_count", layers=count)
    recurs = _recurrent_layers(fields, arch, kv_heads)
    slides = _sliding_layers(fields, arch, count)
    state = (
        _state(fields, arch, hidden, max(heads, default=0)) if any(recurs) else State(0, 0, 0, 0)
    )
    own = min(GEMMA_3N_OWNERS, count) if arch == "gemma3n" else count
    owners = count - fields.number("attention.shared_kv_layers", default=count - own)
    found = []
    for index in range(count):
        if recurs[index] and arch not in PARALLEL:
            found.append(remembering(Layer(_recurrent_mixer(arch)), state))
        elif not kv_heads[index] and arch not in ENCODERS:
            found.append(Layer(Mixer.NONE))
        else:
            layer = _attention(
                fields, arch, hidden, (heads[index], kv_heads[index]), slides=slides[index]
            )
            if index >= owners:
                layer = replace(layer, mixer=Mixer.SHARED)
            if recurs[index]:
                layer = remembering(layer, state)
            found.append(layer)
    return found


def _attention(
    fields: Fields, arch: str, hidden: int, heads: tuple[int, int], *, slides: bool
) -> Layer:
    """One layer's attention; ``heads`` are those of the queries and of the keys."""
    even = hidden // max(heads[0], 1)
    width = fields.number("attention.key_length", default=even)
    value_width = fields.number("attention.value_length", default=even)
    if arch in ENCODERS:
        window = fields.number("attention.sliding_window", most=MOST_TOKENS) if slides else None
        return Layer(Mixer.NONE, *heads, width, value_width, window)
    if "attention.key_length_mla" in fields:
        rank = fields.number("attention.kv_lora_rank", default=value_width)
        return Layer(
            Mixer.MLA, heads[0], 1, width, rank,
            indexer_dim=fields.number("attention.indexer.key_length"),
            indexer_heads=fields.number("attention.indexer.head_count"),
            indexer_top=fields.number("attention.indexer.top_k"),
            nope_dim=fields.number("attention.key_length_mla")
            - min(width - rank, fields.number("attention.key_length_mla")),
            value_dim=fields.number("attention.value_length_mla"),
        )  # fmt: skip
    if not slides:
        return Layer(Mixer.FULL, *heads, width, value_width)
    width = fields.number("attention.key_length_swa", default=width)
    value_width = fields.number("attention.value_length_swa", default=value_width)
    chunked = arch == "llama4"
    window = fields.number(
        "attention.sliding_window", default=8192 if chunked else 0, most=MOST_TOKENS
    )
    mixer = Mixer.CHUNKED if chunked else Mixer.SLIDING
    return Layer(mixer, *heads, width, value_width, window)


def _sliding_layers(fields: Fields, arch: str, count: int) -> tuple[bool, ...]:
    """llama.cpp applies a window only in the families that it knows to slide (not in phi3 or llama)."""
    nowhere = (False,) * count
    if arch != "llama4" and not fields.number("attention.sliding_window", most=MOST_TOKENS):
        return nowhere
    if fields.is_list("attention.sliding_window_pattern") and arch in LISTED_WINDOWS | set(PERIOD):
        listed = fields.per_layer("attention.sliding_window_pattern", layers=count)
        return tuple(bool(on) for on in listed)
    if arch not in PERIOD:
        return nowhere
    period = fields.number("attention.sliding_window_pattern", default=PERIOD[arch]) or 1
    if arch == "smallthinker":  # the dense layer comes first
        return tuple(index % period != 0 for index in range(count))
    return tuple(index % period < period - 1 for index in range(count))


def _recurrent_layers(fields: Fields, arch: str, kv_heads: tuple[int, ...]) -> tuple[bool, ...]:
    count = len(kv_heads)
    if arch in {"mamba", "mamba2"} or arch in RWKV_SHIFTS or arch in PARALLEL:
        return (True,) * count
    if arch in HYBRID_BY_INTERVAL:
        every = max(fields.number("full_attention_interval", default=4), 1)
        return tuple((index + 1) % every != 0 for index in range(count))
    if arch in {"nemotron_h", "nemotron_h_moe"}:  # a block with neither is a mixer
        widths = fields.per_layer("feed_forward_length", layers=count)
        return tuple(not own and not width for own, width in zip(kv_heads, widths, strict=True))
    if arch in MAMBA1 | MAMBA2 | {"lfm2", "lfm2moe", "kimi-linear"}:
        return tuple(not own for own in kv_heads)
    return (False,) * count


def _recurrent_mixer(arch: str) -> Mixer:
    if arch in HYBRID_BY_INTERVAL:
        return Mixer.GATED_DELTA
    if arch in MAMBA1:
        return Mixer.MAMBA1
    if arch in MAMBA2:
        return Mixer.MAMBA2
    if arch in RWKV_SHIFTS:
        return Mixer.RWKV
    return Mixer.KIMI_DELTA if arch == "kimi-linear" else Mixer.SHORT_CONV


def _state(fields: Fields, arch: str, hidden: int, heads: int) -> State:
    if arch in RWKV_SHIFTS:
        return recurrence.rwkv(
            hidden=hidden,
            head_size=fields.number("wkv.head_size", default=64),
            shifts=fields.number("token_shift_count", default=RWKV_SHIFTS[arch]),
        )
    if arch in {"lfm2", "lfm2moe"}:
        return recurrence.short_conv(taps=fields.number("shortconv.l_cache"), hidden=hidden)
    if arch == "kimi-linear":
        return recurrence.kimi_delta(
            kernel=fields.number("ssm.conv_kernel"),
            heads=heads,
            head_dim=fields.number("kda.head_dim"),
        )
    return recurrence.mamba(
        kernel=fields.number("ssm.conv_kernel"),
        inner=fields.number("ssm.inner_size"),
        state=fields.number("ssm.state_size"),
        groups=fields.number("ssm.group_count"),
    )


def _feed_forwards(fields: Fields, arch: str, count: int) -> list[tuple[int, int, int, int, int]]:
    """Dense width, experts, experts used, width of an expert and of the shared ones, a layer."""
    dense = fields.per_layer("feed_forward_length", layers=count)
    if arch == "qwen":  # the width of gate and up together
        dense = tuple(width // 2 for width in dense)
    experts = fields.number("expert_count")
    if not experts:
        return [(width, 0, 0, 0, 0) for width in dense]
    width = fields.number("expert_feed_forward_length", default=max(dense))
    shared = fields.number("expert_shared_feed_forward_length")
    if not shared:
        shared = width * fields.number("expert_shared_count", default=int(arch == "llama4"))
    mixture = (0, experts, fields.number("expert_used_count", default=1), width, shared)
    first = fields.number("leading_dense_block_count")
    step = max(fields.number("interleave_moe_layer_step", default=1), 1)
    found = []
    for index in range(count):
        sparse = index >= first and (step == 1 or (index + 1) % step == 0)
        found.append(mixture if sparse else (dense[index], 0, 0, 0, 0))
    return found


def _encoder_decoder(
    fields: Fields, hidden: int, encoders: int, decoders: int
) -> tuple[Layer, ...]:
    heads = fields.number("attention.head_count", default=1)
    width = fields.number("attention.key_length", default=hidden // max(heads, 1))
    feed_forward = fields.number("feed_forward_length")
    encoder = Layer(Mixer.NONE, heads, heads, width, width, feed_forward=feed_forward)
    decoder = replace(encoder, mixer=Mixer.CROSS)
    return (encoder,) * encoders + (decoder,) * decoders


def _vocabulary(metadata: Mapping[str, MetadataValue], fields: Fields) -> int:
    stated = fields.number("vocab_size")
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, LongArray):
        return stated or tokens.length
    return stated or (len(tokens) if isinstance(tokens, tuple) else 0)
