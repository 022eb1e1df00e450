"""Each packed layout, written out small and counted by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.weights.checkpoint import Checkpoint, Shard
from explorer.weights.packing import Role, matches_target
from explorer.weights.quantization import from_config
from explorer.weights.tensors import Header
from tests.weights.checkpoint.layouts import LAYOUTS, NORM, WEIGHTS, Shapes, norm, quantized
from tests.weights.checkpoint.published import small, tensor


@pytest.mark.parametrize("name", LAYOUTS)
def test_counts_by_hand(name: str) -> None:
    config, shapes, expected = LAYOUTS[name]
    counts = small(shapes | norm(), config).counts
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
    counts = small(shapes | {"lm_head.weight": ("BF16", (10, 256))} | norm(), config).counts
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
    config = quantized(
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
    assert small(shapes, quantized(quant_method="exl2", bits=4.65)).warnings == (
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
        config = quantized(quant_method="gptq", bits=4, group_size=128, **exceptions)
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
    config = quantized(**{**declared, "quant_method": method})
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
    assert seen == set(Role) - {Role.SHARED}  # which is told by places, not by names
