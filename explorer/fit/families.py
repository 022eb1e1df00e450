"""What is known of model types beyond what their configs say."""

ENCODERS = frozenset({
    "albert", "bert", "bge_m3", "camembert", "clip_text_model", "deberta", "deberta-v2", "distilbert",
    "electra", "ernie", "eurobert", "gte", "jina_bert", "longformer", "modernbert", "mpnet", "new",
    "nomic_bert", "roberta", "siglip_text_model", "siglip2_text_model", "xlm-roberta",
    "xlm-roberta-xl", "xlm_roberta",
})  # fmt: skip
"""Every token attends to every other and nothing is cached."""

DENSE = ENCODERS | {
    "apertus", "arcee", "baichuan", "bloom", "chatglm", "codegen", "cohere", "cohere2", "exaone",
    "exaone4", "falcon", "gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n", "gemma3n_text", "glm",
    "glm4", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "granite", "helium",
    "hunyuan_v1_dense", "internlm", "internlm2", "internlm3", "llama", "minicpm", "minicpm3",
    "ministral", "ministral3", "mistral", "mistral3", "mpt", "nemotron", "olmo", "olmo2", "olmo3",
    "openelm", "opt", "orion", "persimmon", "phi", "phi3", "qwen", "qwen2", "qwen2_5_vl", "qwen2_vl",
    "qwen3", "qwen3_vl", "seed_oss", "smollm3", "stablelm", "starcoder2", "xverse", "yi",
}  # fmt: skip
"""Types none of whose published models has experts: a token reads all of their weights."""

GGUF_TYPES = {
    "command-r": "cohere", "gptneox": "gpt_neox", "hunyuan-dense": "hunyuan_v1_dense",
    "modern-bert": "modernbert", "phi2": "phi", "qwen2vl": "qwen2_vl", "qwen3vl": "qwen3_vl",
    "starcoder": "gpt_bigcode",
}  # fmt: skip
"""Dense types by llama.cpp's name for them (``general.architecture``), where that is another."""

TIED_BY_DEFAULT = ENCODERS | {
    "bart", "bloom", "cohere", "cohere2", "falcon", "falcon_mamba", "gemma", "gemma2", "gemma3",
    "gemma3_text", "gemma3n", "gemma3n_text", "gemma4", "gemma4_text", "gpt2", "gpt_bigcode", "lfm2",
    "lfm2_moe", "mamba", "mamba2", "marian", "mbart", "mpt", "openelm", "opt", "recurrent_gemma",
    "smollm3", "t5", "whisper",
}  # fmt: skip
"""transformers ties the output head to the embeddings when the config does not say."""

HALF_SLIDING = frozenset({"gemma2", "gpt_oss"})
"""Every other layer slides, the first included."""

PATTERN = {
    "gemma3": 6, "gemma3_text": 6, "gemma3n": 5, "gemma3n_text": 5, "gemma4": 6, "gemma4_text": 6,
    "cohere2": 4, "exaone4": 4, "olmo3": 4,
}  # fmt: skip
"""Every so many layers one attends to everything, when the config names no pattern."""

DEFAULTS: dict[str, dict[str, int]] = {
    "gemma": {"head_dim": 256},
    "gemma2": {"head_dim": 256, "sliding_window": 4096},
    "gemma3_text": {
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096,
        "vocab_size": 262_208, "max_position_embeddings": 131_072, "intermediate_size": 9216,
        "hidden_size": 2304, "num_hidden_layers": 26,
    },
    "llama": {
        "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
        "intermediate_size": 11_008, "vocab_size": 32_000,
    },
    "mistral": {
        "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14_336, "vocab_size": 32_000,
    },
    "qwen3": {"head_dim": 128},
    "qwen3_moe": {"head_dim": 128},
    "t5": {"d_kv": 64},
}  # fmt: skip
"""transformers' defaults that published configs, nested ones above all, leave out."""

_KNOWN = frozenset({
    "afmoe", "apertus", "arcee", "arctic", "baichuan", "bailing_moe", "bailing_moe_v2", "bamba", "bart",
    "blip_text_model", "bloom", "chatglm", "codegen", "cohere", "cohere2", "dbrx", "deci", "deepseek",
    "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots1", "ernie4_5", "ernie4_5_moe", "exaone",
    "exaone4", "falcon", "falcon_h1", "falcon_mamba", "gemma", "gemma2", "gemma3", "gemma3_text",
    "gemma3n", "gemma3n_text", "gemma4", "gemma4_text", "glm", "glm4", "glm4_moe", "glm4_moe_lite",
    "glm4v_text", "glm4v_moe_text", "glm_moe_dsa", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox",
    "gpt_oss", "gptj", "granite", "granite_swa", "granitemoe", "granitemoehybrid", "granitemoeshared",
    "helium", "hunyuan_v1_dense", "hunyuan_v1_moe", "internlm", "internlm2", "internlm3", "jamba",
    "jais", "kimi_k2", "kimi_linear", "kosmos_2_5_text_model", "lfm2", "lfm2_moe", "llama", "llama4",
    "llama4_text", "longcat_flash", "mamba", "mamba2", "marian", "mbart", "minicpm", "minicpm3",
    "minimax", "minimax_m2", "minimax_text_01", "ministral", "ministral3", "mistral", "mixtral",
    "mllama_text_model", "mpt", "nemotron", "nemotron-nas", "nemotron_h", "olmo", "olmo2", "olmo3",
    "olmo_hybrid", "olmoe", "openelm", "opt", "orion", "persimmon", "phi", "phi3", "phi3small", "phimoe",
    "qwen", "qwen2", "qwen2_5_vl", "qwen2_5_vl_text", "qwen2_moe", "qwen2_vl", "qwen2_vl_text", "qwen3",
    "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text", "qwen3_moe", "qwen3_next",
    "qwen3_omni_moe_text", "qwen3_vl_moe_text", "qwen3_vl_text", "recurrent_gemma", "rwkv5", "rwkv6",
    "rwkv7", "rwkv6qwen2", "seed_oss", "smallthinker", "smollm3", "solar", "stablelm", "starcoder2",
    "t5", "umt5", "mt5", "whisper", "xverse", "yi", "zamba2",
})  # fmt: skip


def is_known(model_type: str) -> bool:
    """Whether the layout of this model type was read in its implementation."""
    return model_type in _KNOWN or model_type in ENCODERS
