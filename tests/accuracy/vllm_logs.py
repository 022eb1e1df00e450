"""vLLM's own figures in public logs, beside ours: weights of a rank, and tokens of the KV cache.

Checkpoints are published ones (``tests/data/models``); four that are not among them are written out
here from their published configurations. Rows whose checkpoint is not known to the tensor are left out.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from explorer.fit.architecture import Architecture
from explorer.fit.config import from_config
from explorer.fit.formats import plan_format
from explorer.fit.vllm.cache import Pool, pool
from explorer.fit.vllm.settings import Settings
from explorer.fit.vllm.weights import rank_bytes
from explorer.fit.weight_map import WeightMap, from_tensors
from explorer.units import GIB
from explorer.weights.tensors import Tensor
from tests.weights.checkpoint.published import models, tensor, unfold

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of a log and ours."""

    row: int
    """``id`` in ``data/memory.jsonl``."""
    part: str
    kind: str
    """``cls`` there: the kind of attention."""
    ours: float
    measured: float

    @property
    def error(self) -> float:
        """Relative, signed."""
        return self.ours / self.measured - 1


@cache
def rows() -> dict[int, dict[str, Any]]:
    """The rows of the logs by their id."""
    lines = (DATA / "memory.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


Checkpoint = tuple[Architecture, WeightMap]


def published(name: str, quantization: str = "BF16") -> Checkpoint:
    """A published checkpoint of the data."""
    model = models()[name]
    return mapped(model.config, unfold(model.headers[""]), quantization)


def mapped(
    config: dict[str, Any], tensors: tuple[Tensor, ...], quantization: str = "BF16"
) -> Checkpoint:
    """Architecture and weights of a configuration and its tensors."""
    found = from_config(config)
    layers, tied = len(found.layers), found.tied_embeddings
    return found, from_tensors(tensors, quantization, layers, tied=tied)


def _dense(config: dict[str, Any], dtype: str = "BF16") -> list[Tensor]:
    """A dense decoder's tensors, without norms, which no figure here is fine enough to show."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    query = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    shapes = {
        "self_attn.q_proj": (query, hidden), "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, query),
        "mlp.gate_proj": (wide, hidden), "mlp.up_proj": (wide, hidden),
        "mlp.down_proj": (hidden, wide),
    }  # fmt: skip
    found = [tensor("model.embed_tokens.weight", "BF16", (config["vocab_size"], hidden))]
    if not config.get("tie_word_embeddings"):
        found.append(tensor("lm_head.weight", "BF16", (config["vocab_size"], hidden)))
    for layer in range(config["num_hidden_layers"]):
        for name, shape in shapes.items():
            found.append(tensor(f"model.layers.{layer}.{name}.weight", dtype, shape))
            if dtype != "BF16":
                blocks = (-(-shape[0] // 128), -(-shape[1] // 128))
                scale = f"model.layers.{layer}.{name}.weight_scale_inv"
                found.append(tensor(scale, "F32", blocks))
    return found


GEMMA_3_27B: dict[str, Any] = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3_text",
    "num_hidden_layers": 62, "hidden_size": 5376, "intermediate_size": 21504,
    "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "vocab_size": 262_208,
    "sliding_window": 1024, "max_position_embeddings": 131_072, "tie_word_embeddings": True,
}  # fmt: skip
EXAONE_4_32B: dict[str, Any] = {
    "architectures": ["Exaone4ForCausalLM"], "model_type": "exaone4", "num_hidden_layers": 64,
    "hidden_size": 5120, "intermediate_size": 27392, "num_attention_heads": 40,
    "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 102_400, "sliding_window": 4096,
    "sliding_window_pattern": "LLLG", "max_position_embeddings": 131_072,
}  # fmt: skip


def gemma_3_27b() -> Checkpoint:
    """With its SigLIP tower: 27 layers of 1152, 4304 wide."""
    tower = [tensor("vision_tower.embeddings.weight", "BF16", (4096 + 3 * 14 * 14, 1152))]
    for layer in range(27):
        name = f"vision_tower.encoder.layers.{layer}"
        tower.append(tensor(f"{name}.self_attn.qkvo.weight", "BF16", (4 * 1152, 1152)))
        tower.append(tensor(f"{name}.mlp.weight", "BF16", (2 * 4304, 1152)))
    return mapped(GEMMA_3_27B, (*_dense(GEMMA_3_27B), *tower))


def exaone_4_32b() -> Checkpoint:
    """FP8 in blocks of 128 x 128."""
    return mapped(EXAONE_4_32B, tuple(_dense(EXAONE_4_32B, "F8_E4M3")), "FP8")


def qwen_2_5_vl_32b() -> Checkpoint:
    """The language model of 32B with the vision tower of 7B, its merger as wide as this model."""
    text = models()["Qwen/Qwen2.5-32B-Instruct"]
    tower = models()["Qwen/Qwen2.5-VL-7B-Instruct"]
    vision = [each for each in unfold(tower.headers[""]) if each.name.startswith("visual.")]
    wider = tuple(
        tensor(each.name, each.dtype, (5120, *each.shape[1:])) if each.shape[0] == 3584 else each
        for each in vision
    )
    shared = ("model_type", "max_position_embeddings")
    config = text.config | {key: tower.config[key] for key in shared}
    return mapped(config, (*unfold(text.headers[""]), *wider))


def deepseek_r1_awq() -> Checkpoint:
    """DeepSeek-R1 with its linear layers in AWQ; its scales of FP8 left out."""
    model = models()["deepseek-ai/DeepSeek-R1"]
    found = from_config(model.config)
    unscaled = (each for each in unfold(model.headers[""]) if not each.name.endswith("_scale_inv"))
    return found, plan_format(unscaled, found, "AWQ")


WEIGHTS: dict[int, Callable[[], Checkpoint]] = {
    158: lambda: published("meta-llama/Meta-Llama-3-8B"),
    159: lambda: published("meta-llama/Meta-Llama-3-8B"),
    162: lambda: published("Qwen/Qwen3-30B-A3B"),
    170: deepseek_r1_awq,
    172: lambda: published("Qwen/Qwen2.5-32B-Instruct"),
    174: gemma_3_27b,
    178: lambda: published("meta-llama/Llama-3.1-8B-Instruct"),
    180: qwen_2_5_vl_32b,
    185: exaone_4_32b,
    209: lambda: published("Qwen/Qwen3-30B-A3B"),
    213: lambda: published("meta-llama/Meta-Llama-3.1-8B-Instruct"),
    216: lambda: published("Qwen/Qwen3-8B-AWQ", "AWQ"),
    218: lambda: published("Qwen/Qwen2.5-7B-Instruct-AWQ", "AWQ"),
    224: lambda: published("openai/gpt-oss-20b", "MXFP4"),
}
"""The checkpoint of each row whose weights are known to the tensor."""


def weights() -> Iterator[Compared]:
    """GiB of weights a rank."""
    for number, checkpoint in WEIGHTS.items():
        row = rows()[number]
        found, weights = checkpoint()
        settings = Settings(row.get("ctx") or 8192, tensor_parallel=row["tp"])
        ours = rank_bytes(found, weights, settings, ())[0] / GIB
        yield Compared(number, "weights", row["cls"], ours, row["measured_GiB"]["weights"])


def _delta_net(kind: str, layers: int, kv_heads: int, values: int) -> Architecture:
    """Qwen's hybrids: three gated delta nets, then full attention."""
    return from_config({
        "architectures": ["Qwen"], "model_type": kind, "num_hidden_layers": layers,
        "hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": kv_heads,
        "head_dim": 256, "linear_num_key_heads": 16, "linear_num_value_heads": values,
        "linear_key_head_dim": 128, "linear_value_head_dim": 128, "full_attention_interval": 4,
        "vocab_size": 248_320,
    })  # fmt: skip


def gemma_4_12b() -> Architecture:
    """40 sliding layers of 8 KV heads and 8 full ones of a single wide head."""
    kinds = [*["sliding_attention"] * 5, "full_attention"] * 8
    return from_config({
        "architectures": ["Gemma4ForCausalLM"], "model_type": "gemma4_text", "hidden_size": 3840,
        "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 256, "global_head_dim": 512, "num_global_key_value_heads": 1,
        "layer_types": kinds, "sliding_window": 1024, "vocab_size": 262_144,
    })  # fmt: skip


NEWER = {
    165: (_delta_net("qwen3_5_moe_text", 40, 2, 32), Settings(131_072, kv_bytes=1)),
    190: (gemma_4_12b(), Settings(131_072, tensor_parallel=2)),
    195: (_delta_net("qwen3_5_text", 64, 4, 48), Settings(262_144)),
    196: (
        replace(_delta_net("qwen3_5_text", 64, 4, 48), mtp_layers=1),
        Settings(262_144, draft_tokens=1),
    ),
}
"""Printed as concurrency times context. Row 196 drafts; how many tokens it does not say: one is vLLM's own
number for one layer that predicts."""
OLDER: dict[int, tuple[str | dict[str, Any] | Architecture, Settings]] = {
    183: ("Qwen/Qwen3-30B-A3B-Instruct-2507", Settings(32_768, tensor_parallel=2)),
    185: (EXAONE_4_32B, Settings(4096)),
    186: (_delta_net("qwen3_next", 48, 2, 32), Settings(262_144, tensor_parallel=2)),
}
"""Up to 0.19: printed as blocks of a group times the tokens of one."""


def tokens() -> Iterator[Compared]:
    """Tokens of the KV cache, from the memory the log says was left for it."""
    for number, (found, settings) in NEWER.items():
        cache, blocks, measured = _pool(number, found, settings)
        ours = cache.tokens(blocks, settings.context_tokens)
        yield Compared(number, "KV tokens", rows()[number]["cls"], ours, measured["kv_tokens"])
    for number, (source, settings) in OLDER.items():
        config = models()[source].config if isinstance(source, str) else source
        found = config if isinstance(config, Architecture) else from_config(config)
        cache, blocks, measured = _pool(number, found, settings)
        least = min(
            group.pages.block_tokens for group in cache.groups if group.pages.kind != "state"
        )
        ours = blocks // len(cache.groups) * least
        yield Compared(number, "KV tokens", rows()[number]["cls"], ours, measured["kv_tokens"])
    dense = from_config(models()["Qwen/Qwen2.5-32B-Instruct"].config)
    _, blocks, measured = _pool(172, dense, Settings(10_000, tensor_parallel=2))
    yield Compared(172, "KV tokens", "dense-gqa", blocks * 16, measured["kv_blocks"] * 16)


def _pool(
    number: int, found: Architecture, settings: Settings
) -> tuple[Pool, int, dict[str, float]]:
    """The pool, its blocks in the memory the log gives, and what the log says."""
    measured = rows()[number]["measured_GiB"]
    cache = pool(found, settings)
    return cache, cache.blocks_in(int(measured["kv_avail"] * GIB)), measured


def errors() -> Iterator[tuple[tuple[str, str, str], float]]:
    """Relative errors by engine, part and kind of attention, as the report prints them."""
    for figure in (*weights(), *tokens()):
        yield ("vLLM, public logs", figure.part, figure.kind), abs(figure.error)
