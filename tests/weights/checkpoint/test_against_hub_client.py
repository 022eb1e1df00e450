"""The same headers counted by the hub's own JavaScript client.

Needs Node, and ``@huggingface/hub`` where Node finds it (``npm install @huggingface/hub`` here, or a folder
named by ``NODE_PATH``).
"""

import json
import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest

from explorer.weights.tensors import Tensor
from tests.weights.checkpoint.layouts import LAYOUTS, Shapes
from tests.weights.checkpoint.published import small

pytestmark = pytest.mark.node

Case = tuple[dict[str, Any], Shapes]

# Ours is the original's count in each case, as layouts.py counts by hand.
KNOWN_DIFFERENCES = {
    "GPTQ 3-bit": "counts ten 3-bit weights an I32 instead of 32 in three",
    "AutoRound in GPTQ's containers": "does not know auto-round",
    "bitsandbytes int8": "counts SCB, the row scales",
    "FP8 per tensor": "counts k_scale",
    "ModelOpt NVFP4": "does not unpack",
    "ModelOpt mixed precision": "does not unpack",
    "quanto int4": "does not unpack, and counts _scale and _shift",
    "quanto int8": "counts _scale",
    "HQQ 4-bit": "does not unpack, and counts scale and zero",
    "AQLM 1x16": "counts codes and codebooks",
    "EXL3 4-bit": "counts 16-bit words",
    "torchao int4": "does not unpack, and counts scales and zero points",
    "BitNet": "does not unpack",
}


def _header(shapes: Shapes) -> dict[str, Any]:
    found, start = {}, 0
    for tensor in _tensors(shapes):
        end = start + tensor.size_bytes
        found[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": [start, end],
        }
        start = end
    return found


def _tensors(shapes: Shapes) -> list[Tensor]:
    return [tensor for _, tensor in small(shapes, {}).tensors()]


def _hub_counts(cases: list[Case]) -> list[dict[str, int]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not at hand")
    script = Path(__file__).with_name("hub_counts.cjs")
    models = [{"header": _header(shapes), "config": config} for config, shapes in cases]
    run = subprocess.run(
        [node, script], input=json.dumps(models), capture_output=True, text=True, check=False
    )
    if "Cannot find module '@huggingface/hub'" in run.stderr:
        pytest.skip("@huggingface/hub is not installed where Node looks for it")
    assert run.returncode == 0, run.stderr
    counted: list[dict[str, int]] = json.loads(run.stdout)
    return counted


def test_the_layouts_agree_but_for_the_known_differences() -> None:
    names = [name for name in LAYOUTS if not name.startswith("native")]
    counted = _hub_counts([LAYOUTS[name][:2] for name in names])
    differing = {
        name
        for name, hub in zip(names, counted, strict=True)
        if small(LAYOUTS[name][1], LAYOUTS[name][0]).counts.by_dtype != hub
    }
    assert differing == set(KNOWN_DIFFERENCES)


def _gptq(random: Random, name: str, rows: int, columns: int, bits: int) -> Shapes:
    return {
        f"{name}.qweight": ("I32", (columns * bits // 32, rows)),
        f"{name}.qzeros": ("I32", (columns // 32, rows * bits // 32)),
        f"{name}.scales": ("F16", (columns // 32, rows)),
        f"{name}.g_idx": ("I32", (columns,)),
    }


def _packed(random: Random, name: str, rows: int, columns: int, bits: int) -> Shapes:
    found: Shapes = {
        f"{name}.weight_packed": ("I32", (rows, columns * bits // 32)),
        f"{name}.weight_scale": ("BF16", (rows, columns // 32)),
        f"{name}.weight_shape": (random.choice(["I32", "I64"]), (2,)),
    }
    if random.random() < 0.5:
        found[f"{name}.weight_g_idx"] = ("I32", (columns,))
    return found


def _bitsandbytes(random: Random, name: str, rows: int, columns: int, bits: int) -> Shapes:
    return {
        f"{name}.weight": ("U8", (rows * columns // 2, 1)),
        f"{name}.weight.absmax": (random.choice(["U8", "F32"]), (rows * columns // 64,)),
        f"{name}.weight.quant_map": ("F32", (16,)),
        f"{name}.weight.quant_state.bitsandbytes__nf4": ("U8", (141,)),
    }


def _fp8(random: Random, name: str, rows: int, columns: int, bits: int) -> Shapes:
    if random.random() < 0.5:
        return {
            f"{name}.weight": ("F8_E4M3", (rows, columns)),
            f"{name}.weight_scale_inv": ("F32", (1, 1)),
        }
    number = random.randrange(4)
    return {
        f"{name}.experts.{number}.w1.weight": (random.choice(["I8", "U8"]), (rows, columns // 2)),
        f"{name}.experts.{number}.w1.scale": ("F8_E8M0", (rows, columns // 32)),
        f"{name}.gate.tid2eid": ("I64", (rows, 2)),
    }


def _mxfp4(random: Random, name: str, rows: int, columns: int, bits: int) -> Shapes:
    return {
        f"{name}.experts.up_proj_blocks": ("U8", (4, rows, columns // 32, 16)),
        f"{name}.experts.up_proj_scales": ("U8", (4, rows, columns // 32)),
        f"{name}.experts.up_proj_bias": ("BF16", (4, rows)),
    }


def _mlx(random: Random, name: str, rows: int, columns: int, bits: int) -> Shapes:
    return {
        f"{name}.weight": ("U32", (rows, columns * bits // 32)),
        f"{name}.scales": ("BF16", (rows, columns // 32)),
        f"{name}.biases": ("BF16", (rows, columns // 32)),
    }


def _configured(bits: int) -> list[tuple[dict[str, Any], Any]]:
    group = {"targets": ["Linear"], "weights": {"num_bits": bits, "group_size": 32}}
    compressed = {"format": "pack-quantized", "config_groups": {"g": group}, "ignore": ["lm_head"]}
    return [
        ({"quant_method": "gptq", "bits": bits, "group_size": 32}, _gptq),
        ({"quant_method": "compressed-tensors", **compressed}, _packed),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, _bitsandbytes),
        ({"quant_method": "fp8", "expert_dtype": "fp4"}, _fp8),
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, _mxfp4),
        ({"bits": bits, "group_size": 32, "mode": "affine"}, _mlx),
    ]


def _random_case(seed: int) -> Case:
    random = Random(seed)
    bits = random.choice([2, 4, 8])
    declared, write = random.choice(_configured(bits))
    shapes: Shapes = {"lm_head.weight": ("BF16", (random.randint(1, 50), 32)), "norm": ("F32", ())}
    for layer in range(random.randint(1, 6)):
        name = f"model.layers.{layer}.{random.choice(['mlp.up_proj', 'self_attn.q_proj'])}"
        rows, columns = 32 * random.randint(1, 4), 128 * random.randint(1, 3)
        shapes |= write(random, name, rows, columns, bits)
        if random.random() < 0.5:
            shapes[f"{name}.bias"] = (random.choice(["BF16", "F16"]), (rows,))
    config: dict[str, Any] = {"quantization_config": declared}
    return ({"text_config": config} if random.random() < 0.3 else config), shapes


def test_random_packed_headers_agree() -> None:
    cases = [_random_case(seed) for seed in range(300)]
    for (config, shapes), hub in zip(cases, _hub_counts(cases), strict=True):
        assert small(shapes, config).counts.by_dtype == hub, config
