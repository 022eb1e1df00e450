"""Each packed layout, written out small and counted by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.weights.checkpoint import Checkpoint, Shard
from explorer.weights.packing import Role, matches_target
from explorer.weights.quantization import from_config
from explorer.weights.tensors import Header
from tests.weights.checkpoint.published import small, tensor

Shapes = dict[str, tuple[str, tuple[int, ...]]]

# Everywhere the same layer, 96 outputs from 256 inputs: 24,576 parameters; and a norm of 256.
WEIGHTS, NORM = 96 * 256, 256


def _norm() -> Shapes:
    return {"model.norm.weight": ("BF16", (NORM,))}


def _quantized(**config: Any) -> dict[str, Any]:
    return {"quantization_config": config}


def _compressed(form: str, **weights: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights, "format": form}
    return _quantized(
        quant_method="compressed-tensors", format=form, config_groups={"group_0": group}
    )


LAYOUTS: dict[str, tuple[dict[str, Any], Shapes, dict[str, int]]] = {
    # Eight 4-bit weights an I32, along the inputs; zero points along the outputs.
    "GPTQ 4-bit": (
        _quantized(quant_method="gptq", bits=4, group_size=128),
        {
            "l.qweight": ("I32", (256 // 8, 96)),
            "l.qzeros": ("I32", (2, 96 // 8)),
            "l.scales": ("F16", (2, 96)),
            "l.g_idx": ("I32", (256,)),
            "l.bias": ("F16", (96,)),
        },
        {"I32": WEIGHTS, "F16": 96},
    ),
    # 32 3-bit weights in three I32: 256 inputs are 24 rows.
    "GPTQ 3-bit": (
        _quantized(quant_method="gptq", bits=3, group_size=128),
        {"l.qweight": ("I32", (24, 96)), "l.scales": ("F16", (2, 96))},
        {"I32": WEIGHTS},
    ),
    "GPTQ 8-bit": (
        _quantized(quant_method="gptq", bits=8, group_size=-1),
        {"l.qweight": ("I32", (64, 96)), "l.scales": ("F16", (1, 96))},
        {"I32": WEIGHTS},
    ),
    "AWQ": (
        _quantized(quant_method="awq", bits=4, group_size=128),
        {
            "l.qweight": ("I32", (256, 96 // 8)),
            "l.qzeros": ("I32", (2, 96 // 8)),
            "l.scales": ("F16", (2, 96)),
        },
        {"I32": WEIGHTS},
    ),
    "AutoRound in GPTQ's containers": (
        _quantized(quant_method="auto-round", packing_format="auto_round:auto_gptq", bits=4),
        {"l.qweight": ("I32", (32, 96)), "l.scales": ("F16", (2, 96))},
        {"I32": WEIGHTS},
    ),
    "bitsandbytes nf4": (
        _quantized(quant_method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type="nf4"),
        {
            "l.weight": ("U8", (WEIGHTS // 2, 1)),
            "l.weight.absmax": ("F32", (WEIGHTS // 64,)),
            "l.weight.quant_map": ("F32", (16,)),
            "l.weight.quant_state.bitsandbytes__nf4": ("U8", (90,)),
        },
        {"U8": WEIGHTS},
    ),
    "bitsandbytes int8": (
        _quantized(quant_method="bitsandbytes", load_in_8bit=True),
        {"l.weight": ("I8", (96, 256)), "l.SCB": ("F32", (96,)), "l.weight_format": ("U8", ())},
        {"I8": WEIGHTS},
    ),
    "FP8 per block": (
        _quantized(quant_method="fp8", weight_block_size=[128, 128]),
        {"l.weight": ("F8_E4M3", (96, 256)), "l.weight_scale_inv": ("F32", (1, 2))},
        {"F8_E4M3": WEIGHTS},
    ),
    "FP8 per tensor": (
        _quantized(quant_method="fp8", activation_scheme="static"),
        {
            "l.weight": ("F8_E4M3", (96, 256)),
            "l.weight_scale": ("F32", (1,)),
            "l.input_scale": ("F32", (1,)),
            "l.k_scale": ("F32", (1,)),
        },
        {"F8_E4M3": WEIGHTS},
    ),
    "FP8 with 4-bit experts": (
        _quantized(quant_method="fp8", expert_dtype="fp4"),
        {
            "l.experts.0.w1.weight": ("I8", (96, 128)),
            "l.experts.0.w1.scale": ("F8_E8M0", (96, 8)),
            "l.shared_experts.w1.weight": ("F8_E4M3", (96, 256)),
        },
        {"I8": WEIGHTS, "F8_E4M3": WEIGHTS},
    ),
    "compressed-tensors int4": (
        _compressed("pack-quantized", num_bits=4, group_size=128),
        {
            "l.weight_packed": ("I32", (96, 32)),
            "l.weight_scale": ("BF16", (96, 2)),
            "l.weight_zero_point": ("I32", (12, 2)),
            "l.weight_shape": ("I64", (2,)),
            "l.weight_g_idx": ("I32", (256,)),
        },
        {"I32": WEIGHTS},
    ),
    "compressed-tensors int8": (
        _compressed("int-quantized", num_bits=8),
        {"l.weight": ("I8", (96, 256)), "l.weight_scale": ("BF16", (96, 1))},
        {"I8": WEIGHTS},
    ),
    "compressed-tensors fp8": (
        _compressed("float-quantized", num_bits=8),
        {"l.weight": ("F8_E4M3", (96, 256)), "l.weight_scale": ("BF16", (96, 1))},
        {"F8_E4M3": WEIGHTS},
    ),
    "compressed-tensors NVFP4": (
        _compressed("nvfp4-pack-quantized", num_bits=4, group_size=16),
        {
            "l.weight_packed": ("U8", (96, 128)),
            "l.weight_scale": ("F8_E4M3", (96, 16)),
            "l.weight_global_scale": ("F32", (1,)),
            "l.input_global_scale": ("F32", (1,)),
        },
        {"U8": WEIGHTS},
    ),
    "compressed-tensors MXFP4": (
        _compressed("mxfp4-pack-quantized", num_bits=4, group_size=32),
        {"l.weight_packed": ("U8", (96, 128)), "l.weight_scale": ("U8", (96, 8))},
        {"U8": WEIGHTS},
    ),
    "ModelOpt NVFP4": (
        _quantized(quant_method="modelopt", quant_algo="NVFP4"),
        {
            "l.weight": ("U8", (96, 128)),
            "l.weight_scale": ("F8_E4M3", (96, 16)),
            "l.weight_scale_2": ("F32", ()),
            "l.input_scale": ("F32", ()),
        },
        {"U8": WEIGHTS},
    ),
    "ModelOpt FP8": (
        _quantized(quant_method="modelopt", quant_algo="FP8"),
        {
            "l.weight": ("F8_E4M3", (96, 256)),
            "l.weight_scale": ("F32", ()),
            "l.input_scale": ("F32", ()),
        },
        {"F8_E4M3": WEIGHTS},
    ),
    "ModelOpt mixed precision": (
        _quantized(quant_method="modelopt", quant_algo="MIXED_PRECISION"),
        {
            "l.weight": ("U8", (96, 128)),
            "l.weight_scale": ("F8_E4M3", (96, 16)),
            "m.weight": ("F8_E4M3", (96, 256)),
            "m.weight_scale": ("F32", ()),
        },
        {"U8": WEIGHTS, "F8_E4M3": WEIGHTS},
    ),
    # Two experts of 96 x 128: four groups of 32 weights in 16 bytes.
    "MXFP4 as in gpt-oss": (
        _quantized(quant_method="mxfp4"),
        {
            "l.experts.down_proj_blocks": ("U8", (2, 96, 4, 16)),
            "l.experts.down_proj_scales": ("U8", (2, 96, 4)),
            "l.experts.down_proj_bias": ("BF16", (2, 96)),
        },
        {"U8": 2 * 96 * 128, "BF16": 2 * 96},
    ),
    "MLX affine": (
        {"quantization": {"bits": 4, "group_size": 64}},
        {
            "l.weight": ("U32", (96, 32)),
            "l.scales": ("BF16", (96, 4)),
            "l.biases": ("BF16", (96, 4)),
            "l.bias": ("BF16", (96,)),
            "vision.scales": ("BF16", (7,)),
            "vision.weight": ("BF16", (7, 7)),
        },
        {"U32": WEIGHTS, "BF16": 96 + 7 + 49},
    ),
    # 3 bits: 256 inputs are 24 words. The second module is kept at 8 bits, the third not at all.
    "MLX mixed": (
        {"quantization": {"bits": 3, "group_size": 64, "m": {"bits": 8}, "n": False}},
        {
            "l.weight": ("U32", (96, 24)),
            "l.scales": ("BF16", (96, 4)),
            "l.biases": ("BF16", (96, 4)),
            "m.weight": ("U32", (96, 64)),
            "m.scales": ("BF16", (96, 4)),
            "m.biases": ("BF16", (96, 4)),
            "n.weight": ("BF16", (96, 256)),
        },
        {"U32": 2 * WEIGHTS, "BF16": WEIGHTS},
    ),
    "MLX mxfp4": (
        {"quantization": {"mode": "mxfp4"}},
        {"l.weight": ("U32", (96, 32)), "l.scales": ("U8", (96, 8))},
        {"U32": WEIGHTS},
    ),
    "quanto int4": (
        _quantized(quant_method="quanto", weights="int4"),
        {
            "l.weight._data": ("U8", (WEIGHTS // 2,)),
            "l.weight._scale": ("BF16", (192, 1)),
            "l.weight._shift": ("BF16", (192, 1)),
        },
        {"U8": WEIGHTS},
    ),
    "quanto int8": (
        _quantized(quant_method="quanto", weights="int8"),
        {"l.weight._data": ("I8", (96, 256)), "l.weight._scale": ("BF16", (96, 1))},
        {"I8": WEIGHTS},
    ),
    "HQQ 4-bit": (
        _quantized(quant_method="hqq", quant_config={"weight_quant_params": {"nbits": 4}}),
        {
            "l.W_q": ("U8", (48, 256)),
            "l.scale": ("BF16", (384, 1)),
            "l.zero": ("BF16", (384, 1)),
        },
        {"U8": WEIGHTS},
    ),
    # One 16-bit code for every 8 inputs.
    "AQLM 1x16": (
        _quantized(
            quant_method="aqlm",
            num_codebooks=1,
            nbits_per_codebook=16,
            in_group_size=8,
            out_group_size=1,
        ),
        {
            "l.codes": ("I16", (96, 32, 1)),
            "l.codebooks": ("F16", (1, 65536, 1, 8)),
            "l.scales": ("F16", (96, 1, 1, 1)),
        },
        {"I16": WEIGHTS},
    ),
    "EXL3 4-bit": (
        _quantized(quant_method="exl3", bits=4.0),
        {
            "l.trellis": ("I16", (16, 6, 64)),
            "l.suh": ("F16", (256,)),
            "l.svh": ("F16", (96,)),
        },
        {"I16": WEIGHTS},
    ),
    "torchao int4": (
        _quantized(quant_method="torchao", quant_type="int4_weight_only"),
        {
            "l._weight_qdata": ("U8", (96, 128)),
            "l._weight_scale": ("BF16", (8, 96)),
            "l._weight_zero_point": ("BF16", (8, 96)),
        },
        {"U8": WEIGHTS},
    ),
    "BitNet": (
        _quantized(quant_method="bitnet"),
        {"l.weight": ("U8", (24, 256)), "l.weight_scale": ("BF16", (1,))},
        {"U8": WEIGHTS},
    ),
    "native 4-bit floats": ({}, {"l.weight": ("F4", (96, 256))}, {"F4": WEIGHTS}),
    "exponents without a configuration": (
        {},
        {"l.weight": ("F8_E4M3", (96, 256)), "l.scale": ("F8_E8M0", (1, 2))},
        {"F8_E4M3": WEIGHTS},
    ),
    "scalars and buffers": (
        {},
        {"l.weight": ("F16", (96, 256)), "logit_scale": ("F32", ()), "l.ids": ("I64", (1, 5))},
        {"F16": WEIGHTS, "I64": 5},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_counts_by_hand(name: str) -> None:
    config, shapes, expected = LAYOUTS[name]
    counts = small(shapes | _norm(), config).counts
    assert counts.by_dtype == {**expected, "BF16": expected.get("BF16", 0) + NORM}
    assert counts.parameters == sum(counts.by_dtype.values())


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_text_configuration_inside_reads_the_same(name: str) -> None:
    config, shapes, _ = LAYOUTS[name]
    direct = small(shapes, config).counts
    assert small(shapes, {"text_config": config}).counts == direct


@pytest.mark.parametrize(
    "name", [n for n in LAYOUTS if n.startswith(("GPTQ", "AWQ", "AQLM", "EXL3"))]
)
def test_logical_shapes_are_outputs_by_inputs(name: str) -> None:
    config, shapes, _ = LAYOUTS[name]
    kinds = [kind.unpacked for _, _, kind in small(shapes, config).described()]
    assert (96, 256) in [unpacked.shape for unpacked in kinds if unpacked.quantized]


def test_bits_and_modules_left_alone() -> None:
    config, shapes, _ = LAYOUTS["compressed-tensors NVFP4"]
    counts = small(shapes | {"lm_head.weight": ("BF16", (10, 256))} | _norm(), config).counts
    # 128 bytes a row of weights and 16 of scales are 4.5 bits; two F32 for the tensor.
    assert counts.quantized_bits_per_weight == (96 * 128 + 96 * 16 + 8) * 8 / WEIGHTS
    assert counts.auxiliary_bytes == 96 * 16 + 8
    assert counts.kept_16bit == {"lm_head.weight": 2560}
    assert counts.bits_per_weight == counts.stored_bytes * 8 / (WEIGHTS + 2560 + NORM)


def test_mixed_widths_go_by_target() -> None:
    groups = {
        "a": {"targets": ["re:.*down_proj$"], "weights": {"num_bits": 8}},
        "b": {"targets": ["m.layers.1.up_proj"], "weights": {"num_bits": 2}},
        "c": {"targets": ["Linear"], "weights": {"num_bits": 4}},
    }
    config = _quantized(
        quant_method="compressed-tensors", format="pack-quantized", config_groups=groups
    )
    shapes: Shapes = {
        "m.layers.0.down_proj.weight_packed": ("I32", (1, 8)),
        "m.layers.1.up_proj.weight_packed": ("I32", (1, 8)),
        "m.layers.0.up_proj.weight_packed": ("I32", (1, 8)),
    }
    # Eight words of 4, of 16 and of 8 weights each.
    assert small(shapes, config).counts.parameters == 8 * (4 + 16 + 8)


def test_modelopts_own_file_is_enough() -> None:
    own = {"producer": {}, "quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}}
    found = from_config({}, own)
    assert found is not None
    assert (found.method, found.bits, found.group_size) == ("modelopt", 4, 16)
    assert found.modules_kept == ("lm_head",)
    assert found.description == "ModelOpt NVFP4, groups of 16"


def test_the_older_key_of_compressed_tensors() -> None:
    group = {"targets": ["Linear"], "weights": {"num_bits": 8, "group_size": None}}
    found = from_config(
        {"compression_config": {"format": "int-quantized", "config_groups": {"g": group}}}
    )
    assert found is not None
    assert (found.method, found.bits, found.format) == ("compressed-tensors", 8, "int-quantized")


@pytest.mark.parametrize(
    ("declared", "description"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "AWQ 4-bit, groups of 128"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "FP8, blocks of 128×128"),
        ({"quant_method": "fp8", "store_dtype": "mxfp4"}, "FP8, routed experts 4-bit"),
        ({"quant_method": "mxfp4"}, "MXFP4, groups of 32"),
        (
            {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
            "bitsandbytes nf4, double quantization",
        ),
        ({"quant_method": "vptq"}, "VPTQ"),
        ({"quant_method": "some_new_one", "bits": 2}, "some_new_one 2-bit"),
    ],
)
def test_descriptions(declared: dict[str, Any], description: str) -> None:
    found = from_config({"quantization_config": declared})
    assert found is not None
    assert found.description == description


def test_a_container_that_hides_its_width_is_said() -> None:
    shapes: Shapes = {"l.q_weight": ("I32", (32, 96))}
    assert small(shapes, _quantized(quant_method="exl2", bits=4.65)).warnings == (
        "the containers of exl2 do not tell their width: parameters are as stored",
    )


def test_gptq_modules_of_another_width() -> None:
    shapes: Shapes = {
        "model.layers.0.up.qweight": ("I32", (8, 10)),
        "model.layers.0.down.qweight": ("I32", (8, 10)),
        "model.layers.1.up.qweight": ("I32", (8, 10)),
    }
    by_name = {"model.layers.0.down": {"bits": 8}, "lm_head": {"bits": 16}}
    by_pattern = {"+:.*\\.down": {"bits": 8}, "-:.*attn.*": {}}
    for exceptions in ({"extra_config": by_name}, {"dynamic": by_pattern}):
        config = _quantized(quant_method="gptq", bits=4, group_size=128, **exceptions)
        assert small(shapes, config).counts.parameters == 80 * (8 + 4 + 8)


def test_ggufs_need_no_configuration() -> None:
    tensors = (tensor("blk.0.ffn_up.weight", "Q4_K", (96, 256)), tensor("norm", "F32", (256,)))
    empty = Checkpoint.expecting(["a.gguf"], "gguf", {"quantization_config": {"bits": 2}})
    model = empty.with_shard(Shard("a.gguf", 0, Header("gguf", tensors)))
    assert model.counts.quantized_parameters == WEIGHTS
    assert model.counts.parameters == WEIGHTS + 256
    assert model.quantization is not None
    # Q4_K: 256 weights in 144 bytes.
    assert (model.quantization.method, model.quantization.bits) == ("gguf", 4.5)
    assert model.quantization.description == "mostly Q4_K, 4.50-bit"


@pytest.mark.parametrize(
    ("target", "module", "fits"),
    [
        ("re:.*self_attn.*", "model.layers.0.self_attn.q_proj", True),
        ("re:.*mlp\\.gate$", "model.layers.0.mlp.gate", True),
        ("re:.*mlp\\.gate$", "model.layers.0.mlp.gate_proj", False),
        ("re:^lm_head", "lm_head", True),
        ("lm_head", "model.lm_head", False),
        ("re:(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", False),
        ("re:aba.*aba$", "aba", False),
    ],
)
def test_targets(target: str, module: str, fits: bool) -> None:
    assert matches_target(target, module) is fits


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
_KEYS = st.sampled_from(
    ["quant_method", "bits", "group_size", "config_groups", "ignore", "weights", "mode", "format"]
)
_METHODS = st.sampled_from(
    ["gptq", "fp8", "compressed-tensors", "modelopt", "aqlm", "bitsandbytes", "mlx"]
)


@given(
    st.dictionaries(_KEYS, _JSON), _METHODS, st.dictionaries(st.text(max_size=8), _JSON, max_size=3)
)
def test_any_configuration_is_read_without_raising(
    declared: dict[str, Any], method: str, own: dict[str, Any]
) -> None:
    from_config({"quantization_config": declared}, own)
    config = _quantized(**{**declared, "quant_method": method})
    shapes: Shapes = {
        "l.weight": ("U8", (3, 5)),
        "l.weight_packed": ("I32", (3,)),
        "l.codes": ("I16", ()),
    }
    assert small(shapes, config).counts.parameters >= 0


def test_every_role_appears() -> None:
    seen = {
        kind.unpacked.role
        for config, shapes, _ in LAYOUTS.values()
        for _, _, kind in small(shapes, config).described()
    }
    assert seen == set(Role)
