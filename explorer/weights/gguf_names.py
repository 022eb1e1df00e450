"""What the name of a GGUF file says: its quantization, its place in a split, and what it is for."""

import re
from typing import Literal, NamedTuple, TypeAlias

Purpose: TypeAlias = Literal["weights", "projector", "imatrix"]

_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<total>[0-9]{5})")
# llama.cpp's file types (llama_ftype names), with the suffixes publishers add: Q4_K_XL, UD-, Q4_0_4_8.
_LABEL = re.compile(
    r"(?:^|[-_.])"
    r"(?P<label>(?:UD[-_])?(?:"
    r"I?Q[1-8]_(?:K_[A-Z]{1,3}|K|NL|XXS|XS|S|M|L|XL|[01])(?:_[48]_[48])?"
    r"|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32|Q8"
    r"))(?=$|[-_.])",
    re.IGNORECASE,
)


class GgufName(NamedTuple):
    """A file name taken apart."""

    stem: str
    """Without split numbers and ending: equal for the parts of one split."""
    label: str | None
    """``Q4_K_M``, ``UD-IQ2_XXS``, ``BF16``; None if the name does not say."""
    number: int
    """Of the part, from 1."""
    total: int
    """Parts the name promises; 1 for a whole file."""
    purpose: Purpose


def parse_gguf_name(path: str) -> GgufName:
    """Return what a GGUF's path says. The folder is asked for a label if the file has none."""
    folder, _, name = path.rpartition("/")
    stem = name[:-5] if name.lower().endswith(".gguf") else name
    split = _SPLIT.fullmatch(stem)
    if split:
        stem = split["stem"]
    lowered = stem.lower()
    purpose: Purpose = "weights"
    if "mmproj" in lowered:
        purpose = "projector"
    elif "imatrix" in lowered:
        purpose = "imatrix"
    label = quantization_label(stem) or quantization_label(folder.rpartition("/")[2])
    number, total = (int(split["number"]), int(split["total"])) if split else (1, 1)
    return GgufName(stem, label, number, max(total, 1), purpose)


def quantization_label(text: str) -> str | None:
    """Return the last quantization a name holds, as llama.cpp spells it; None if there is none."""
    found = None
    # Labels share the separators between them, so that the search steps back by one.
    position = 0
    while match := _LABEL.search(text, position):
        found = match["label"]
        position = match.end("label")
    if found is None:
        return None
    label = found.upper().replace("FP16", "F16").replace("FP32", "F32")
    # `BF16` holds no `FP16`; `UD_` is written `UD-` by its inventors.
    return "UD-" + label[3:] if label.startswith("UD_") else label
