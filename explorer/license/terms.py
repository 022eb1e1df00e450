"""What a license lets one do, and the three questions people ask of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

UNKNOWN_CAVEAT = "unknown: read it yourself"


class Permission(StrEnum):
    """An answer, from the freest to the strictest."""

    YES = "yes"
    CONDITIONS = "conditions"
    """Yes, below a threshold, after a registration, or as long as something is done."""
    UNKNOWN = "unknown"
    """Not looked for, not found, or not one answer: nothing may be promised."""
    NO = "no"


_STRICTNESS = tuple(Permission)


@dataclass(frozen=True, slots=True)
class Imposition:
    """Who in a lineage is the strictest in one respect."""

    what: str
    """``commercial``, ``hosting`` or ``train_on_outputs``."""
    permission: Permission
    license: str
    """Its short name."""
    model_id: str
    """The model that carries it; empty when not known."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Facts of one license, or of the strictest of several. For display, not legal advice."""

    id: str
    """As the hub spells it: ``apache-2.0``, ``llama3.1``; empty when a model names none."""
    name: str
    """Short, for a column: ``Apache-2.0``, ``Llama 3.1``."""
    commercial: Permission = Permission.UNKNOWN
    """Using the model at work."""
    hosting: Permission = Permission.UNKNOWN
    """Offering it to others as a service."""
    train_on_outputs: Permission = Permission.UNKNOWN
    """Training or distilling another model on what it writes."""
    title: str = ""
    commercial_text: str = ""
    hosting_text: str = ""
    outputs_text: str = ""
    thresholds: str = ""
    """Users or revenue above which more is asked."""
    territory: str = ""
    attribution: str = ""
    use_restrictions: str = ""
    source: str = ""
    """Where the facts were read."""
    confidence: str = ""
    """How far: ``clauses searched``, ``secondary``, ``from memory``."""
    caveat: str = ""
    """What to keep in mind; ``unknown: read it yourself`` where nothing is known."""
    link: str = ""
    """The license's text as the model's card gives it."""
    model_id: str = ""
    """Whose license it is, where that was said."""
    imposed_by: tuple[Imposition, ...] = ()
    """Of combined terms: where each answer short of yes comes from."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, its verdict, and a sentence that says why."""

    question: str
    verdict: Permission
    sentence: str


def questions(terms: Terms) -> tuple[Answer, Answer, Answer]:
    """May I use it at work, may I sell it as a service, may I distil from it."""
    return (
        Answer(
            "May I use it at work?",
            terms.commercial,
            _sentence(
                terms,
                "commercial",
                terms.commercial_text,
                terms.thresholds,
                terms.territory,
                f"use restrictions: {terms.use_restrictions or 'none'}",
            ),
        ),
        Answer(
            "May I sell it as a service?",
            terms.hosting,
            _sentence(terms, "hosting", terms.hosting_text, terms.thresholds, terms.territory),
        ),
        Answer(
            "May I distil from it?",
            terms.train_on_outputs,
            _sentence(terms, "train_on_outputs", terms.outputs_text),
        ),
    )


_SAYS_NOTHING = {
    "",
    "-",
    "none",
    "none to use",
    "with conditions",
    "no separate rule",
    "see thresholds",
    "none in the licence",
    "use restrictions: none",
}
"""How the data says that it has nothing to say."""

_OPENING = {
    Permission.YES: "Yes",
    Permission.CONDITIONS: "Under conditions",
    Permission.UNKNOWN: "Unknown",
    Permission.NO: "No",
}


def _sentence(terms: Terms, what: str, text: str, *limits: str) -> str:
    """The verdict, who imposes it, and what the license says of it."""
    permission: Permission = getattr(terms, what)
    opening = _OPENING[permission]
    by = next((one for one in terms.imposed_by if one.what == what), None)
    if by is not None:
        opening += f", because of {by.license}" + (f" ({by.model_id})" if by.model_id else "")
    said = [_without_verdict(text)]
    if permission is not Permission.UNKNOWN:
        said += limits
    said = [fact for fact in said if fact not in _SAYS_NOTHING]
    if not said and permission is Permission.CONDITIONS:
        said = [terms.attribution or terms.hosting_text or "read the license yourself"]
    if permission is Permission.UNKNOWN:
        said.append("read the license yourself" + (f": {terms.link}" if terms.link else ""))
    joined = "; ".join(said)
    return f"{opening}{' ' if joined.startswith('(') else ': ' if joined else ''}{joined}."


def _without_verdict(text: str) -> str:
    """A sentence of the data less the yes or no that it opens with."""
    return re.sub(r"^(?:yes\b|no(?=$|[,:]| \())[,:]?\s*", "", text)


def strictest(*lineage: Terms) -> Terms:
    """What holds for a model derived from others: in each respect the strictest of their terms.

    The model's own terms come first and give the id. ``imposed_by`` says which license makes each answer less
    than yes; of equally strict ones the first is named. Raises ValueError without any terms.
    """
    if not lineage:
        raise ValueError("no terms to combine")
    first_of: dict[tuple[str, str], Terms] = {}
    for terms in lineage:
        first_of.setdefault((terms.id, terms.name), terms)
    distinct = tuple(first_of.values())
    own = lineage[0]
    if len(distinct) == 1:
        return own
    impositions = [
        imposition
        for what in ("commercial", "hosting", "train_on_outputs")
        if (imposition := _imposition(what, distinct)).permission is not Permission.YES
    ]
    commercial = _hardest(distinct, lambda terms: terms.commercial)
    hosting = _hardest(distinct, lambda terms: terms.hosting)
    outputs = _hardest(distinct, lambda terms: terms.train_on_outputs)
    return replace(
        own,
        name=" + ".join(dict.fromkeys(terms.name for terms in distinct)),
        title=" and ".join(dict.fromkeys(terms.title for terms in distinct if terms.title)),
        commercial=commercial.commercial,
        hosting=hosting.hosting,
        train_on_outputs=outputs.train_on_outputs,
        commercial_text=commercial.commercial_text,
        hosting_text=hosting.hosting_text,
        outputs_text=outputs.outputs_text,
        thresholds=_joined(distinct, lambda terms: terms.thresholds),
        territory=_joined(distinct, lambda terms: terms.territory),
        attribution=_joined(distinct, lambda terms: terms.attribution),
        use_restrictions=_joined(distinct, lambda terms: terms.use_restrictions),
        source=_joined(distinct, lambda terms: terms.source),
        confidence=_joined(distinct, lambda terms: terms.confidence),
        caveat=_joined(distinct, lambda terms: terms.caveat),
        imposed_by=tuple(impositions),
    )


def _hardest(lineage: tuple[Terms, ...], read: Callable[[Terms], Permission]) -> Terms:
    return max(lineage, key=lambda terms: _STRICTNESS.index(read(terms)))


def _imposition(what: str, lineage: tuple[Terms, ...]) -> Imposition:
    hardest = _hardest(lineage, lambda terms: getattr(terms, what))
    return Imposition(what, getattr(hardest, what), hardest.name, hardest.model_id)


def _joined(lineage: tuple[Terms, ...], read: Callable[[Terms], str]) -> str:
    """What each says, by license; nothing where none says anything."""
    return "; ".join(
        f"{terms.name}: {read(terms)}" for terms in lineage if read(terms) not in _SAYS_NOTHING
    )
