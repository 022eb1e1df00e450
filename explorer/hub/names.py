"""What a person types for MODEL, read into a name.

A text is a path on disk when it begins with ``.``, ``/`` or ``~``, is a ``file:`` address, ends like a
weight file, or has no ``/`` and exists. Everything else names a model of the hub, even where a folder
``org/name`` exists: write ``./org/name`` for the folder and ``hf://name`` for the model. A name says
itself where it lives elsewhere: ``ollama:llama3.2:1b``, ``modelscope://owner/name``, a pasted address.
"""

import os
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from explorer.errors import ModelNotFound, UsageError
from explorer.hub.other_names import (
    MODELSCOPE_HOSTS,
    OLLAMA_HOSTS,
    OLLAMA_PREFIX,
    HubName,
    modelscope_endpoint_from_environment,
    parse_ollama,
    place_in_modelscope,
)
from explorer.hub.source import ModelRef

DEFAULT_ENDPOINT = "https://huggingface.co"
WEIGHT_SUFFIXES = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt")

_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co")
_OTHER_KINDS = {
    "datasets": "a dataset",
    "spaces": "a Space",
    "buckets": "a bucket",
    "collections": "a collection",
    "papers": "a paper",
    "docs": "a page of documentation",
    "blog": "an article",
    "models": "a list of models",
    "settings": "a page of settings",
}
_LONGEST = 4_096
_LONGEST_REVISION = 255
# The hub's own rule (huggingface_hub 2.4.0, utils/_validators.py), for each half of a name.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,94}[A-Za-z0-9_])?"
_ID = re.compile(rf"(?:{_PART}/)?{_PART}")
_LONGEST_ID = 96
# git check-ref-format: what no branch, tag or commit has in it.
_NOT_IN_REVISION = re.compile(r"[\s~^:?*\[\\]|\.\.|@\{|//|^[/.-]|[/.]$")
_EXAMPLES = "write org/name, org/name@revision, a hub URL, or a path such as ./model.gguf"


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as a person named it."""

    ref: ModelRef
    """What to look up."""
    local: bool = False
    """Whether it lies on disk; ``ref.id`` is then an absolute path."""
    file: str | None = None
    """The one file a pasted address pointed at, relative to the model."""
    hub: HubName | None = None
    """Where the name says that it lives; None if it doesn't say."""
    endpoint: str | None = None
    """The hub's site, where the name is an address there."""


def endpoint_from_environment() -> str:
    """The hub's address: ``HF_ENDPOINT``, or the public hub."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def parse_name(text: str) -> ModelName:
    """Read what was typed for MODEL.

    Raises UsageError for what is neither a possible model name nor an existing path.
    """
    text = text.strip()
    if not text:
        raise UsageError("No model was named", hint=_EXAMPLES)
    if len(text) > _LONGEST:
        raise UsageError("The model's name is too long", f"{len(text):,} characters", _EXAMPLES)
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in text):
        raise UsageError(
            "The model's name has invisible characters in it", ascii(text[:80]), "type it by hand"
        )
    if text.startswith(OLLAMA_PREFIX):
        return ModelName(ModelRef(str(parse_ollama(text))), hub="ollama")
    scheme, separator, rest = text.partition("://")
    if separator:
        return _parse_address(scheme.lower(), rest, text)
    if text.split("/")[0].lower() in (*_HOSTS, *MODELSCOPE_HOSTS, *OLLAMA_HOSTS):
        return _parse_address("https", text, text)
    if _is_path(text):
        return _local(text)
    return _hub(text, text)


def _parse_address(scheme: str, rest: str, text: str) -> ModelName:
    if scheme == "hf":
        return _hub(rest.removeprefix("models/"), text)
    if scheme == "modelscope":
        return replace(_hub(rest, text), hub="modelscope")
    if scheme == "file":
        return _local(unquote(rest.removeprefix("localhost")))
    if scheme in ("http", "https"):
        return _parse_url(text if "://" in text else f"{scheme}://{rest}", text)
    raise UsageError(f"“{scheme}://” is not an address of models", f"in {text}", _EXAMPLES)


def _parse_url(url: str, text: str) -> ModelName:
    """An address copied from the browser, at a model's page, a folder, a file or a commit."""
    try:
        address = urlsplit(url)
        known = _is_hub(address)
        elsewhere = None if known else _parse_elsewhere(address, text)
    except ValueError as fault:
        raise UsageError("The address cannot be read", f"{text}: {fault}", _EXAMPLES) from fault
    if elsewhere is not None:
        return elsewhere
    if not known:
        raise UsageError(
            f"{address.netloc or text} is not the hub",
            hint=f"addresses of {endpoint_from_environment()} are understood; "
            "set HF_ENDPOINT for another hub",
        )
    parts = [unquote(part) for part in address.path.split("/") if part]
    parts = parts[2:] if parts[:2] == ["api", "models"] else parts
    if not parts:
        raise UsageError("The address names no model", text, _EXAMPLES)
    if parts[0] in _OTHER_KINDS:
        raise UsageError(f"The address is {_OTHER_KINDS[parts[0]]}, not a model", text, _EXAMPLES)
    verbs = ("tree", "blob", "resolve", "raw", "commit", "revision")
    depth = 1 if len(parts) > 1 and parts[1] in verbs else 2
    name, verb, rest = "/".join(parts[:depth]), parts[depth : depth + 1], parts[depth + 1 :]
    if not rest or verb[0] not in verbs:
        return ModelName(ModelRef(_model_id(name, text)))
    # Pull requests are the one kind of revision with a slash that the hub writes unquoted.
    width = 3 if rest[:2] == ["refs", "pr"] else 1
    revision = _revision("/".join(rest[:width]), text)
    file = "/".join(rest[width:]) if verb[0] in ("blob", "resolve", "raw") else ""
    return ModelName(ModelRef(_model_id(name, text), revision), file=file or None)


