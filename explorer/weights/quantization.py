"""How a checkpoint says it was quantized: the many dialects of config.json, read into one value.

GGUF needs none of this: there each tensor's dtype tells everything.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from explorer.weights.json_values import (
    MAX_LISTED,
    JsonObject,
    group_size_of,
    object_of,
    text_of,
    texts_of,
    width_in,
)

_MAX_GROUPS = 64
_METHOD_TITLES = {
    "aqlm": "AQLM",
    "auto-round": "AutoRound",
    "awq": "AWQ",
    "bitnet": "BitNet",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
    "eetq": "EETQ",
    "exl2": "EXL2",
    "exl3": "EXL3",
    "fbgemm_fp8": "FBGEMM FP8",
    "fp8": "FP8",
    "gptq": "GPTQ",
    "higgs": "HIGGS",
    "hqq": "HQQ",
    "mlx": "MLX",
    "modelopt": "ModelOpt",
    "mxfp4": "MXFP4",
    "quanto": "quanto",
    "quark": "Quark",
    "spqr": "SpQR",
    "torchao": "torchao",
    "vptq": "VPTQ",
}
_WIDTHS_BY_WORD = (
    ("nvfp4", 4.0),
    ("mxfp4", 4.0),
    ("mxfp6", 6.0),
    ("mxfp8", 8.0),
    ("fp4", 4.0),
    ("nf4", 4.0),
    ("int4", 4.0),
    ("int2", 2.0),
    ("int3", 3.0),
    ("w4a", 4.0),
    ("fp8", 8.0),
    ("float8", 8.0),
    ("int8", 8.0),
    ("w8a", 8.0),
)
_FIXED_WIDTHS = {"fp8": 8.0, "fbgemm_fp8": 8.0, "mxfp4": 4.0, "eetq": 8.0, "bitnet": 2.0}
_MLX_DEFAULTS = {"affine": (4, 64), "mxfp4": (4, 32), "nvfp4": (4, 16), "mxfp8": (8, 32)}


@dataclass(frozen=True, slots=True)
class ModuleGroup:
    """Modules that share one width, in a checkpoint that mixes several."""

    bits: float | None
    group_size: int | None = None
    format: str = ""
    """compressed-tensors' own name of the layout: ``pack-quantized``, ``float-quantized``."""
    patterns: tuple[str, ...] = ()
    """Targets that begin with ``re:``; exact names are in ``Quantization.targets``."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """What the configuration declares; which tensors it touched is for the headers to say."""

    method: str
    """Lower case, as ``quant_method`` spells it: ``gptq``, ``awq``, ``fp8``, ``mlx``, ``modelopt``."""
    bits: float | None
    """Nominal bits of a quantized weight without its scales; None if the configuration is silent."""
    group_size: int | None = None
    """Weights that share a scale; None for a whole row or tensor, or if unknown."""
    description: str = ""
    """For people: ``AWQ 4-bit, groups of 128``."""
    modules_kept: tuple[str, ...] = ()
    """Names or patterns the configuration leaves in full precision."""
    format: str = ""
    """The layout within the method: ``nvfp4-pack-quantized``, ``NVFP4``, ``nf4``, ``affine``."""
    expert_bits: float | None = None
    """Width of the routed experts where it is narrower than ``bits``."""
    groups: tuple[ModuleGroup, ...] = ()
    """compressed-tensors' ``config_groups``."""
    targets: Mapping[str, ModuleGroup] = field(default_factory=dict)
    """The group of a module, or of a class such as ``Linear``, that a group names exactly."""
    overrides: Mapping[str, float | None] = field(default_factory=dict)
    """Bits by module name where they differ (MLX); None for a module left alone."""
    codebooks: tuple[int, int, int] | None = None
    """AQLM: number of codebooks, and the rows and columns of weights that one code stands for."""

    @property
    def mixed_widths(self) -> bool:
        """Modules differ in width, by groups or by name: a tensor's full name matters."""
        return self.method == "mlx" or len({group.bits for group in self.groups}) > 1


