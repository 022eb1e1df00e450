"""What a listing is narrowed down to: the part that is asked of the hub, and the part judged row by row.

A question about a row has three answers: yes, no, and not known. A row passes where every answer is yes;
what is not known never counts as yes, and is counted apart so that it can be said.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

from explorer.fit.values import RANK, Verdict
from explorer.hub.source import Listing, Query, Sort
from explorer.inspection.rows import Row
from explorer.license.terms import Permission, Terms

Use: TypeAlias = Literal["commercial", "hosting", "outputs"]

_PERMISSIONS: dict[Use, Callable[[Terms], Permission]] = {
    "commercial": lambda terms: terms.commercial,
    "hosting": lambda terms: terms.hosting,
    "outputs": lambda terms: terms.train_on_outputs,
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range of counts, both ends included; an end that is None is open."""

    least: int | None = None
    most: int | None = None

    def hold(self, value: int | None) -> bool | None:
        """Whether a count lies within; None if it is not known and that matters."""
        if self == _ANY:
            return True
        if value is None:
            return None
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )


@dataclass(frozen=True, slots=True)
class Period:
    """A range of days, both ends included; an end that is None is open."""

    since: date | None = None
    until: date | None = None

    def hold(self, moment: datetime | None) -> bool | None:
        """Whether a moment lies within; None if it is not known and that matters."""
        if self == _ALWAYS:
            return True
        if moment is None:
            return None
        return (self.since is None or moment.date() >= self.since) and (
            self.until is None or moment.date() <= self.until
        )


_ANY, _ALWAYS = Bounds(), Period()


@dataclass(frozen=True, slots=True)
class Filters:
    """Everything a listing can be narrowed down to, and its order. Empty and None ask for nothing."""

    text: str = ""
    """Words in the name."""
    author: str = ""
    task: str = ""
    library: str = ""
    parameters: Bounds = _ANY
    active: Bounds = _ANY
    """Parameters that a token passes through."""
    license: str = ""
    """The hub's id: ``apache-2.0``."""
    allows: tuple[Use, ...] = ()
    """Uses that the license is known to allow, conditions or not."""
    verdict: Verdict | None = None
    """On the machine no worse than this."""
    speed: float | None = None
    """At least so many tokens a second are expected on the machine."""
    context_tokens: int | None = None
    """The model was made for at least so many."""
    format: str = ""
    """What its files are in: ``gguf``, ``safetensors``, ``awq``, ``mlx``, ... as the hub tags it."""
    quantization: str = ""
    """Beginning of the name of a quantization it runs in here: ``Q4_K``."""
    gated: bool | None = None
    language: str = ""
    """The hub's tag: ``de``."""
    updated: Period = _ALWAYS
    created: Period = _ALWAYS
    sort: Sort = "trending"

    @property
    def needs_config(self) -> bool:
        """Whether rows are judged by what only a configuration tells for certain.

        Speed is: what is supposed from a count alone is a dense model, and one of experts is quicker.
        """
        asked = (self.context_tokens, self.speed)
        return any(value is not None for value in asked) or self.active != _ANY

    def to_query(self, limit: int | None = None) -> Query:
        """What the hub is asked. It may let rows through that ``judge`` then leaves out."""
        tags = (
            self.library.lower(),
            f"license:{self.license}" if self.license else "",
            self.language,
            self.format.lower(),
        )
        return Query(
            text=self.text,
            author=self.author or None,
            task=self.task or None,
            tags=tuple(tag for tag in tags if tag),
            sort=self.sort,
            limit=limit,
            parameters_least=self.parameters.least,
            parameters_most=self.parameters.most,
            gated=self.gated,
        )

    def passes(self, row: Row) -> bool:
        """Whether everything asked is known to hold for a row."""
        return self.judge(row) is True

    def judge(self, row: Row) -> bool | None:
        """Whether a row is what is asked for; None if something needed for that is not known."""
        listed = self.judge_listing(row.listing)
        return listed if listed is False else _all([listed, *self._answers(row)])

    def judge_listing(self, listing: Listing) -> bool | None:
        """The part that a listing tells before it is described or judged. The text is the source's own."""
        return _all(self._listed_answers(listing))

    def _listed_answers(self, listing: Listing) -> Iterator[bool | None]:
        yield _same(self.author, listing.author)
        yield _same(self.task, listing.task)
        yield _among(self.library, (listing.library or "", *listing.tags))
        yield _among(self.license, tuple((listing.license or "").split(",")))
        yield _among(self.language, (*listing.languages, *listing.tags))
        yield _among(self.format, _formats(listing))
        yield _gated(self.gated, listing)
        yield self.updated.hold(listing.updated)
        yield self.created.hold(listing.created)
        if listing.parameters is not None:
            yield self.parameters.hold(listing.parameters)

    def _answers(self, row: Row) -> Iterator[bool | None]:
        yield self.parameters.hold(row.parameters)
        yield self.active.hold(row.active)
        yield Bounds(least=self.context_tokens).hold(row.context_tokens)
        for use in self.allows:
            yield _allowed(_PERMISSIONS[use](row.terms))
        yield self._runs(row)
        yield self._is_quick(row)
        if self.quantization:
            wanted = self.quantization.lower()
            names = [option.quantization.lower() for option in row.options]
            yield any(name.startswith(wanted) for name in names) if names else None

    def _runs(self, row: Row) -> bool | None:
        if self.verdict is None:
            return True
        return None if row.answer is None else RANK[row.answer.verdict] <= RANK[self.verdict]

    def _is_quick(self, row: Row) -> bool | None:
        if self.speed is None:
            return True
        if row.answer is None:
            return None
        if row.answer.verdict is Verdict.TOO_LARGE:
            return False
        decode = row.answer.speed.decode
        return None if decode is None else decode.expected >= self.speed


def _all(answers: "Iterator[bool | None] | list[bool | None]") -> bool | None:
    """No if any is no; otherwise not known if any is not known; otherwise yes."""
    unknown = False
    for answer in answers:
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def _same(wanted: str, value: str | None) -> bool | None:
    if not wanted:
        return True
    return None if value is None else value.lower() == wanted.lower()


def _among(wanted: str, values: tuple[str, ...]) -> bool | None:
    """Whether one of several is wanted; not known where there are none at all."""
    if not wanted:
        return True
    known = [value.lower() for value in values if value]
    return wanted.lower() in known if known else None


def _formats(listing: Listing) -> tuple[str, ...]:
    """Everything a listing says of how its files are written."""
    packing = listing.config.get("quantization_config")
    method = packing.get("quant_method") if isinstance(packing, dict) else None
    return (
        *listing.tags,
        listing.library or "",
        "gguf" if listing.gguf else "",
        "safetensors" if listing.parameters_by_dtype else "",
        method if isinstance(method, str) else "",
    )


def _gated(wanted: bool | None, listing: Listing) -> bool | None:
    if wanted is None:
        return True
    if listing.gated is None and listing.provenance:
        return None  # only a live hub says of every model whether it is gated
    return bool(listing.gated) is wanted


def _allowed(permission: Permission) -> bool | None:
    if permission is Permission.UNKNOWN:
        return None
    return permission is not Permission.NO