def _parse_elsewhere(address: SplitResult, text: str) -> ModelName | None:
    """A page of ModelScope or of Ollama's library; None if the address is neither's."""
    host, own = address.hostname or "", urlsplit(modelscope_endpoint_from_environment())
    parts = [unquote(part) for part in address.path.split("/") if part]
    if host in OLLAMA_HOSTS:
        return ModelName(ModelRef(str(parse_ollama("/".join(parts)))), hub="ollama")
    endpoint = MODELSCOPE_HOSTS.get(host)
    if (host, address.port) == (own.hostname, own.port):
        endpoint = own.geturl()
    if endpoint is None:
        return None
    place = place_in_modelscope(parts, text)
    revision = _revision(place.revision, text) if place.revision else None
    ref = ModelRef(_model_id(place.model, text), revision)
    return ModelName(ref, file=place.file, hub="modelscope", endpoint=endpoint)


def _is_hub(address: SplitResult) -> bool:
    host, own = address.hostname, urlsplit(endpoint_from_environment())
    return host in _HOSTS or (host, address.port) == (own.hostname, own.port)


def _hub(name: str, text: str) -> ModelName:
    identity, separator, revision = name.strip("/").partition("@")
    if not separator:
        return ModelName(ModelRef(_model_id(identity, text)))
    return ModelName(ModelRef(_model_id(identity, text), _revision(revision, text)))


def _model_id(identity: str, text: str) -> str:
    wrong = "--" in identity or ".." in identity or identity.endswith(".git")
    if _ID.fullmatch(identity) and len(identity) <= _LONGEST_ID and not wrong:
        return identity
    detail = f"“{_clip(text)}”"
    if "/" in text and Path(text).expanduser().exists():
        raise UsageError("Not a model's name", detail, f"for the path on disk write ./{text}")
    if ":" in identity:
        raise UsageError("Not a model's name", detail, "leave out “:...”; --quant names a variant")
    raise UsageError("Not a model's name", detail, _EXAMPLES)


def _revision(revision: str, text: str) -> str:
    if not revision or len(revision) > _LONGEST_REVISION or _NOT_IN_REVISION.search(revision):
        raise UsageError(
            "Not a revision", f"in “{_clip(text)}”", "write a branch, a tag or a commit after “@”"
        )
    return revision


def _is_path(text: str) -> bool:
    if text.startswith((".", "/", "~", "\\")) or re.match(r"[A-Za-z]:[\\/]", text):
        return True
    if text.lower().endswith(WEIGHT_SUFFIXES):
        return True
    return "/" not in text and Path(text).exists()


def _local(text: str) -> ModelName:
    try:
        path = Path(text).expanduser()
        found = path.exists()
    except (OSError, RuntimeError, ValueError) as fault:
        raise UsageError("The path cannot be read", f"“{_clip(text)}”: {fault}") from fault
    if not found:
        raise ModelNotFound(
            "No such file or folder",
            f"“{_clip(text)}”",
            "for a model of the hub write hf://org/name",
        )
    # Not resolve(): a hub cache's links tell the model's own file names.
    return ModelName(ModelRef(str(path.absolute())), local=True)


def _clip(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"
