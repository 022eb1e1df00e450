"""Which engine runs which quantization, on which device: by the names this project gives them.

Sources: the methods each engine reads, in vLLM 0.33.0 (``model_executor/layers/quantization``, which has
neither GGUF nor bitsandbytes any more), transformers 5.23.0 (``quantizers/auto.py``), mlx-lm 0.32.2
(``utils.load_model``) and llama.cpp v0.5.0 (GGUF types).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from explorer.fit.values import Engine
from explorer.hardware.machine import Device

_PLAIN = frozenset({"BF16", "F16", "F32", "FP16", "FP32", "BFLOAT16", "FLOAT16", "FLOAT32"})
_GGUF = re.compile(r"(^|[-_. ])(UD-)?(I?Q[1-8]_|TQ[12]_)|GGUF", re.IGNORECASE)
_METHODS = (
    "mlx", "nvfp4", "mxfp4", "mxfp8", "awq", "gptq", "bitsandbytes", "compressed-tensors", "fbgemm",
    "modelopt", "exl2", "exl3", "aqlm", "hqq", "quanto", "quark", "eetq", "higgs", "vptq", "spqr",
    "bitnet", "torchao", "autoround", "auto-round", "fp8",
)  # fmt: skip
"""Words that name a method, the telling ones first."""
_BITSANDBYTES = frozenset({"nf4", "fp4", "int8"})


@dataclass(frozen=True, slots=True)
class _Rules:
    """What one engine reads."""

    methods: frozenset[str]
    capability: dict[str, tuple[int, int]]
    """The least CUDA compute capability of a method, where it has one."""
    why: dict[str, str]
    """Of methods that are not read, more than that."""


_VLLM = _Rules(
    frozenset({
        "plain", "nvfp4", "mxfp4", "mxfp8", "awq", "gptq", "compressed-tensors", "fbgemm", "modelopt",
        "quark", "torchao", "autoround", "auto-round", "fp8",
    }),
    {
        "awq": (7, 5), "gptq": (6, 0), "compressed-tensors": (7, 0), "fp8": (7, 5), "mxfp4": (8, 0),
        "mxfp8": (8, 0), "modelopt": (8, 0), "nvfp4": (7, 5), "torchao": (7, 5),
    },
    {"gguf": "it read GGUF files up to 2025", "bitsandbytes": "it read them up to 2025"},
)  # fmt: skip
_TRANSFORMERS = _Rules(
    frozenset({
        "plain", "nvfp4", "mxfp4", "mxfp8", "awq", "gptq", "bitsandbytes", "compressed-tensors", "fbgemm",
        "aqlm", "hqq", "quanto", "quark", "eetq", "higgs", "vptq", "spqr", "bitnet", "torchao",
        "autoround", "auto-round", "fp8",
    }),
    {"fp8": (8, 9), "mxfp4": (7, 5)},
    {"gguf": "it unpacks GGUF files to 16 bits, unless kernels for the device are installed"},
)  # fmt: skip
_MLX = _Rules(
    frozenset({
        "plain", "mlx", "mxfp4", "mxfp8", "nvfp4", "awq", "gptq", "compressed-tensors", "bitnet",
    }),
    {},
    {
        "fp8": "it unpacks FP8 to 16 bits: ask for BF16, or for an MLX quantization",
        "gguf": "convert the original model with mlx_lm.convert",
        "bitsandbytes": "convert the original model with mlx_lm.convert",
    },
)  # fmt: skip
_LLAMA_CPP = _Rules(
    frozenset({"plain", "gguf", "mxfp4"}),
    {},
    {"fp8": "convert_hf_to_gguf.py makes a GGUF file of it"},
)
_RULES: dict[Engine, _Rules] = {
    "llama.cpp": _LLAMA_CPP, "vllm": _VLLM, "transformers": _TRANSFORMERS, "mlx": _MLX,
}  # fmt: skip
_FOUR_BITS_ALONE = ("awq", "gptq")
"""Of these mlx-lm reads 4 bits and no others."""


def method_of(quantization: str) -> str:
    """The method behind a quantization's name: ``plain``, ``gguf``, ``awq``...; empty if not known.

    Names are those of weight maps: ``BF16``, ``Q4_K_M``, ``GPTQ-Int4``, ``AWQ 4-bit``, ``MLX-4bit``,
    ``ModelOpt NVFP4``, ``bitsandbytes nf4``.
    """
    name = quantization.strip()
    if name.upper() in _PLAIN:
        return "plain"
    lowered = name.lower()
    if lowered in _BITSANDBYTES:
        return "bitsandbytes"
    found = next((method for method in _METHODS if method in lowered), "")
    if not found and _GGUF.search(name):
        return "gguf"
    return found


def refusal(engine: Engine, quantization: str, devices: Iterable[Device] = ()) -> str | None:
    """Why an engine does not run a quantization, as a sentence; None if it does.

    ``devices`` are those it would run on: some methods need a generation of NVIDIA's. An unknown name is
    not refused by the engines that read safetensors: they tell when they load it.
    """
    rules = _RULES.get(engine)
    if rules is None:
        return None
    method = method_of(quantization)
    if not method:
        return None if engine != "llama.cpp" else f"{quantization} is not a type of GGUF files."
    if method not in rules.methods:
        why = rules.why.get(method)
        return f"{engine} does not run {quantization}" + (f": {why}." if why else ".")
    if engine == "mlx" and method in _FOUR_BITS_ALONE and _bits(quantization) not in (None, 4):
        return f"mlx reads {quantization.partition(' ')[0]} at 4 bits alone."
    needed = rules.capability.get(method)
    slow = next((each for each in devices if needed and _older(each, needed)), None)
    if slow is None or needed is None:
        return None
    return (
        f"{engine} runs {quantization} from compute capability {needed[0]}.{needed[1]} on: "
        f"{slow.name} is older."
    )


def _older(device: Device, needed: tuple[int, int]) -> bool:
    return device.compute_capability is not None and device.compute_capability < needed


def _bits(quantization: str) -> int | None:
    """Bits as the name says: ``Int4``, ``8-bit``, ``w4a16``."""
    found = re.search(r"int(\d)|(\d)-?bit|w(\d)a", quantization, re.IGNORECASE)
    return int(next(group for group in found.groups() if group)) if found else None
