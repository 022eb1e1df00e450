"""The filters of the listing and what each can be set to."""

from collections.abc import Mapping
from typing import NamedTuple


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
LICENSES = {
    "any": "any license",
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
