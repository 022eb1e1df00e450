"""Names of models in places other than Hugging Face: ModelScope's addresses, Ollama's short names."""

import os
import re
from typing import Literal, NamedTuple, TypeAlias

from explorer.errors import UsageError

HubName: TypeAlias = Literal["huggingface", "modelscope", "ollama"]

DEFAULT_MODELSCOPE = "https://modelscope.cn"
INTERNATIONAL_MODELSCOPE = "https://www.modelscope.ai"
DEFAULT_OLLAMA = "https://registry.ollama.ai"
MODELSCOPE_HOSTS = {
    "modelscope.cn": DEFAULT_MODELSCOPE,
    "www.modelscope.cn": DEFAULT_MODELSCOPE,
    "modelscope.ai": INTERNATIONAL_MODELSCOPE,
    "www.modelscope.ai": INTERNATIONAL_MODELSCOPE,
}
"""The sites of ModelScope, each with the endpoint that serves it."""
OLLAMA_HOSTS = ("ollama.com", "www.ollama.com", "ollama.ai", "registry.ollama.ai")
OLLAMA_PREFIX = "ollama:"

_LIBRARY = "library"
_LATEST = "latest"
# types/model/name.go of ollama: a namespace has no dots, no part is longer than this.
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_EXAMPLES = "write ollama:llama3.2, ollama:llama3.2:1b or ollama:owner/model:tag"


class OllamaName(NamedTuple):
    """A model of Ollama's registry."""

    namespace: str
    model: str
    tag: str

    @property
    def path(self) -> str:
        """``library/llama3.2``, as the registry has it."""
        return f"{self.namespace}/{self.model}"

    def __str__(self) -> str:
        """``ollama:llama3.2:1b``, which reads back as the same name."""
        owner = "" if self.namespace == _LIBRARY else f"{self.namespace}/"
        return f"{OLLAMA_PREFIX}{owner}{self.model}:{self.tag}"


class Place(NamedTuple):
    """What an address of ModelScope points at."""

    model: str
    revision: str | None
    file: str | None


def modelscope_endpoint_from_environment() -> str:
    """ModelScope's address: ``MODELSCOPE_ENDPOINT``, which may be a bare host, or the public site.

    ``MODELSCOPE_DOMAIN`` is its former name, which its own client still reads.
    """
    named = [
        os.environ.get(name, "").strip() for name in ("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN")
    ]
    value = next(filter(None, named), DEFAULT_MODELSCOPE)
    value = value if "://" in value else f"https://{value}"
    return value.rstrip("/")


def ollama_endpoint_from_environment() -> str:
    """The registry's address: ``WEIGHTS_OLLAMA_REGISTRY``, for a mirror, or the public registry."""
    return (os.environ.get("WEIGHTS_OLLAMA_REGISTRY") or DEFAULT_OLLAMA).rstrip("/")


def parse_ollama(text: str) -> OllamaName:
    """Read ``[namespace/]model[:tag]``, with or without ``ollama:`` before it. Raises UsageError."""
    rest = text.removeprefix(OLLAMA_PREFIX).removeprefix("//").strip("/")
    name, _, tag = rest.partition(":")
    parts = name.split("/")
    if len(parts) > 1 and parts[0].lower() in OLLAMA_HOSTS:
        parts = parts[1:]
    if "." in parts[0] and len(parts) > 1:
        raise UsageError(
            f"“{parts[0]}” is not Ollama's registry",
            f"in {text}",
            "name a repository of Hugging Face without “ollama:”; " + _EXAMPLES,
        )
    namespace, model = (_LIBRARY, parts[0]) if len(parts) == 1 else (parts[0], parts[-1])
    tag = tag if ":" in rest else _LATEST
    valid = _NAMESPACE.fullmatch(namespace) and _PART.fullmatch(model) and _PART.fullmatch(tag)
    if len(parts) > 2 or not valid or ".." in rest:
        raise UsageError("Not a name of Ollama's registry", f"“{text[:200]}”", _EXAMPLES)
    return OllamaName(namespace, model, tag)


def place_in_modelscope(parts: list[str], text: str) -> Place:
    """The model, revision and file of an address's path: a model's page, its files, or one file.

    Raises UsageError for a page that is no model's.
    """
    if len(parts) < 3 or parts[0] != "models":
        raise UsageError(
            "The address is no model of ModelScope", text, "copy the address of a model's page"
        )
    model, rest = "/".join(parts[1:3]), parts[3:]
    if rest[:2] == ["file", "view"]:
        rest = ["resolve", *rest[2:]]
    if rest[:1] == ["resolve"] and len(rest) > 1:
        return Place(model, rest[1], "/".join(rest[2:]) or None)
    return Place(model, None, None)
