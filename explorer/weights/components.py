"""Which part of a model a tensor belongs to, told from its name."""

import re
from enum import StrEnum
from functools import lru_cache


class Component(StrEnum):
    """A part that can be counted, placed or left out on its own. Diffusers' are named by folder."""

    BACKBONE = "backbone"
    EMBEDDING = "embedding"
    OUTPUT_HEAD = "output_head"
    TIED_HEAD = "tied_head"
    """A stored copy of the input embedding, where the configuration says that they are one."""
    VISION = "vision"
    AUDIO = "audio"
    PROJECTOR = "projector"
    """Between a tower and the language model."""
    MTP = "mtp"
    """Multi-token-prediction layers, of no use without speculative decoding."""
    DRAFT = "draft"
    """Medusa heads and other drafters."""
    ADAPTER = "adapter"


class Part(StrEnum):
    """What a tensor is to a mixture of experts."""

    DENSE = "dense"
    ROUTED_EXPERT = "routed_expert"
    SHARED_EXPERT = "shared_expert"
    ROUTER = "router"


_ADAPTER = r"\.lora_|^lora_|\.lokr_|\.hada_|\.ia3_|\.oft_|prompt_embeddings|lora_magnitude"
_DRAFT = r"medusa_head|^medusa|^eagle|^draft|\.draft_model"
_MTP = (
    r"(^|\.)mtp(_\w+)?\.|(^|\.)nextn\.|\.(eh_proj|enorm|hnorm|shared_head)\.|mtp_block"
    r"|(^|\.)mtp_layers\.|\.embed_tokens_mtp"
)
_PROJECTOR = (
    r"multi_modal_projector|mm_projector|image_to_text_projection|modality_projection|^mm\."
    r"|(visual|vision\w*)\.(merger|deepstack_merger|\w*projector)|patch_merger|(^|\.)connector\."
    r"|(^|\.)aligner\.|embed_vision|embed_audio|audio_projector|vision_adapter|vision_projection"
    r"|vision_language_adapter|(^|\.)mlp1\.|visual\.downsample"
)
_AUDIO = (
    r"audio_tower|audio_encoder|audio_model|speech_encoder|audio_embed|whisper_encoder|^a\."
    r"|(^|\.)audio\.|(^|\.)code2wav|(^|\.)token2wav|(^|\.)talker"
)
_VISION = (
    r"(^|\.)visual\.|vision_tower|vision_model|vision_encoder|image_encoder|vision_backbone"
    r"|(^|\.)vision\.|img_processor|image_newline|^v\.|vit_\w+\.|(^|\.)vpm\."
)
_HEAD = (
    r"(^|\.)(lm_head|embed_out|codec_head|qa_outputs|classifier|score|vocab_projector)(\.|$)"
    r"|^(output|head)\.(weight|bias|qweight|scales|qzeros|g_idx|biases)$|cls\.predictions"
    r"|cls\.seq_relationship"
)
_EMBEDDING = (
    r"(^|\.)(embed_tokens|word_embeddings|position_embeddings|token_type_embeddings|wte|wpe"
    r"|tok_embeddings|token_embedding|position_embedding|embed_in|embed_positions|token_embd"
    r"|token_types|position_embd|per_layer_token_embd|embed_tokens_per_layer"
    r"|segment_emb)(\.(weight|qweight|scales|biases|qzeros|g_idx)(\.[\w.]+)?)?$"
    # Engram: n-gram tables that a token looks a few rows up in.
    r"|\.engram\.(\w+\.)?embed(ding)?\.(weight|scale)$"
    r"|^(backbone\.)?embeddings\.weight$|^(shared|embed)\.(weight|scales|biases)$"
)
_COMPONENTS = tuple(
    (component, re.compile(pattern))
    for component, pattern in (
        (Component.ADAPTER, _ADAPTER),
        (Component.MTP, _MTP),
        (Component.DRAFT, _DRAFT),
        (Component.PROJECTOR, _PROJECTOR),
        (Component.VISION, _VISION),
        (Component.AUDIO, _AUDIO),
        (Component.OUTPUT_HEAD, _HEAD),
        (Component.EMBEDDING, _EMBEDDING),
    )
)
# GGUF stacks the routed experts as `ffn_up_exps`; its shared ones are `ffn_up_shexp`.
_SHARED = re.compile(r"shared_?experts?(\.|_|$)|shared_mlp|_shexp")
_ROUTED = re.compile(r"(^|[._])experts(\.|_|$)|_exps\.|block_sparse_moe\.(input|output)_linear")
_ROUTER = re.compile(
    r"(mlp|moe|ffn|block_sparse_moe|feed_forward|mixer|experts)\.(gate|router|moe_gate)(\.|$)"
    r"|ffn_gate_inp|\.router\.|e_score_correction|moe_statics|exp_probs_b"
)
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blk|blocks|block|layer)\.([0-9]{1,6})\.")
_MAX_NAME = 1000


@lru_cache(maxsize=65536)
def component_of(pattern: str) -> Component:
    """Return the component of a tensor by its name, in which indices may be folded to ``*``."""
    name = pattern[:_MAX_NAME].lower()
    for component, expression in _COMPONENTS:
        if expression.search(name):
            return component
    return Component.BACKBONE


@lru_cache(maxsize=65536)
def part_of(pattern: str) -> Part:
    """Return what a tensor is to a mixture of experts, by its name, indices folded or not."""
    name = pattern[:_MAX_NAME].lower()
    if _SHARED.search(name):
        return Part.SHARED_EXPERT
    if _ROUTER.search(name):
        return Part.ROUTER
    if _ROUTED.search(name):
        return Part.ROUTED_EXPERT
    return Part.DENSE


def layer_of(name: str) -> int | None:
    """Index of the first numbered block in a name; None outside the blocks."""
    found = _LAYER.search(name)
    return int(found[1]) if found else None
