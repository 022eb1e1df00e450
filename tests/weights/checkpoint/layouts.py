"""Packed layouts written out small, each with its parameters by stored dtype counted by hand."""

from typing import Any

Shapes = dict[str, tuple[str, tuple[int, ...]]]

# Everywhere the same layer, 96 outputs from 256 inputs: 24,576 parameters; and a norm of 256.
WEIGHTS, NORM = 96 * 256, 256


def norm() -> Shapes:
    return {"model.norm.weight": ("BF16", (NORM,))}


def quantized(**config: Any) -> dict[str, Any]:
    return {"quantization_config": config}


def _compressed(form: str, **weights: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights, "format": form}
    return quantized(
        quant_method="compressed-tensors", format=form, config_groups={"group_0": group}
    )


LAYOUTS: dict[str, tuple[dict[str, Any], Shapes, dict[str, int]]] = {
    # Eight 4-bit weights an I32, along the inputs; zero points along the outputs.
    "GPTQ 4-bit": (
        quantized(quant_method="gptq", bits=4, group_size=128),
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
        quantized(quant_method="gptq", bits=3, group_size=128),
        {"l.qweight": ("I32", (24, 96)), "l.scales": ("F16", (2, 96))},
        {"I32": WEIGHTS},
    ),
    "GPTQ 8-bit": (
        quantized(quant_method="gptq", bits=8, group_size=-1),
        {"l.qweight": ("I32", (64, 96)), "l.scales": ("F16", (1, 96))},
        {"I32": WEIGHTS},
    ),
    "AWQ": (
        quantized(quant_method="awq", bits=4, group_size=128),
        {
            "l.qweight": ("I32", (256, 96 // 8)),
            "l.qzeros": ("I32", (2, 96 // 8)),
            "l.scales": ("F16", (2, 96)),
        },
        {"I32": WEIGHTS},
    ),
    "AutoRound in GPTQ's containers": (
        quantized(quant_method="auto-round", packing_format="auto_round:auto_gptq", bits=4),
        {"l.qweight": ("I32", (32, 96)), "l.scales": ("F16", (2, 96))},
        {"I32": WEIGHTS},
    ),
    "bitsandbytes nf4": (
        quantized(quant_method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type="nf4"),
        {
            "l.weight": ("U8", (WEIGHTS // 2, 1)),
            "l.weight.absmax": ("F32", (WEIGHTS // 64,)),
            "l.weight.quant_map": ("F32", (16,)),
            "l.weight.quant_state.bitsandbytes__nf4": ("U8", (90,)),
        },
        {"U8": WEIGHTS},
    ),
    "bitsandbytes int8": (
        quantized(quant_method="bitsandbytes", load_in_8bit=True),
        {"l.weight": ("I8", (96, 256)), "l.SCB": ("F32", (96,)), "l.weight_format": ("U8", ())},
        {"I8": WEIGHTS},
    ),
    "FP8 per block": (
        quantized(quant_method="fp8", weight_block_size=[128, 128]),
        {"l.weight": ("F8_E4M3", (96, 256)), "l.weight_scale_inv": ("F32", (1, 2))},
        {"F8_E4M3": WEIGHTS},
    ),
    "FP8 per tensor": (
        quantized(quant_method="fp8", activation_scheme="static"),
        {
            "l.weight": ("F8_E4M3", (96, 256)),
            "l.weight_scale": ("F32", (1,)),
            "l.input_scale": ("F32", (1,)),
            "l.k_scale": ("F32", (1,)),
        },
        {"F8_E4M3": WEIGHTS},
    ),
    "FP8 with 4-bit experts": (
        quantized(quant_method="fp8", expert_dtype="fp4"),
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
        quantized(quant_method="modelopt", quant_algo="NVFP4"),
        {
            "l.weight": ("U8", (96, 128)),
            "l.weight_scale": ("F8_E4M3", (96, 16)),
            "l.weight_scale_2": ("F32", ()),
            "l.input_scale": ("F32", ()),
        },
        {"U8": WEIGHTS},
    ),
    "ModelOpt FP8": (
        quantized(quant_method="modelopt", quant_algo="FP8"),
        {
            "l.weight": ("F8_E4M3", (96, 256)),
            "l.weight_scale": ("F32", ()),
            "l.input_scale": ("F32", ()),
        },
        {"F8_E4M3": WEIGHTS},
    ),
    "ModelOpt mixed precision": (
        quantized(quant_method="modelopt", quant_algo="MIXED_PRECISION"),
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
        quantized(quant_method="mxfp4"),
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
        quantized(quant_method="quanto", weights="int4"),
        {
            "l.weight._data": ("U8", (WEIGHTS // 2,)),
            "l.weight._scale": ("BF16", (192, 1)),
            "l.weight._shift": ("BF16", (192, 1)),
        },
        {"U8": WEIGHTS},
    ),
    "quanto int8": (
        quantized(quant_method="quanto", weights="int8"),
        {"l.weight._data": ("I8", (96, 256)), "l.weight._scale": ("BF16", (96, 1))},
        {"I8": WEIGHTS},
    ),
    "HQQ 4-bit": (
        quantized(quant_method="hqq", quant_config={"weight_quant_params": {"nbits": 4}}),
        {
            "l.W_q": ("U8", (48, 256)),
            "l.scale": ("BF16", (384, 1)),
            "l.zero": ("BF16", (384, 1)),
        },
        {"U8": WEIGHTS},
    ),
    # One 16-bit code for every 8 inputs.
    "AQLM 1x16": (
        quantized(
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
        quantized(quant_method="exl3", bits=4.0),
        {
            "l.trellis": ("I16", (16, 6, 64)),
            "l.suh": ("F16", (256,)),
            "l.svh": ("F16", (96,)),
        },
        {"I16": WEIGHTS},
    ),
    "torchao int4": (
        quantized(quant_method="torchao", quant_type="int4_weight_only"),
        {
            "l._weight_qdata": ("U8", (96, 128)),
            "l._weight_scale": ("BF16", (8, 96)),
            "l._weight_zero_point": ("BF16", (8, 96)),
        },
        {"U8": WEIGHTS},
    ),
    "BitNet": (
        quantized(quant_method="bitnet"),
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
