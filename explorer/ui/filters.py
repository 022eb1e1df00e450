"""The filters that have a chip or a place in a list, and what each can be set to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from explorer.inspection.filters import Filters


class Filter(NamedTuple):
    """One filter: the question it asks, and its values with what they are called."""

    title: str
    values: Mapping[str, str]


TASKS = {
    "any": "any task",
    "text-generation": "text generation",
    "image-text-to-text": "images and text to text",
    "any-to-any": "any to any",
    "feature-extraction": "embeddings (feature extraction)",
    "sentence-similarity": "embeddings (sentence similarity)",
    "text-ranking": "reranking",
    "automatic-speech-recognition": "speech recognition",
    "text-to-speech": "text to speech",
    "text-to-image": "text to image",
    "text-to-video": "text to video",
}
USES = {
    "commercial": "that allows commercial use",
    "hosting": "that allows hosting it as a service",
    "outputs": "that allows training on outputs",
}
LICENSES = {
    "any": "any license",
    **USES,
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "llama3.1": "Llama 3.1",
    "llama3.3": "Llama 3.3",
    "gemma": "Gemma",
    "cc-by-4.0": "CC BY 4.0",
    "cc-by-nc-4.0": "CC BY-NC 4.0 (not commercial)",
    "other": "other: each its own",
}

CHOICES: dict[str, Filter] = {
    "sort": Filter(
        "Sort by",
        {
            "trending": "trending now",
            "downloads": "downloads in the last 30 days",
            "likes": "likes",
            "updated": "updated last",
            "created": "created last",
        },
    ),
    "task": Filter("Task", TASKS),
    "license": Filter("License", LICENSES),
    "fits": Filter(
        "On this machine",
        {
            "any": "show every model",
            "fits": "only what fits on the accelerator",
            "runs": "what fits, or runs partly on the host",
        },
    ),
}
VERDICTS = {"fits": "tight", "runs": "offload"}
"""The worst verdict that each choice of ``fits`` lets through."""

WORDS = {
    "params:7B..32B": "parameters; ..8B, 70B.., 8B",
    "active:..4B": "active parameters",
    "speed:>=20": "tokens a second here, at least",
    "context:>=128k": "made for at least so much",
    "quant:Q4_K": "runs here in this quantization",
    "format:gguf": "files: gguf, safetensors, awq, mlx",
    "license:commercial": "or hosting, outputs, apache-2.0",
    "author:Qwen": "user or organisation",
    "library:transformers": "library",
    "lang:de": "language",
    "gated:no": "without terms to accept first",
    "updated:90d": "updated since, also 6mo, 2026-01-01",
    "created:1y": "created since",
}
"""Words of the search line with what each asks for; an example stands after the colon."""

CONTEXTS = Filter(
    "Context to judge for",
    {
        "default": "8K, or the model's own limit",
        "4096": "4K",
        "16384": "16K",
        "32768": "32K",
        "65536": "64K",
        "131072": "128K",
        "262144": "256K",
        "1048576": "1M",
    },
)


def chips_of(filters: "Filters") -> tuple[tuple[str, str], ...]:
    """The chips with their present values."""
    verdict = str(filters.verdict or "")
    fits = next((name for name, worst in VERDICTS.items() if worst == verdict), verdict or "any")
    return (
        ("sort", filters.sort),
        ("task", filters.task or "any"),
        ("license", " ".join((*filters.allows, filters.license)).strip() or "any"),
        ("fits", fits),
    )


def with_choice(filters: "Filters", name: str, value: str) -> str:
    """The words of the filters with one chip set to a value."""
    from explorer.inspection.filter_words import format_filters, parse_filters

    cleared = {
        "sort": lambda: replace(filters, sort="trending"),
        "task": lambda: replace(filters, task=""),
        "license": lambda: replace(filters, license="", allows=()),
        "fits": lambda: replace(filters, verdict=None),
    }[name]()
    if value == "any":
        return format_filters(cleared)
    word = value if name == "fits" else f"{name}:{value}"
    return format_filters(parse_filters(f"{format_filters(cleared)} {word}"))
