"""The one to take of everything a model can be had as: the best for the machine, and the best published.

The best is the highest-quality quantization that fits the wanted context with its reserve, as the planner
chooses it for the listing and the Fit tab. Where files of that quantization are published, they are it;
otherwise it is what the engine's own tools would make of the checkpoint.
"""

from dataclasses import dataclass

from explorer import units
from explorer.fit.values import Answer, Verdict
from explorer.inspection.variants import NAME_ONLY, PLANNED, Variant, Variants

_FULL_BITS = 16.5
"""Beyond these a file holds 32 bits of what was published in 16: no better, only larger."""
_RUNNING = {
    Verdict.FITS: "fit",
    Verdict.TIGHT: "fit without their reserve",
    Verdict.OFFLOAD: "run partly on the host",
}
_HIGHEST = {
    Verdict.FITS: "the highest quality that fits with its reserve",
    Verdict.TIGHT: "the highest quality that fits, if without its reserve",
    Verdict.OFFLOAD: "the smallest of at least four bits a weight, since all run partly on the host",
}
_BEYOND = {
    Verdict.FITS: "fits",
    Verdict.TIGHT: "would leave no reserve",
    Verdict.OFFLOAD: "would run partly on the host",
    Verdict.TOO_LARGE: "is too large",
}
_SAME = {"F16": "BF16", "F32": "BF16"}
"""Quantizations that are as good as another: 16 bits are what was published."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The variant to take on a machine, and why."""

    variant: Variant
    reason: str

    @property
    def is_published(self) -> bool:
        """Somebody has made it already."""
        return self.variant.format != PLANNED


def choose(found: Variants) -> Choice | None:
    """The best variant for the machine it was judged on; None if nothing is known to run there.

    What the model's own figures say decides; where there are none, what is published.
    """
    answer = found.best
    if answer is None:
        return choose_published(found)
    alike = [one for one in _judged(found) if _is(one, answer)]
    if alike:
        ready = [one for one in alike if not one.converted] or alike
        chosen = _most_wanted(ready)
        return Choice(chosen, _why(answer, found))
    return Choice(_planned(found, answer), f"{_why(answer, found)}; {_unpublished(found)}")


def choose_published(found: Variants) -> Choice | None:
    """The best of what is published, by its real size; None if nothing of it is known to run.

    Of what fits the one with the most bits a weight; failing that of what is tight; if all need the host,
    which is slow, the smallest of at least four bits. Variants for the model's own engine come before
    those of other engines.
    """
    judged = _judged(found)
    own = [one for one in judged if one.engine == found.origin.engine]
    for candidates in (own, judged):
        for verdict in (Verdict.FITS, Verdict.TIGHT, Verdict.OFFLOAD):
            running = [one for one in candidates if one.answer and one.answer.verdict is verdict]
            if running:
                chosen = _pick(running, verdict)
                return Choice(chosen, _published(chosen, running))
    return None


def _judged(found: Variants) -> list[Variant]:
    return [one for one in found.variants if one.answer and one.size_bytes]


def _is(one: Variant, answer: Answer) -> bool:
    """Whether a variant is the quantization of an answer, on the same engine, and runs as well."""
    own = one.answer
    return (
        own is not None
        and own.verdict is answer.verdict
        and own.scenario.engine == answer.scenario.engine
        and _name(own) == _name(answer)
    )


def _name(answer: Answer) -> str:
    name = answer.scenario.quantization or ""
    return _SAME.get(name, name)


def _planned(found: Variants, answer: Answer) -> Variant:
    """The quantization of an answer as a variant that is still to be made."""
    name = answer.scenario.quantization or ""
    size = next(plan.total_bytes for plan in found.origin.plans if plan.quantization == name)
    parameters = found.origin.parameters
    return Variant(
        repo=found.origin.kin.id,
        format=PLANNED,
        quantization=name,
        size_bytes=size,
        bits_per_weight=8 * size / parameters if parameters else None,
        engine=found.origin.engine,
        answer=answer,
    )


def _pick(running: list[Variant], verdict: Verdict) -> Variant:
    if verdict is Verdict.OFFLOAD:
        enough = [one for one in running if (one.bits_per_weight or 0) >= 4]
        return min(enough or running, key=lambda one: one.size_bytes or 0)
    most = max(min(one.bits_per_weight or 0, _FULL_BITS) for one in running)
    # files of one quantization differ by their headers and by what the uploader kept in full
    return _most_wanted([one for one in running if (one.bits_per_weight or 0) >= most * 0.99])


def _most_wanted(alike: list[Variant]) -> Variant:
    """The most downloaded of equals, those left out that are larger for nothing."""
    least = min(one.size_bytes or 0 for one in alike)
    alike = [one for one in alike if (one.size_bytes or 0) <= least * 1.03]
    return max(alike, key=lambda one: (one.downloads or 0, -(one.size_bytes or 0)))


def _why(answer: Answer, found: Variants) -> str:
    said = [f"{_HIGHEST[answer.verdict]}{_conditions(answer)}", *_expected(answer)]
    if found.beyond is not None:
        name = found.beyond.scenario.quantization
        said.append(f"the next larger, {name}, {_BEYOND[found.beyond.verdict]}")
    return "; ".join(said)


def _unpublished(found: Variants) -> str:
    if not found.done:
        return "not found among what was looked at so far"
    silent = sum(one.note == NAME_ONLY for one in found.variants)
    if silent:
        names = f"{silent} {'repositories' if silent > 1 else 'repository'}"
        return f"to be made, unless it is among the files of {names} known by name alone"
    return f"not among what {found.looked_at} repositories have: to be made"


def _published(chosen: Variant, running: list[Variant]) -> str:
    """Why this one of what is published, in words."""
    answer = chosen.answer
    if answer is None:
        return ""
    bits = f" ({chosen.bits_per_weight:.1f})" if chosen.bits_per_weight else ""
    best = "the most bits a weight"
    if answer.verdict is Verdict.OFFLOAD:
        best = "the smallest of at least four bits a weight"
    here = f"{_RUNNING[answer.verdict]}{_conditions(answer)}"
    said = f"{best}{bits} of the {len(running)} that {here}"
    if len(running) == 1:
        said = f"{chosen.bits_per_weight or 0:.1f} bits a weight, the only one to {here}"
    return "; ".join([said, *_expected(answer)])


def _conditions(answer: Answer) -> str:
    """For which context and on which engine."""
    context = answer.scenario.context_tokens
    at = f" at {units.tokens(context)}" if context else ""
    return f"{at} with {answer.scenario.engine}"


def _expected(answer: Answer) -> list[str]:
    decode = answer.speed.decode
    return [f"{units.speed(decode.expected)} expected"] if decode else []
