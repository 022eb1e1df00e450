"""Repositories made from small configs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import prod
from typing import Any

from tests.hub.contents import RealBytes, ZeroFilled
from tests.hub.gguf_files import llama_gguf
from tests.hub.layouts import Weight, llama, mixture, safetensors, split
from tests.hub.repositories import HubFile, HubRepo


def repo_of(
    name: str,
    weights: Sequence[Weight],
    config: Mapping[str, Any],
    *,
    shards: int = 1,
    license_id: str = "apache-2.0",
    **about: Any,
) -> HubRepo:
    """A repository of these tensors: weight files, index where sharded, config.json, README.md.

    ``about`` are further fields of ``HubRepo``.
    """
    files = [
        HubFile.of_json("config.json", config),
        HubFile.of_text("README.md", _card(name, license_id)),
    ]
    files += weight_files(weights, shards)
    counts: Counter[str] = Counter()
    for weight in weights:
        counts[weight.dtype] += prod(weight.shape)
    excerpt = {
        k: config[k] for k in ("architectures", "model_type", "quantization_config") if k in config
    }
    return HubRepo(
        name,
        files,
        card={"license": license_id, **about.pop("card", {})},
        config=excerpt,
        safetensors={"parameters": dict(counts), "total": counts.total()},
        **about,
    )


def weight_files(weights: Sequence[Weight], shards: int, folder: str = "") -> list[HubFile]:
    """``model.safetensors``, or its shards and their index."""
    if shards == 1:
        return [HubFile(f"{folder}model.safetensors", safetensors(weights))]
    names = [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    parts = split(weights, shards)
    total = sum(weight.size_bytes for weight in weights)
    placed = {w.name: name for name, part in zip(names, parts, strict=True) for w in part}
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    files = [
        HubFile(folder + name, safetensors(part)) for name, part in zip(names, parts, strict=True)
    ]
    return [*files, HubFile.of_json(f"{folder}model.safetensors.index.json", index)]


def llama_like(
    name: str = "acme/llama-tiny",
    *,
    layers: int = 2,
    hidden: int = 64,
    intermediate: int = 128,
    vocabulary: int = 256,
    heads: int = 4,
    kv_heads: int = 2,
    tied: bool = False,
    dtype: str = "BF16",
    context: int = 8192,
    shards: int = 1,
    **about: Any,
) -> HubRepo:
    """A Llama of any size: an 8B one takes no more memory than its header."""
    weights = llama(
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        vocabulary=vocabulary,
        heads=heads,
        kv_heads=kv_heads,
        tied=tied,
        dtype=dtype,
    )
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "vocab_size": vocabulary,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": context,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
    }
    return repo_of(name, list(weights), config, shards=shards, **about)


def mixture_like(
    name: str = "acme/mixture-tiny",
    *,
    layers: int = 2,
    hidden: int = 64,
    expert_intermediate: int = 32,
    experts: int = 8,
    experts_per_token: int = 2,
    vocabulary: int = 256,
    heads: int = 4,
    kv_heads: int = 2,
    head_size: int = 16,
    context: int = 8192,
    shards: int = 1,
    **about: Any,
) -> HubRepo:
    """A mixture of experts, by Qwen3's names."""
    weights = mixture(
        layers=layers,
        hidden=hidden,
        expert_intermediate=expert_intermediate,
        experts=experts,
        vocabulary=vocabulary,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
    )
    config = {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "moe_intermediate_size": expert_intermediate,
        "num_experts": experts,
        "num_experts_per_tok": experts_per_token,
        "vocab_size": vocabulary,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_size,
        "max_position_embeddings": context,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    return repo_of(name, list(weights), config, shards=shards, **about)


def many_tensors(
    name: str = "acme/many-tensors", *, shards: int = 160, per_shard: int = 585, **about: Any
) -> HubRepo:
    """A sharded model with so many equal tensors a shard: what matters is the number of headers."""
    weights = [
        Weight(
            f"model.layers.{i // 1000}.mlp.experts.{i % 1000}.down_proj.weight",
            "BF16",
            (2048, 7168),
        )
        for i in range(shards * per_shard)
    ]
    return repo_of(
        name,
        weights,
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        shards=shards,
        **about,
    )


def gguf_repo(
    name: str = "acme/llama-tiny-GGUF",
    *,
    sizes: Mapping[str, int] | None = None,
    **about: Any,
) -> HubRepo:
    """A repository of quantizations: file name to size, or one small file of its honest size.

    All are GGUF files of the same small Llama, with zeros up to their size.
    """
    model = llama_gguf()
    named = sizes if sizes is not None else {"llama-tiny-Q4_K_M.gguf": model.size}
    files = [
        HubFile(path, ZeroFilled(model.beginning, max(size, model.size)))
        for path, size in named.items()
    ]
    card = {"license": "apache-2.0", "base_model": name.removesuffix("-GGUF")}
    about.setdefault("gguf", {"architecture": "llama", "context_length": 8192})
    readme = HubFile.of_text("README.md", _card(name, "apache-2.0"))
    return HubRepo(
        name,
        [*files, readme],
        library="gguf",
        card={**card, "base_model_relation": "quantized", **about.pop("card", {})},
        **about,
    )


def real_files(name: str, files: Mapping[str, bytes], **about: Any) -> HubRepo:
    """A repository of given bytes, by path."""
    return HubRepo(name, [HubFile(path, RealBytes(data)) for path, data in files.items()], **about)


def generate_listing(
    number: int, *, tasks: Sequence[str] = ("text-generation",)
) -> Iterator[HubRepo]:
    """Rows of a long listing without files, each with its own name, counts and dates, most popular first."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    template = HubRepo("-", card={"license": "apache-2.0"}, config={"model_type": "llama"})
    for i in range(number):
        billions = (1, 3, 7, 8, 14, 32, 70)[i % 7]
        count = billions * 1_000_000_000 + i
        yield replace(
            template,
            id=f"org-{i % 997}/Model-{i}-{billions}B",
            downloads=50_000_000 // (i + 1),
            likes=30_000 // (i + 1),
            trending=1000 // (i + 1),
            task=tasks[i % len(tasks)],
            created=start - timedelta(hours=i),
            updated=start - timedelta(minutes=i),
            safetensors={"parameters": {"BF16": count}, "total": count},
        )


def _card(name: str, license_id: str) -> str:
    return f"---\nlicense: {license_id}\n---\n# {name}\n"
