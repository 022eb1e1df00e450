"""On what terms a model may be used: its own license, those of all it was made of, and the text itself."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from explorer.errors import ExplorerError
from explorer.hub.source import Repo, RepoFile, Source
from explorer.inspection.lineage import Ancestry, Kin
from explorer.license.classify import terms_for
from explorer.license.terms import Terms, strictest
from explorer.safetext import TEXT_LIMIT

LARGEST_TEXT = 1 << 20
"""Bytes of a license file that is read; licenses take some 10 kB."""
MOST_TEXTS = 4

_LICENSE = re.compile(
    r"(?:[\w.]+[-_])?(?:licen[sc]e|copying|use[-_]policy|acceptable[-_]use[-_]policy|usage[-_]policy)"
    r"(?:[-_.][\w.-]{0,40})?",
    re.IGNORECASE,
)
_TEXT_SUFFIXES = ("", ".txt", ".md", ".rst")


@dataclass(frozen=True, slots=True)
class InheritedTerms:
    """What holds for a model: the strictest of its own license and those of its lineage."""

    own: Terms
    """What its own card says."""
    whole: Terms
    """What holds; ``imposed_by`` says which model makes each answer less than yes."""
    ancestors: tuple[Terms, ...] = ()
    """What each model it was made of says, the nearest first."""
    notes: tuple[str, ...] = ()
    """What of the lineage could not be followed, a sentence each."""

    @property
    def inherits(self) -> bool:
        """The lineage takes away something that the model's own license gives."""
        return (self.own.commercial, self.own.hosting, self.own.train_on_outputs) != (
            self.whole.commercial,
            self.whole.hosting,
            self.whole.train_on_outputs,
        )


@dataclass(frozen=True, slots=True)
class LicenseText:
    """A license as a repository carries it."""

    model_id: str
    path: str
    text: str
    """At most ``safetext.TEXT_LIMIT`` characters, not yet made safe to show."""
    cut: bool = False
    """The text goes on."""


def inherited_terms(tree: Ancestry) -> InheritedTerms:
    """The terms of a model with its lineage considered.

    A base that could not be looked at, or that names no license, makes every answer unknown that no other
    forbids: nothing is promised in its name.
    """
    own, *above = (_terms(found.kin) for _, found in _by_distance(tree))
    notes: list[str] = []
    for _, found in _by_distance(tree):
        step, error = found.kin.step, found.kin.error
        if error is not None:
            notes.append(f"{found.kin.id} could not be looked at: {error.title}")
        if step.unfollowed:
            notes.append(f"{found.kin.id} names bases that were not followed: {step.unfollowed[0]}")
        if found.cut and not found.repeated:
            notes.append(f"{found.kin.id} has bases further up than was looked")
    return InheritedTerms(own, strictest(own, *above), tuple(above), tuple(notes))


async def license_texts(source: Source, tree: Ancestry) -> tuple[LicenseText, ...]:
    """License and use policy of the nearest model in the lineage that carries any; empty if none does.

    Raises the source's errors if a text is there and cannot be read.
    """
    failure: ExplorerError | None = None
    for _, found in _by_distance(tree):
        repo = found.kin.repo
        if repo is None or found.repeated:
            continue
        try:
            if texts := await _texts_of(source, repo):
                return texts
        except ExplorerError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return ()


def license_files(repo: Repo) -> tuple[RepoFile, ...]:
    """The files that hold the license: the one its card links to first, then by name."""
    linked = _linked_path(repo)
    named = [file for file in repo.files if file.path == linked or _is_license(file.path)]
    fitting = [file for file in named if file.size_bytes <= LARGEST_TEXT]
    fitting.sort(key=lambda file: (file.path != linked, "policy" in file.path.lower(), file.path))
    return tuple(fitting[:MOST_TEXTS])


async def _texts_of(source: Source, repo: Repo) -> tuple[LicenseText, ...]:
    found: list[LicenseText] = []
    for file in license_files(repo):
        text = await source.text(repo, file.path)
        if text and text.strip():
            cut = len(text) > TEXT_LIMIT
            found.append(LicenseText(repo.listing.id, file.path, text[:TEXT_LIMIT], cut))
    return tuple(found)


def _by_distance(tree: Ancestry) -> list[tuple[int, Ancestry]]:
    return sorted(tree.walk(), key=lambda found: found[0])


def _terms(kin: Kin) -> Terms:
    listing = kin.listing
    if listing is None:
        reason = f"could not be looked at: {kin.error.title}" if kin.error else "not looked at"
        return Terms("", "unknown", caveat=reason, model_id=kin.id)
    return terms_for(listing.license, listing.license_name, listing.license_link, listing.id)


def _is_license(path: str) -> bool:
    stem, dot, suffix = path.rpartition(".")
    known = f".{suffix}".lower() in _TEXT_SUFFIXES if dot else True
    return "/" not in path and known and bool(_LICENSE.fullmatch(stem if dot else path))


def _linked_path(repo: Repo) -> str:
    """The file of the same repository that the card's ``license_link`` leads to; empty if to none."""
    link = (repo.listing.license_link or "").strip()
    if not link.startswith(("https://", "http://")):
        return link.removeprefix("./")
    try:
        parts = [unquote(part) for part in urlsplit(link).path.split("/") if part]
    except ValueError:
        return ""
    own = "/".join(parts[:2]).lower() == repo.listing.id.lower()
    return "/".join(parts[4:]) if own and parts[2:3] in (["blob"], ["resolve"], ["raw"]) else ""
