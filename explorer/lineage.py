"""Where a model comes from, judged from what its listing says. Knows nothing of where listings come from.

The hub keeps four relations between a model and its bases (its documentation of model cards, "Specifying a
base model"): finetune, adapter, merge and quantized, each as a tag ``base_model:<relation>:<org/name>``.
Distillation is none of them: only a model's own name or tags tell it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from explorer.hub.source import Listing

MOST_BASES = 24
"""Bases of one model that are followed: merges of merges name dozens."""

_TAG = "base_model:"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,95}"
_NAME = re.compile(rf"{_PART}/{_PART}")
_DISTILLED = re.compile(r"(?:^|[-_. /])distil(?:l|led|lation)?(?=$|[-_. ])", re.IGNORECASE)
_PACKED = {"gguf", "awq", "gptq", "exl2", "exl3", "mlx", "ctranslate2"}
_ADAPTERS = {"peft", "lora"}


class Relation(StrEnum):
    """What was done to a base to get a model, as the hub calls it."""

    FINETUNE = "finetune"
    ADAPTER = "adapter"
    MERGE = "merge"
    QUANTIZED = "quantized"


@dataclass(frozen=True, slots=True)
class Descent:
    """The step from a model's bases to the model."""

    bases: tuple[str, ...] = ()
    """Names of models of the hub, the first the most important; empty for an original."""
    relation: Relation | None = None
    """None for an original."""
    inferred: bool = False
    """The relation is not said by card or hub, but follows from the model's format and bases."""
    distilled: bool = False
    """The model's name or tags call it a distillation, and none of its bases is called one."""
    unfollowed: tuple[str, ...] = ()
    """Bases that are no names of the hub, or too many."""

    @property
    def word(self) -> str:
        """The step in a word or two, for people: ``finetune``, ``distillation``, ``original``."""
        if self.distilled and self.relation in {None, Relation.FINETUNE}:
            return "distillation"
        return self.relation.value if self.relation else "original"


def descent(listing: Listing) -> Descent:
    """The bases a listing names, and the relation to them."""
    named = list(dict.fromkeys(listing.base_models or _tagged_bases(listing.tags)))
    found = dict.fromkeys(name for base in named if (name := _hub_name(base)))
    found.pop(listing.id, None)
    bases = tuple(found)
    strange = [base for base in named if _hub_name(base) is None]
    distilled = _is_distilled(listing, bases)
    if not bases:
        return Descent(distilled=distilled, unfollowed=tuple(strange))
    said = _said_relation(listing)
    return Descent(
        bases=bases[:MOST_BASES],
        relation=said or _likely_relation(listing, bases),
        inferred=said is None,
        distilled=distilled,
        unfollowed=(*strange, *bases[MOST_BASES:]),
    )


def derived_tag(model_id: str, relation: Relation) -> str:
    """The tag that every model derived in this way from a model carries."""
    return f"{_TAG}{relation.value}:{model_id}"


def derives_from(listing: Listing, model_id: str, relation: Relation) -> bool:
    """Whether a listing says that its model was made of another in this way."""
    wanted = derived_tag(model_id, relation).lower()
    if any(tag.lower() == wanted for tag in listing.tags):
        return True
    step = descent(listing)
    return step.relation is relation and model_id.lower() in {b.lower() for b in step.bases}


def _is_distilled(listing: Listing, bases: tuple[str, ...]) -> bool:
    about = (listing.id, *(tag for tag in listing.tags if not tag.startswith(_TAG)))
    called = any(_DISTILLED.search(text) for text in about)
    return called and not any(_DISTILLED.search(base) for base in bases)


def _tagged_bases(tags: tuple[str, ...]) -> Iterator[str]:
    """``base_model:org/name``, and the same with a relation between."""
    for tag in tags:
        if tag.startswith(_TAG):
            rest = tag.removeprefix(_TAG)
            relation, _, name = rest.partition(":")
            yield name if relation in {*Relation} and name else rest


def _said_relation(listing: Listing) -> Relation | None:
    """The hub's or the card's word, else the one in the tags."""
    words = [listing.base_relation or ""]
    words += [
        tag.removeprefix(_TAG).partition(":")[0] for tag in listing.tags if tag.startswith(_TAG)
    ]
    return next((Relation(word) for word in words if word in {*Relation}), None)


def _likely_relation(listing: Listing, bases: tuple[str, ...]) -> Relation:
    """What the hub itself would suppose from the files' kind and the number of bases."""
    about = {(listing.library or "").lower(), *(tag.lower() for tag in listing.tags)}
    if about & _ADAPTERS:
        return Relation.ADAPTER
    if about & _PACKED or listing.gguf is not None or "quantization_config" in listing.config:
        return Relation.QUANTIZED
    return Relation.MERGE if len(bases) > 1 else Relation.FINETUNE


def _hub_name(text: str) -> str | None:
    """``org/name``, also out of an address of the hub; None for anything else."""
    name = text.strip()
    if name.startswith(("https://", "http://")):
        try:
            name = "/".join(urlsplit(name).path.strip("/").split("/")[:2])
        except ValueError:
            return None
    return name if _NAME.fullmatch(name) and ".." not in name else None
