"""A model as far as it has been read: its files, configuration and headers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from explorer.errors import ExplorerError, HeaderError
from explorer.fit.architecture import Architecture
from explorer.fit.gguf_metadata import from_gguf
from explorer.hub.source import Repo
from explorer.license.classify import terms_for
from explorer.license.terms import Terms
from explorer.weights.checkpoint import (
    Checkpoint,
    Shard,
    active_parameters,
    counts_input_embedding,
)
from explorer.weights.layout import FileGroup, Layout

CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class Model:
    """A model opened from a source. Each shard that arrives makes a new value."""

    repo: Repo
    documents: Mapping[str, Mapping[str, Any]]
    """The small JSON files that are there and well formed, by path: config.json and the like."""
    layout: Layout
    """Which weight files make up the model, and which are variants of it."""
    reading: tuple[FileGroup, ...]
    """The groups whose headers are read."""
    checkpoint: Checkpoint
    architecture: Architecture | None
    problems: tuple[ExplorerError, ...] = ()
    """What could not be read beside the shards, whose errors stand with them."""

    @property
    def id(self) -> str:
        """``org/name``, or a path."""
        return self.repo.listing.id

    @property
    def config(self) -> Mapping[str, Any]:
        """config.json, empty if there is none."""
        return self.documents.get(CONFIG, {})

    @property
    def shards_total(self) -> int:
        """Weight files that make up the model."""
        return len(self.checkpoint.expected)

    @property
    def shards_read(self) -> int:
        """Weight files whose header arrived or failed."""
        return len(self.checkpoint.shards)

    @property
    def unread(self) -> bool:
        """No header of a weight file could be read, so that what the files hold is not known."""
        return not any(shard.header is not None for shard in self.checkpoint.shards)

    @property
    def published_parameters(self) -> int | None:
        """The hub's own count of the files that are read here; None if it has none."""
        # The hub counts what a loader would take, not another variant that was picked.
        return self.repo.listing.parameters if self.reading == self.layout.default else None

    @property
    def parameters(self) -> int | None:
        """All parameters: as every header says, otherwise as the hub does; None if neither is known."""
        return self.checkpoint.counts.parameters if self.complete else self.published_parameters

    @property
    def absent(self) -> tuple[str, ...]:
        """Weight files that belong to the model and are not in the repository."""
        present = {file.path for file in self.repo.files}
        return tuple(path for path in self.checkpoint.expected if path not in present)

    @property
    def errors(self) -> tuple[ExplorerError, ...]:
        """Why parts of the model could not be read, weight files first."""
        failed = (shard.error or _refused(shard) for shard in self.checkpoint.shards)
        return (*(error for error in failed if error is not None), *self.problems)

    @property
    def complete(self) -> bool:
        """Every header that was asked for has arrived."""
        return self.checkpoint.complete

    @property
    def terms(self) -> Terms:
        """What the license lets one do."""
        listing = self.repo.listing
        return terms_for(listing.license, listing.license_name, listing.license_link, listing.id)

    @property
    def active_parameters(self) -> int | None:
        """Parameters a token passes through, as the family's publisher counts them.

        None while headers are missing, or if they do not tell.
        """
        family = self.architecture.model_type if self.architecture else ""
        return self.active_counted(input_embedding=counts_input_embedding(family))

    def active_counted(self, *, input_embedding: bool) -> int | None:
        """Parameters a token passes through, with the input embedding or without; None as above.

        Publishers differ: the embedding is stored, but a token looks up one row of it.
        """
        if not self.complete:
            return None
        return active_parameters(self.checkpoint, self.config, input_embedding=input_embedding)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting a figure, a sentence each."""
        found = [self.repo.caveat] if self.repo.caveat else []
        found += [*self.repo.notes, *(str(problem) for problem in self.problems)]
        found += self.checkpoint.warnings
        difference = self.checkpoint.hub_difference(self.published_parameters)
        return tuple(found + ([difference] if difference else []))

    def with_shards(self, shards: Iterable[Shard]) -> "Model":
        """The model with more headers, or with the reasons why they are missing."""
        model = self
        for shard in shards:
            model = model._with_shard(shard)
        return model

    def _with_shard(self, shard: Shard) -> "Model":
        grown = replace(self, checkpoint=self.checkpoint.with_shard(shard))
        header = shard.header
        if self.architecture is not None or header is None or header.format != "gguf":
            return grown
        try:
            return replace(grown, architecture=from_gguf(header.metadata))
        except HeaderError as error:
            return replace(grown, problems=(*self.problems, error))


def _refused(shard: Shard) -> HeaderError | None:
    """What the format's own implementation would say of a file whose header can be read all the same."""
    header = shard.header
    if header is None or not header.malformed:
        return None
    first, more = header.problems[0], len(header.problems) - 1
    return HeaderError(
        f"{shard.path} is malformed",
        first + (f", and {more} more" if more else ""),
        f"what loads {header.format} files refuses it",
    )
