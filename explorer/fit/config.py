"""``config.json`` as an ``Architecture``.

Keys are those of transformers' configuration classes and of the older names they replaced.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from explorer.errors import HeaderError
from explorer.fit.architecture import Architecture, Layer, Mixer
from explorer.fit.config_feed_forward import feed_forwards
from explorer.fit.config_mixers import mixers
from explorer.fit.families import DEFAULTS, ENCODERS, TIED_BY_DEFAULT, is_known
from explorer.fit.fields import MOST_LAYERS, MOST_TOKENS, Fields

LAYERS = (
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "num_decoder_layers",
    "layers",
)  # fmt: skip
HIDDEN = ("hidden_size", "n_embd", "d_model", "embed_dim", "n_embed", "model_dim", "dim")
CONTEXT = (
    "max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "max_seq_len",
    "n_ctx", "model_max_length", "context_length", "max_target_positions", "max_context_length",
)  # fmt: skip
VOCABULARY = ("vocab_size", "padded_vocab_size", "n_vocab")
MTP = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers")


def from_config(config: Mapping[str, Any]) -> Architecture:
    """The architecture a config.json describes; that of its language model if it has several parts.

    Raises HeaderError when it describes none, or with values no model has.
    """
    top = Fields(config)
    text = language_section(top)
    model_type = text.text("model_type") or top.text("model_type")
    if text is not top or "architectures" in top:
        text = text.with_defaults(DEFAULTS.get(model_type, {}))
    if top.flag("is_encoder_decoder"):
        return _encoder_decoder(top, text, model_type)
    layers = _required(text, LAYERS, "the number of layers", MOST_LAYERS)
    hidden = _required(text, HIDDEN, "the width of the model")
    assumptions = _suppositions(model_type)
    encoder = model_type in ENCODERS and not text.flag("is_decoder")
    found = mixers(text, model_type, layers, hidden)
    if encoder:
        found = [Layer(Mixer.NONE, layer.heads, layer.heads, layer.head_dim_k, layer.head_dim_v)
                 for layer in found]  # fmt: skip
    return Architecture(
        name=_class_name(top, model_type),
        model_type=model_type,
        layers=_joined(found, feed_forwards(text, model_type, layers, hidden)),
        hidden=hidden,
        vocabulary=text.number(*VOCABULARY),
        context_tokens=_context(text, top),
        tied_embeddings=_tied(text, top, model_type),
        mtp_layers=text.number(*MTP, most=MOST_LAYERS),
        kind="encoder" if encoder else "decoder",
        per_layer_width=text.number("hidden_size_per_layer_input"),
        picture_streams=len(top.section("vision_config").integers("deepstack_visual_indexes")),
        known=not assumptions,
        assumptions=assumptions,
    )


def language_section(top: Fields) -> Fields:
    """The section of the language model: the top, or ``text_config`` and its namesakes."""
    section = top
    for _ in range(3):  # omni models nest: thinker_config > text_config
        for name in ("text_config", "thinker_config", "llm_config", "language_config"):
            if name in section:
                section = section.section(name)
                break
        else:
            return section
    return section


def _encoder_decoder(top: Fields, text: Fields, model_type: str) -> Architecture:
    """T5, BART, Whisper and their kin: encoder blocks first, then decoder blocks with cross attention."""
    hidden = _required(text, HIDDEN, "the width of the model")
    encoders = _required(text, ("encoder_layers", "num_encoder_layers", "num_layers",
                                "num_hidden_layers"), "the encoder's layers", MOST_LAYERS)  # fmt: skip
    decoders = text.number(
        "decoder_layers", "num_decoder_layers", default=encoders, most=MOST_LAYERS
    )
    heads = text.number("decoder_attention_heads", "num_attention_heads", "num_heads", default=1)
    encoder_heads = text.number("encoder_attention_heads", default=heads)
    width = text.number("d_kv", default=hidden // max(heads, 1))
    feed_forward = text.number("decoder_ffn_dim", "d_ff", "ffn_dim", "intermediate_size")
    encoder = Layer(
        Mixer.NONE, encoder_heads, encoder_heads, width, width,
        feed_forward=text.number("encoder_ffn_dim", default=feed_forward),
    )  # fmt: skip
    decoder = Layer(
        Mixer.CROSS, heads, heads, width, width,
        window_tokens=text.integer("max_source_positions", most=MOST_TOKENS),
        feed_forward=feed_forward,
    )  # fmt: skip
    assumptions = _suppositions(model_type)
    return Architecture(
        name=_class_name(top, model_type),
        model_type=model_type,
        layers=(encoder,) * encoders + (decoder,) * decoders,
        hidden=hidden,
        vocabulary=text.number(*VOCABULARY),
        context_tokens=text.integer("max_target_positions", *CONTEXT, most=MOST_TOKENS),
        tied_embeddings=_tied(text, top, model_type),
        encoder_layers=encoders,
        kind="encoder-decoder",
        known=not assumptions,
        assumptions=assumptions,
    )


def _required(fields: Fields, names: tuple[str, ...], what: str, most: int | None = None) -> int:
    value = fields.integer(*names) if most is None else fields.integer(*names, most=most)
    if not value:
        raise HeaderError(
            f"config.json does not state {what}",
            f"none of {', '.join(names)} is there",
            "this repository may hold an adapter or a pipeline rather than a language model",
        )
    return value


def _class_name(top: Fields, model_type: str) -> str:
    names = top.texts("architectures")
    return names[0] if names else model_type


def _suppositions(model_type: str) -> tuple[str, ...]:
    if is_known(model_type):
        return ()
    shown = f"“{model_type}”" if model_type else "not stated"
    supposed = "full attention was assumed in every layer that does not say otherwise"
    return (f"The model type is {shown}: its layout was not checked, {supposed}.",)


def _context(text: Fields, top: Fields) -> int | None:
    """As stated. Rope scaling is not applied: where it is part of the model, the figure includes it."""
    return (
        text.integer(*CONTEXT, most=MOST_TOKENS) or top.integer(*CONTEXT, most=MOST_TOKENS) or None
    )


def _tied(text: Fields, top: Fields, model_type: str) -> bool:
    default = top.flag(
        "tie_word_embeddings", "tie_embedding", default=model_type in TIED_BY_DEFAULT
    )
    return text.flag("tie_word_embeddings", "tie_embedding", default=default)


def _joined(mixed: list[Layer], fed: list[tuple[int, int, int, int, int]]) -> tuple[Layer, ...]:
    """Mixers with their feed-forward parts; equal layers become one object."""
    made: dict[tuple[int, tuple[int, int, int, int, int]], Layer] = {}
    layers = []
    for mixer, feed in zip(mixed, fed, strict=True):
        key = (id(mixer), feed)
        if key not in made:
            made[key] = replace(
                mixer, feed_forward=feed[0], experts=feed[1], experts_used=feed[2],
                expert_feed_forward=feed[3], shared_feed_forward=feed[4],
            )  # fmt: skip
        layers.append(made[key])
    return tuple(layers)
