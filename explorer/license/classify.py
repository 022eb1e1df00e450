"""Which license a model carries, from what its card and tags say.

The facts are ``terms.json``: one entry a license with its permissions, the sentences they were read from, the
source and how far it was read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import cast

from explorer.license.terms import UNKNOWN_CAVEAT, Permission, Terms, strictest

MAX_TEXT = 200

_UNSAID = {"", "other", "unknown", "none", "null"}


def terms_for(
    license_id: str | None,
    license_name: str | None = None,
    license_link: str | None = None,
    model_id: str | None = None,
) -> Terms:
    """The terms a model's card names.

    ``license_id`` is the hub's (``llama3.1``, ``other``, or several with commas, of which the strictest
    hold); ``license_name`` and ``license_link`` are the card's own words where the id is ``other``. A tag
    that several licenses share is told apart by the model's organisation. What is not known is answered with
    every permission unknown, the link, and a caveat that says so; nothing is guessed from words in a name.
    """
    ids = [part for part in _tidy(license_id).lower().split(",") if part.strip()][:8]
    if len(ids) > 1:
        return strictest(*(terms_for(one, license_name, license_link, model_id) for one in ids))
    model, link = _tidy(model_id), _tidy(license_link)
    name = _tidy(license_name)
    spellings = [
        spelling for spelling in (_slug("".join(ids)), _slug(name)) if spelling not in _UNSAID
    ]
    for spelling in spellings:
        candidates = _by_spelling().get(spelling, ())
        chosen = candidates[0] if len(candidates) == 1 else _of_organisation(candidates, model)
        if chosen is not None:
            return _carried(chosen, "".join(ids), link, model)
    if not spellings and (chosen := _by_model().get(model.lower())) is not None:
        return _carried(chosen, "".join(ids), link, model)
    shown = name if not ids or ids[0] in _UNSAID else ids[0]
    return Terms(
        id=ids[0].strip() if ids else "",
        name=shown or ("other" if ids else "unknown"),
        title=name,
        caveat=UNKNOWN_CAVEAT if ids or name else "the model names no license",
        link=_address(link, model),
        model_id=model,
    )


@cache
def known() -> tuple[Terms, ...]:
    """Every license of the data, in its order."""
    return tuple(_terms(entry) for entry in _entries())


def _carried(terms: Terms, license_id: str, link: str, model: str) -> Terms:
    """The license as one model carries it: with the hub's id where the data's tells namesakes apart."""
    own_id = license_id.strip() if " (" in terms.id else terms.id
    return replace(terms, id=own_id or "other", link=_address(link, model), model_id=model)


def _of_organisation(candidates: tuple[Terms, ...], model: str) -> Terms | None:
    """The candidate whose example models come from the model's organisation, if there is exactly one."""
    owner = model.partition("/")[0].lower()
    fitting = [
        terms
        for terms in candidates
        if any(example.partition("/")[0].lower() == owner for example in _examples()[terms.id])
    ]
    return fitting[0] if owner and len(fitting) == 1 else None


@cache
def _entries() -> tuple[Mapping[str, object], ...]:
    text = Path(__file__).with_name("terms.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["licenses"])


@cache
def _examples() -> Mapping[str, tuple[str, ...]]:
    return {
        cast(str, entry["id"]): tuple(cast(list[str], entry["example_models"]))
        for entry in _entries()
    }


@cache
def _by_spelling() -> Mapping[str, tuple[Terms, ...]]:
    index: dict[str, tuple[Terms, ...]] = {}
    for entry, terms in zip(_entries(), known(), strict=True):
        names = [terms.id, terms.title, *cast(list[str], entry["aliases"])]
        for spelling in dict.fromkeys(_slug(name) for name in names):
            index[spelling] = (*index.get(spelling, ()), terms)
    return index


@cache
def _by_model() -> Mapping[str, Terms]:
    """Licenses of models whose card says nothing or only ``other``: those the data names."""
    return {model.lower(): terms for terms in known() for model in _examples()[terms.id]}


def _terms(entry: Mapping[str, object]) -> Terms:
    text = {key: value for key, value in entry.items() if isinstance(value, str)}
    return Terms(
        id=text["id"],
        name=text["name"],
        commercial=Permission(text["commercial"]),
        hosting=Permission(text["hosting"]),
        train_on_outputs=Permission(text["train_on_outputs"]),
        title=text["title"],
        commercial_text=text["commercial_text"],
        hosting_text=text["hosting_text"],
        outputs_text=text["outputs_text"],
        thresholds=text["thresholds"],
        territory=text["territory"],
        attribution=text["attribution"],
        use_restrictions=text["use_restrictions"],
        source=text["source"],
        confidence=text["confidence"],
        caveat=text["note"],
    )


def _tidy(text: str | None) -> str:
    """Text of a card as one short printable line."""
    if not text:
        return ""
    line = text[: 4 * MAX_TEXT]
    if not line.isprintable():
        line = "".join(character if character.isprintable() else " " for character in line)
    return " ".join(line.split())[:MAX_TEXT]


@lru_cache(maxsize=4096)
def _slug(text: str) -> str:
    """A spelling for comparison: lower case, everything but letters, digits, points and pluses a hyphen."""
    return re.sub(r"[^a-z0-9.+]+", "-", text.lower()).strip("-")


def _address(link: str, model: str) -> str:
    """The address of a license text; a file's name is taken as one of the model's repository."""
    if not link or link.lower().startswith(("https://", "http://")):
        return link
    if ":" in link or not model:
        return ""
    return f"https://huggingface.co/{model}/blob/main/{link.lstrip('./')}"