def from_config(
    config: JsonObject, hf_quant_config: JsonObject | None = None
) -> Quantization | None:
    """Return how config.json says the weights were quantized; None if it says nothing.

    ``hf_quant_config`` is ModelOpt's own file, which some repositories have alone. A nested
    ``text_config`` is looked into. Malformed parts are ignored, never raised.
    """
    for level in _levels(config):
        mlx = _read_mlx(level)
        if mlx is not None:
            return mlx
        # compressed-tensors once wrote its own key.
        declared = object_of(level.get("quantization_config") or level.get("compression_config"))
        if declared:
            return _read(declared, level, object_of(object_of(hf_quant_config).get("quantization")))
    if hf_quant_config:
        return _read_modelopt({}, object_of(hf_quant_config.get("quantization")))
    return None


def width_of(text: object) -> float | None:
    """Bits that a free-form format name carries: ``mxfp4-pack-quantized`` is 4; None if it has none."""
    if not isinstance(text, str):
        return None
    lowered = text[:200].lower()
    return next((bits for word, bits in _WIDTHS_BY_WORD if word in lowered), None)


def _levels(config: JsonObject) -> Iterator[JsonObject]:
    yield config
    for key in ("text_config", "llm_config", "language_config", "thinker_config"):
        nested = object_of(config.get(key))
        if nested:
            yield nested
            deeper = object_of(nested.get("text_config"))
            if deeper:
                yield deeper


def _read(declared: JsonObject, level: JsonObject, modelopt: JsonObject) -> Quantization:
    method = _method_of(declared, modelopt)
    if method == "modelopt":
        return _read_modelopt(declared, modelopt)
    if method in ("fp8", "fbgemm_fp8"):
        return _read_fp8(method, declared, level)
    if method in ("intel/auto-round", "auto-round"):
        # AutoRound exports into GPTQ's or AWQ's containers and says which.
        packing = text_of(declared.get("packing_format")).lower()
        return _plain("awq" if "awq" in packing else "gptq", declared, title="AutoRound")
    reader = _READERS.get(method)
    return reader(declared) if reader else _plain(method, declared)


def _method_of(declared: JsonObject, modelopt: JsonObject) -> str:
    """The method's name; where it was left out, what the other keys betray."""
    method = text_of(declared.get("quant_method")).lower()
    if method.startswith("modelopt") or (not method and modelopt):
        return "modelopt"
    if not method and "config_groups" in declared:
        return "compressed-tensors"
    if not method and _is_bitsandbytes(declared):
        return "bitsandbytes"
    return method or "unknown"


def _plain(method: str, declared: JsonObject, title: str = "") -> Quantization:
    """Methods whose configuration is a width, a group size and a list of exceptions."""
    form = text_of(declared.get("weights")) or _torchao_type(declared)
    nested = object_of(declared.get("quant_config"))
    weights = object_of(nested.get("weight_quant_params"))
    bits = (
        width_in(declared.get("bits"))
        or width_in(declared.get("nbits"))
        or width_in(declared.get("w_bit"))
        or width_in(weights.get("nbits"))
        or _FIXED_WIDTHS.get(method)
        or width_of(form)
    )
    size = group_size_of(declared.get("group_size")) or group_size_of(declared.get("q_group_size"))
    size = size or group_size_of(weights.get("group_size")) or (32 if method == "mxfp4" else None)
    groups, exact = _exceptions(declared, ModuleGroup(bits, size))
    return Quantization(
        method,
        bits,
        size,
        _describe(title or method, bits, size),
        _kept(declared),
        form,
        groups=groups,
        targets=exact,
    )


