"""A family of models on the loopback hub: an original, what was made of it, and what was made of that."""

from dataclasses import replace
from typing import Any

from tests.hub import HubFile, HubRepo
from tests.hub.builder import gguf_repo, llama_like

ORIGINAL = "acme/Llama-8B"


def derived(
    name: str, bases: str | list[str], relation: str | None = None, **about: Any
) -> HubRepo:
    """A row that names its bases in the card, as people do."""
    card = {"base_model": bases, "license": about.pop("license_id", "apache-2.0")}
    if relation:
        card["base_model_relation"] = relation
    total = about.pop("parameters", 8_030_261_248)
    return HubRepo(
        name,
        card=card,
        config={"model_type": "llama"},
        safetensors={"parameters": {"BF16": total}, "total": total},
        **about,
    )


def family(quantizations: int = 3) -> list[HubRepo]:
    """Finetune of a finetune, a merge of both, an adapter, and quantizations of the original."""
    original = llama_like(
        ORIGINAL, layers=32, hidden=4096, intermediate=14336, vocabulary=128256, heads=32, kv_heads=8,
        context=131072, shards=4, license_id="llama3.1", downloads=900_000,
    )  # fmt: skip
    text = HubFile.of_text(
        "LICENSE", "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\n\n1. License Rights\n"
    )
    original = replace(original, files=[*original.files, text])
    sizes = {"Llama-8B-Q4_K_M.gguf": 4_920_734_272, "Llama-8B-Q8_0.gguf": 8_540_771_648}
    return [
        original,
        derived("lab/Chat-8B", ORIGINAL, license_id="apache-2.0", downloads=50_000),
        derived("me/Chat-8B-tuned", "lab/Chat-8B", license_id="mit", downloads=70),
        derived("me/Merged-8B", ["lab/Chat-8B", ORIGINAL], "merge", downloads=60),
        derived(
            "me/Adapter-8B", ORIGINAL, "adapter", parameters=4_194_304, library="peft", downloads=50
        ),
        *(
            gguf_repo(
                f"quantizer-{i}/Llama-8B-GGUF",
                sizes=sizes,
                downloads=1000 - i,
                card={"base_model": ORIGINAL},
                gguf={"architecture": "llama", "context_length": 131072, "total": 8_030_261_248},
            )
            for i in range(quantizations)
        ),
    ]
