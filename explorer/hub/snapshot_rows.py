"""Rows of the snapshot: found as the hub would find them, shown as listings."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from explorer.hub.snapshot_codec import Contents, Row, damaged
from explorer.hub.source import Listing, Query


class Rows:
    """The rows of an opened snapshot. Listings are made of those that are shown only."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self._listings = (
            {row.id: row for row in contents.origin.listings} if contents.origin else {}
        )
        self._rows = contents.rows or tuple(_summary(row) for row in self._listings.values())
        self._by_name = {row.id.lower(): row for row in self._rows}
        self._bases: dict[str, str] | None = None

    def row(self, name: str) -> Row | None:
        """The row of this name, whatever its case; also of a GGUF repository that a row knows of."""
        found = self._by_name.get(name.lower())
        if found is None and name in self._base_of():
            found = _conversion(name)
        return found

    def near(self, name: str) -> list[str]:
        """Up to three names that may have been meant: of another owner, or spelt much the same."""
        import difflib

        folded = name.lower()
        bare = folded.rpartition("/")[2]
        same = [row.id for key, row in self._by_name.items() if key.rpartition("/")[2] == bare]
        close = difflib.get_close_matches(folded, self._by_name, n=3, cutoff=0.8)
        return list(dict.fromkeys([*same, *(self._by_name[key].id for key in close)]))[:3]

    def found(self, query: Query) -> list[Row]:
        """Rows that a query asks for, in its order; those that lack what it sorts by come last.

        GGUF repositories that are merely known by name show when a tag asks for them.
        """
        rows: list[Row] = list(self._rows)
        if any(tag == "gguf" or tag.startswith("base_model:") for tag in query.tags):
            rows += [
                _conversion(name) for name in self._base_of() if name.lower() not in self._by_name
            ]
        wanted = [row for row in rows if self._matches(row, query)]
        if query.sort == "likes":
            wanted.sort(key=lambda row: -(row.likes or 0))
        elif query.sort == "downloads":
            wanted.sort(key=lambda row: -(row.downloads or 0))
        elif query.sort == "created" or (query.sort == "updated" and not self._listings):
            wanted.sort(key=lambda row: row.created or "", reverse=True)
        elif query.sort == "updated":
            wanted.sort(key=self._updated, reverse=True)
        return wanted

    def listing(self, row: Row) -> Listing:
        """A row as sources give it, with its whole config where the snapshot has it."""
        origin = self.contents.origin
        if origin is not None:
            held = self._listings[row.id]
            said = f"snapshot of {self.contents.date}; read from {origin.title}"
            said += f", {held.provenance}" if held.provenance else ""
            return replace(held, config=self._whole_config(held), provenance=said)
        said = self.contents.provenances[row.provenance]
        base = self._base_of().get(row.id)
        return Listing(
            id=row.id,
            author=row.id.partition("/")[0],
            downloads=row.downloads,
            likes=row.likes,
            created=datetime.fromisoformat(row.created).replace(tzinfo=UTC)
            if row.created
            else None,
            task=row.task,
            library="gguf" if base else None,
            license=row.license,
            parameters=row.parameters,
            parameters_by_dtype=row.parameters_by_dtype,
            config=self._config(row),
            tags=self._tags(row),
            languages=tuple(row.languages),
            base_models=(base,) if base else (),
            base_relation="quantized" if base else None,
            provenance=f"snapshot of {self.contents.date}; {said}",
        )

    def _whole_config(self, held: Listing) -> Mapping[str, Any]:
        """config.json of a real model, which may be anything; what its row has of it, otherwise."""
        if held.id not in self.contents.places:
            return held.config
        try:
            config = json.loads(self.contents.texts(held.id).texts.get("config.json", "{}"))
        except (ValueError, RecursionError):
            return held.config
        return config if isinstance(config, dict) and config else held.config

    def _updated(self, row: Row) -> float:
        moment = self._listings[row.id].updated
        return moment.timestamp() if moment else 0.0

    def _config(self, row: Row) -> Mapping[str, Any]:
        if row.id not in self.contents.places:
            return {"model_type": row.model_type} if row.model_type else {}
        text = self.contents.texts(row.id).texts.get("config.json")
        if text is None:
            return {}
        try:
            config: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise damaged(f"config.json of {row.id}: {error}") from error
        return config

    def _matches(self, row: Row, query: Query) -> bool:
        name = row.id.lower()
        return (
            all(word in name for word in query.text.lower().split())
            and (query.author is None or name.partition("/")[0] == query.author.lower())
            and query.task in {None, row.task}
            and query.gated in {None, self._is_gated(row)}
            and _within(row.parameters, query)
            and (not query.tags or set(query.tags) <= set(self._tags(row)))
        )

    def _is_gated(self, row: Row) -> bool:
        """What a whole row says; no row of the bundled snapshot tells, so none is taken to be."""
        listing = self._listings.get(row.id)
        return listing is not None and bool(listing.gated)

    def _tags(self, row: Row) -> tuple[str, ...]:
        """Tags as the hub derives them from what the row says, or those that a whole row has."""
        if row.id in self._listings:
            listing = self._listings[row.id]
            license_tags = (f"license:{row.license}",) if row.license else ()
            return (*listing.tags, *license_tags, *listing.languages)
        tags = [row.model_type, row.task, *row.languages]
        tags += [f"license:{row.license}"] if row.license else []
        if base := self._base_of().get(row.id):
            tags += ["gguf", f"base_model:{base}", f"base_model:quantized:{base}"]
        return tuple(tag for tag in tags if tag)

    def _base_of(self) -> Mapping[str, str]:
        """GGUF repository to the model it holds."""
        if self._bases is None:
            self._bases = {
                name: row.id for row in reversed(self.contents.rows) for name in row.gguf_repos
            }
        return self._bases


def _within(parameters: int | None, query: Query) -> bool:
    """Whether a count is in the range that is asked for; an unknown one is only where none is."""
    if parameters is None:
        return query.parameters_least is None and query.parameters_most is None
    least, most = query.parameters_least, query.parameters_most
    return (least is None or parameters >= least) and (most is None or parameters <= most)


def _summary(listing: Listing) -> Row:
    """A whole row as the few columns by which rows are found."""
    model_type = listing.config.get("model_type")
    return Row(
        id=listing.id,
        downloads=listing.downloads,
        likes=listing.likes,
        license=listing.license,
        task=listing.task,
        created=listing.created.isoformat() if listing.created else None,
        model_type=model_type if isinstance(model_type, str) else None,
        languages=listing.languages,
        gguf_repos=(),
        parameters=listing.parameters or (listing.gguf.parameters if listing.gguf else None),
        parameters_by_dtype=listing.parameters_by_dtype,
        provenance=0,
    )


def _conversion(name: str) -> Row:
    """The row of a repository of which only the name is known."""
    return Row(name, None, None, None, None, None, None, (), (), None, {}, 0)
