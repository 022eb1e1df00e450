"""A made-up family of models on a loopback hub: the snapshot knows next to nothing of lineage.

The sizes are those that llama.cpp's quantizations give a Llama of 8 billion parameters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from explorer.hub.huggingface import HuggingFace
from tests.hub import HubFile, HubRepo, HubServer
from tests.hub.builder import gguf_repo, llama_like
from tests.hub.contents import ZeroFilled

ORIGINAL = "acme/Llama-8B"
TUNED = "lab/Chat-8B"
DESCENDANT = "me/Chat-8B-tuned"
SIZES = {
    "Q2_K": 3_179_136_416,
    "Q3_K_M": 4_018_922_912,
    "IQ4_XS": 4_447_667_616,
    "Q4_K_M": 4_920_739_232,
    "Q5_K_M": 5_732_992_416,
    "Q6_K": 6_596_011_424,
    "Q8_0": 8_540_775_840,
    "BF16": 16_068_896_160,
}
PARAMETERS = 8_030_261_248


class MadeUpHub(HuggingFace):
    """The loopback hub under a name that stays the same."""

    @property
    def title(self) -> str:
        """Not an address whose port is another each time."""
        return "A made-up hub"


@contextmanager
def made_up_hub() -> Iterator[str]:
    """Serve the family, and give the hub's address."""
    with HubServer(_family()) as hub:
        yield hub.endpoint


def _family() -> Iterator[HubRepo]:
    original = _llama(ORIGINAL, 4_812_300, "llama3.1")
    agreement = HubFile.of_text("LICENSE", LICENSE)
    yield replace(original, files=[*original.files, agreement])
    finetunes = {TUNED: 903_120, "studio/Writer-8B": 88_400, "clinic/Med-8B": 41_250}
    for name, downloads in finetunes.items():
        yield _llama(name, downloads, "apache-2.0", ORIGINAL)
    for name, downloads in {DESCENDANT: 7_310, "lab/Chat-8B-v2": 412_800}.items():
        yield _llama(name, downloads, "mit", TUNED)
    yield _row("mixer/Writer-Med-8B", list(finetunes)[1:], "merge", 5_020, terms="apache-2.0")
    yield _row("someone/Pirate-LoRA", ORIGINAL, "adapter", 1_990, terms="mit")
    for base, downloads in {ORIGINAL: 1_204_000, TUNED: 230_500}.items():
        yield from _quantized(base, downloads)


def _llama(name: str, downloads: int, terms: str, base: str = "") -> HubRepo:
    card = {"base_model": base, "base_model_relation": "finetune"} if base else {}
    return llama_like(
        name, layers=32, hidden=4096, intermediate=14336, vocabulary=128256, heads=32, kv_heads=8,
        context=131072, shards=4, license_id=terms, downloads=downloads, card=card,
    )  # fmt: skip


def _quantized(base: str, downloads: int) -> Iterator[HubRepo]:
    name = base.partition("/")[2]
    summary = {"architecture": "llama", "context_length": 131072, "total": PARAMETERS}
    for owner, share, labels in (
        ("quants", 1.0, list(SIZES)),
        ("packer", 0.4, ["Q2_K", "Q4_K_M", "Q6_K", "Q8_0"]),
    ):
        yield gguf_repo(
            f"{owner}/{name}-GGUF",
            sizes={f"{name}-{label}.gguf": SIZES[label] for label in labels},
            card={"base_model": base, "license": "llama3.1"},
            gguf=summary,
            downloads=round(downloads * share),
        )
    awq = {"quant_method": "awq", "bits": 4, "group_size": 128}
    card = {"base_model": base, "base_model_relation": "quantized", "license": "llama3.1"}
    yield HubRepo(
        f"packer/{name}-AWQ",
        [HubFile("model.safetensors", ZeroFilled(b"", 5_730_000_000))],
        card=card,
        config={"model_type": "llama", "quantization_config": awq},
        downloads=round(downloads * 0.1),
    )


def _row(name: str, base: str | list[str], relation: str, downloads: int, terms: str) -> HubRepo:
    total = 6_815_744 if relation == "adapter" else PARAMETERS
    return HubRepo(
        name,
        card={"base_model": base, "base_model_relation": relation, "license": terms},
        config={"model_type": "llama"},
        safetensors={"parameters": {"BF16": total}, "total": total},
        library="peft" if relation == "adapter" else "transformers",
        downloads=downloads,
    )


LICENSE = """\
LLAMA 3.1 COMMUNITY LICENSE AGREEMENT

"Agreement" means the terms and conditions for use, reproduction, distribution and modification of the
Llama Materials set forth herein. (The beginning stands here for the whole.)
"""