def _exceptions(
    declared: JsonObject, default: ModuleGroup
) -> tuple[tuple[ModuleGroup, ...], dict[str, ModuleGroup]]:
    """Modules of another width: ``extra_config`` by name (AutoRound), ``dynamic`` by pattern (GPTQModel)."""
    exact, patterns = {}, []
    for name, entry in list(object_of(declared.get("extra_config")).items())[:MAX_LISTED]:
        bits = width_in(object_of(entry).get("bits"))
        if bits is not None:
            exact[name] = ModuleGroup(bits)
    for pattern, entry in list(object_of(declared.get("dynamic")).items())[:_MAX_GROUPS]:
        bits = width_in(object_of(entry).get("bits"))
        if bits is not None and not pattern.startswith("-:"):
            patterns.append(ModuleGroup(bits, patterns=("re:" + pattern.removeprefix("+:"),)))
    if not exact and not patterns:
        return (), {}
    return (default, *patterns, *dict.fromkeys(exact.values())), {**exact, "Linear": default}


def _read_fp8(method: str, declared: JsonObject, level: JsonObject) -> Quantization:
    block = declared.get("weight_block_size")
    expert = next(
        (
            width
            for source in (
                declared.get("expert_dtype"),
                level.get("expert_dtype"),
                declared.get("store_dtype"),
            )
            if (width := width_of(source)) is not None
        ),
        None,
    )
    description = _METHOD_TITLES[method]
    if isinstance(block, list) and len(block) == 2 and all(isinstance(n, int) for n in block):
        description += f", blocks of {block[0]}×{block[1]}"
        form = "block"
    else:
        form = "tensor"
    if expert is not None and expert < 8:
        description += f", routed experts {expert:g}-bit"
    return Quantization(
        method,
        8.0,
        None,
        description,
        _kept(declared),
        form,
        expert_bits=expert,
    )


def _read_compressed(declared: JsonObject) -> Quantization:
    form = text_of(declared.get("format"))
    groups = []
    exact: dict[str, ModuleGroup] = {}
    for entry in list(object_of(declared.get("config_groups")).values())[:_MAX_GROUPS]:
        weights = object_of(object_of(entry).get("weights"))
        own_form = text_of(object_of(entry).get("format")) or form
        targets = texts_of(object_of(entry).get("targets"))
        group = ModuleGroup(
            width_in(weights.get("num_bits")) or width_of(own_form),
            group_size_of(weights.get("group_size")),
            own_form,
            tuple(target for target in targets if target.startswith("re:"))[:_MAX_GROUPS],
        )
        groups.append(group)
        exact.update((target, group) for target in targets if not target.startswith("re:"))
    widths = [group.bits for group in groups if group.bits is not None]
    bits = widths[0] if widths else width_of(form)
    size = next((group.group_size for group in groups if group.group_size), None)
    form = form or next((group.format for group in groups if group.format), "")
    description = _describe("compressed-tensors", bits, size) + (f", {form}" if form else "")
    return Quantization(
        "compressed-tensors",
        bits,
        size,
        description,
        _kept(declared),
        form,
        groups=tuple(groups),
        targets=exact,
    )


def _read_modelopt(declared: JsonObject, own: JsonObject) -> Quantization:
    form = (text_of(own.get("quant_algo")) or text_of(declared.get("quant_algo"))).upper()
    size = group_size_of(own.get("group_size")) or group_size_of(declared.get("group_size"))
    for entry in list(object_of(declared.get("config_groups")).values())[:1]:
        size = size or group_size_of(object_of(object_of(entry).get("weights")).get("group_size"))
    bits = width_of(form)
    if form == "NVFP4":
        size = size or 16
    kept = _kept(own) or _kept(declared)
    description = f"ModelOpt {form}".rstrip() + (f", groups of {size}" if size else "")
    return Quantization("modelopt", bits, size, description, kept, form)


def _is_bitsandbytes(declared: JsonObject) -> bool:
    return declared.get("load_in_4bit") is True or declared.get("load_in_8bit") is True


