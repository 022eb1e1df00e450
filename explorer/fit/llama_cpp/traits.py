"""In what the graphs of model types differ, by llama.cpp's names and by those of their configurations.

Source: ``models/*.cpp`` of llama.cpp v0.5.0.
"""

UNGATED = frozenset({
    "apertus", "arcee", "bert", "bloom", "codegen", "codeshell", "falcon", "gpt2", "gpt_bigcode",
    "gpt_neox", "gptj", "gptneox", "jais2", "mpt", "nemotron", "nemotron_h", "nemotron_h_moe", "opt",
    "phi", "phi2", "plm", "roberta", "starcoder", "starcoder2", "xlm-roberta",
})  # fmt: skip
"""Feed-forward parts of one matrix up and one down."""
GATE_AND_UP_FUSED = frozenset({
    "chatglm", "glm", "glm4", "modern-bert", "modernbert", "phi3", "plamo3",
})  # fmt: skip
"""One matrix for gate and up."""
QUERY_KEY_VALUE_FUSED = frozenset({
    "bloom", "chatglm", "dbrx", "falcon", "gpt2", "gpt_bigcode", "gpt_neox", "gptneox", "jais", "mpt",
    "modern-bert", "modernbert", "openelm", "phi3", "plamo3", "qwen", "starcoder",
})  # fmt: skip
"""One matrix for queries, keys and values."""
UNROTATED = frozenset({
    "bamba", "bert", "bloom", "gpt2", "gpt_bigcode", "granitehybrid", "jina-bert-v2", "roberta",
    "granitemoehybrid", "jais", "jamba", "mpt", "nemotron_h", "nemotron_h_moe", "refact", "starcoder",
    "xlm-roberta",
})  # fmt: skip
"""Keys know nothing of positions."""
PARALLEL = {
    "command-r": "late", "cohere": "late", "cohere2": "late", "falcon": "late", "gptneox": "apart",
    "gpt_neox": "apart", "phi2": "early", "phi": "early", "plamo": "early",
}  # fmt: skip
"""Attention and feed-forward part of a block both work on its normalised stream; the projection of attention
comes before the feed-forward part or after it, which has a norm of its own where they are ``apart``."""
LAYER_NORMED = frozenset({
    "bloom", "codegen", "codeshell", "cohere", "cohere2", "command-r", "dbrx", "falcon", "gpt2",
    "gpt_bigcode", "gpt_neox", "gptj", "gptneox", "jais", "mpt", "nemotron", "olmo", "opt", "orion", "phi",
    "phi2", "rwkv6", "rwkv7", "stablelm", "starcoder", "starcoder2",
})  # fmt: skip
"""Normalised by mean and variance, which is not done in place as by the root of squares."""
GATED_ATTENTION = frozenset({
    "qwen3next", "qwen35", "qwen35moe", "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe",
    "qwen3_5_moe_text",
})  # fmt: skip
"""Queries come with a gate of their own size."""

MOST_EXPERTS_FUSED = 15
"""CUDA weighs and sums up to so many experts at once, and keeps what it works on until then."""

UNNORMED = frozenset({"exaone4", "olmo2", "olmo3"})
"""Only what a half of a block gives is normalised, not what it is given."""
STREAM_FIRST = frozenset({"jamba", "lfm2", "lfm2_moe", "lfm2moe"})
"""Halves of blocks are added to the stream, which keeps its place, instead of the stream to them."""
STREAM_FIRST_AFTER = STREAM_FIRST | {"phi3", "phimoe"}
"""The feed-forward part is."""
UNROTATED_UNWINDOWED = frozenset({"cohere2", "llama4", "llama4_text", "smallthinker"})
"""Keys know of positions where they have a window alone."""
POSITION_TABLE = frozenset({
    "bert", "camembert", "gpt2", "roberta", "xlm-roberta", "xlm_roberta", "gpt_bigcode", "starcoder", "opt",
})  # fmt: skip
"""Positions are looked up and added to the embeddings."""
NORMED_SCAN = frozenset({
    "bamba", "granitehybrid", "granitemoehybrid", "mamba2", "nemotron_h", "nemotron_h_moe",
})  # fmt: skip
"""What Mamba 2 gives is normalised before its projection."""
POST_NORMED = frozenset({
    "bert", "bge_m3", "camembert", "jina-bert-v2", "jina-bert-v3", "jina_bert", "nomic-bert",
    "nomic-bert-moe", "nomic_bert", "roberta", "xlm-roberta", "xlm_roberta",
})  # fmt: skip
"""The stream itself is normalised, after each half of a block."""
REPEATED = frozenset({"qwen3_next", "qwen3next"})
"""Queries and keys of a gated delta net are repeated to as many heads as the values have."""
ROWS_LAST = frozenset({
    "gemma4", "gemma4_text", "qwen35", "qwen35moe", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text",
    "qwen3_5_text", "qwen3_next", "qwen3next",
})  # fmt: skip
"""The rows with an output are chosen behind the last norm, since what follows the model wants them all."""
