"""Repositories as the loopback hub knows them: their files, and what a listing says of them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal

from tests.hub.contents import Content, RealBytes

_LFS_SUFFIXES = {
    ".safetensors",
    ".gguf",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".onnx",
    ".msgpack",
}
_LFS_SIZE = 10_000_000


@dataclass(frozen=True)
class HubFile:
    """One file of a repository."""

    path: str
    content: Content

    @classmethod
    def of_text(cls, path: str, text: str) -> "HubFile":
        """A small text file."""
        return cls(path, RealBytes(text.encode()))

    @classmethod
    def of_json(cls, path: str, value: object) -> "HubFile":
        """A small JSON file, laid out as ``save_pretrained`` does."""
        return cls.of_text(path, json.dumps(value, indent=2) + "\n")

    @property
    def lfs(self) -> bool:
        """Whether the hub keeps it in large file storage rather than in git."""
        return PurePosixPath(self.path).suffix in _LFS_SUFFIXES or self.content.size > _LFS_SIZE

    @cached_property
    def pointer(self) -> bytes:
        """The git-lfs pointer that stands in git for it."""
        return (
            "version https://git-lfs.github.com/spec/v1\n"
            f"oid sha256:{self.content.sha256}\nsize {self.content.size}\n"
        ).encode()

    @cached_property
    def oid(self) -> str:
        """Git's blob id: of the pointer for an LFS file."""
        data = self.pointer if self.lfs else self.content.read(0, self.content.size)
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class HubRepo:
    """A model repository, or merely a row of the listing when it has no files."""

    id: str
    files: Sequence[HubFile] = ()
    """Files of ``main``."""
    branches: Mapping[str, Sequence[HubFile]] = field(default_factory=dict)
    """Files of further branches."""
    private: bool = False
    gated: Literal["auto", "manual"] | None = None
    disabled: bool = False
    downloads: int = 0
    likes: int = 0
    trending: int = 0
    created: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    updated: datetime = datetime(2025, 6, 1, tzinfo=UTC)
    task: str | None = "text-generation"
    library: str | None = "transformers"
    tags: tuple[str, ...] = ()
    card: Mapping[str, Any] = field(default_factory=dict)
    """``cardData``: license, language, base_model."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The hub's excerpt of config.json."""
    safetensors: Mapping[str, Any] | None = None
    """``{"parameters": {dtype: count}, "total": count}``."""
    gguf: Mapping[str, Any] | None = None

    @property
    def author(self) -> str:
        """Owner of the repository."""
        return self.id.partition("/")[0]

    @cached_property
    def commits(self) -> Mapping[str, str]:
        """Commit of each branch: a hash of its files, so that a change of content changes it."""
        return {name: self._commit(name, files) for name, files in self._trees()}

    def files_at(self, revision: str) -> tuple[str, Sequence[HubFile]] | None:
        """Commit and files of a branch, a commit or ``HEAD``; None if there is no such revision."""
        wanted = "main" if revision in {"HEAD", "refs/heads/main"} else revision
        for name, files in self._trees():
            if wanted in {name, self.commits[name]}:
                return self.commits[name], files
        return None

    @cached_property
    def listed_tags(self) -> tuple[str, ...]:
        """Tags as the hub derives them from library, task, files and card, then the repository's own."""
        derived = [self.library, self.task, self.config.get("model_type")]
        derived += sorted(
            {PurePosixPath(f.path).suffix[1:] for f in self.files} & {"safetensors", "gguf"}
        )
        derived += _as_list(self.card.get("language"))
        derived += [f"base_model:{base}" for base in _as_list(self.card.get("base_model"))]
        relation = self.card.get("base_model_relation", "finetune")
        derived += [f"base_model:{relation}:{b}" for b in _as_list(self.card.get("base_model"))]
        if license_id := self.card.get("license"):
            derived.append(f"license:{license_id}")
        return tuple(dict.fromkeys([*(tag for tag in derived if tag), *self.tags, "region:us"]))

    @cached_property
    def object_id(self) -> str:
        """A Mongo ObjectId: its first four bytes are the creation time."""
        rest = hashlib.sha256(self.id.encode()).hexdigest()[:16]
        return f"{int(self.created.timestamp()):08x}{rest}"

    def _trees(self) -> Iterator[tuple[str, Sequence[HubFile]]]:
        yield "main", self.files
        yield from self.branches.items()

    def _commit(self, branch: str, files: Iterable[HubFile]) -> str:
        digest = hashlib.sha1(f"{self.id} {branch}".encode(), usedforsecurity=False)
        for file in files:
            digest.update(f"{file.path} {file.oid}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Account:
    """Someone with a token."""

    token: str
    name: str
    sees: tuple[str, ...] = ()
    """Private repositories of others open to this account; its own always are."""
    accepted: tuple[str, ...] = ()
    """Gated repositories whose terms it accepted."""


def _as_list(value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