def _read_bitsandbytes(declared: JsonObject) -> Quantization:
    four = declared.get("load_in_4bit") is True or declared.get("_load_in_4bit") is True
    form = (text_of(declared.get("bnb_4bit_quant_type")) or "fp4") if four else "int8"
    nested = four and declared.get("bnb_4bit_use_double_quant") is True
    description = f"bitsandbytes {form}" + (", double quantization" if nested else "")
    kept = _kept(declared)
    return Quantization(
        "bitsandbytes", 4.0 if four else 8.0, 64 if four else None, description, kept, form
    )


def _read_aqlm(declared: JsonObject) -> Quantization:
    count = width_in(declared.get("num_codebooks")) or 1
    rows = width_in(declared.get("out_group_size")) or 1
    columns = width_in(declared.get("in_group_size")) or 8
    code_bits = width_in(declared.get("nbits_per_codebook")) or 16
    bits = count * code_bits / (rows * columns)
    return Quantization(
        "aqlm",
        bits,
        None,
        _describe("aqlm", bits, None),
        texts_of(declared.get("linear_weights_not_to_quantize")),
        codebooks=(int(count), int(rows), int(columns)),
    )


def _read_mlx(level: JsonObject) -> Quantization | None:
    """MLX writes ``quantization`` (and a copy as ``quantization_config``) without a method's name."""
    for key in ("quantization", "quantization_config"):
        declared = object_of(level.get(key))
        method = text_of(declared.get("quant_method")).lower()
        default = _mlx_width(declared)
        if method not in ("", "mlx") or "load_in_4bit" in declared or "config_groups" in declared:
            continue
        overrides: dict[str, float | None] = {}
        for module, entry in list(declared.items())[:MAX_LISTED]:
            if entry is False:
                overrides[module] = None
            elif isinstance(entry, Mapping):
                width = _mlx_width(entry)
                overrides[module] = float(width[0]) if width else None
        if default is None and not any(overrides.values()):
            continue
        bits = float(default[0]) if default else None
        size = default[1] if default else None
        return Quantization(
            "mlx",
            bits,
            size,
            _describe("mlx", bits, size),
            tuple(module for module, width in overrides.items() if width is None),
            text_of(declared.get("mode")) or "affine",
            overrides=overrides,
        )
    return None


def _mlx_width(declared: JsonObject) -> tuple[int, int] | None:
    """Bits and group size of an MLX entry, its mode's defaults filled in; None if it is not one."""
    if not {"bits", "group_size", "mode"} & set(declared):
        return None
    mode = declared.get("mode", "affine")
    default = _MLX_DEFAULTS.get(mode.lower()) if isinstance(mode, str) else None
    if default is None:
        return None
    bits, size = declared.get("bits", default[0]), declared.get("group_size", default[1])
    if not isinstance(bits, int) or not isinstance(size, int):
        return None
    allowed = (2, 3, 4, 5, 6, 8) if default == _MLX_DEFAULTS["affine"] else (default[0],)
    return (bits, size) if bits in allowed and size > 0 else None


def _torchao_type(declared: JsonObject) -> str:
    """The ``quant_type`` of torchao is a name, or an object that carries the name of its class."""
    entry = declared.get("quant_type")
    if isinstance(entry, str):
        return entry
    default = object_of(object_of(entry).get("default"))
    return text_of(default.get("_type"))


def _describe(method: str, bits: float | None, group_size: int | None) -> str:
    title = _METHOD_TITLES.get(method, method)
    if bits is not None and method not in ("mxfp4", "fp8"):
        title += f" {bits:.3g}-bit"
    return title + (f", groups of {group_size}" if group_size else "")


def _kept(declared: JsonObject) -> tuple[str, ...]:
    keys = ("modules_to_not_convert", "ignore", "exclude_modules", "llm_int8_skip_modules")
    return next((listed for key in keys if (listed := texts_of(declared.get(key)))), ())


_READERS: Mapping[str, Callable[[JsonObject], Quantization]] = {
    "aqlm": _read_aqlm,
    "bitsandbytes": _read_bitsandbytes,
    "compressed-tensors": _read_compressed,
}
