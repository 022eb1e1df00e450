"""The JSON of ``lineage``, ``variants``, ``license`` and ``publisher``."""

import dataclasses

from explorer.cli.contract import SCHEMA_VERSION, Json, range_json, row_json, transfer_json
from explorer.hub.source import Transfer
from explorer.inspection.best_variant import Choice
from explorer.inspection.lineage import Ancestry, Kin, Offspring
from explorer.inspection.publisher import Publisher
from explorer.inspection.terms import InheritedTerms, LicenseText
from explorer.inspection.variants import Variant, Variants
from explorer.license.terms import Terms, questions


def lineage_json(
    tree: Ancestry,
    below: tuple[Offspring, ...] | None,
    note: str,
    transfer: Transfer,
) -> dict[str, Json]:
    """The object that ``lineage`` prints; ``derived`` is null where it was not asked for."""
    return {
        "schema_version": SCHEMA_VERSION,
        **ancestry_json(tree),
        "derived": None if below is None else [offspring_json(one) for one in below],
        "notes": [note] if note else [],
        "transfer": transfer_json(transfer),
    }


def ancestry_json(tree: Ancestry) -> dict[str, Json]:
    """A model and, in it, those it was made of."""
    return {
        **kin_json(tree.kin),
        "repeated": tree.repeated,
        "more_bases": tree.cut,
        "bases": [ancestry_json(base) for base in tree.bases],
    }


def offspring_json(one: Offspring) -> dict[str, Json]:
    """What was made of a model in one way; ``total`` as the hub counts it, or null.

    ``more`` if the hub lists more than was asked for.
    """
    return {
        "relation": one.branch.relation.value,
        "total": one.branch.total,
        "more": one.branch.more,
        "error": str(one.branch.error) if one.branch.error else None,
        "models": [
            {
                **kin_json(kin),
                "derived": [offspring_json(below) for below in one.next.get(kin.id, ())],
            }
            for kin in one.branch.kin
        ],
    }


def kin_json(kin: Kin) -> dict[str, Json]:
    """One model of a lineage: its relation to its bases, then what ``search`` prints of a row."""
    row = row_json(kin.row) if kin.row else {"id": kin.id}
    return {
        **row,
        "relation": kin.step.relation.value if kin.step.relation else None,
        "relation_inferred": kin.step.inferred,
        "distilled": kin.step.distilled,
        "base_models": list(kin.step.bases),
        "error": str(kin.error) if kin.error else None,
    }


def variants_json(
    found: Variants, best: Choice | None, published: Choice | None, transfer: Transfer
) -> dict[str, Json]:
    """The object that ``variants`` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": found.origin.kin.id,
        "parameters": found.origin.parameters,
        "estimated": found.origin.estimated,
        "best": _choice_json(best),
        "best_published": _choice_json(published),
        "variants": [variant_json(one) for one in found.variants],
        "repositories_looked_at": found.looked_at,
        "more_repositories": found.more,
        "notes": [found.note] if found.note else [],
        "problems": [str(error) for error in found.problems],
        "transfer": transfer_json(transfer),
    }


def _choice_json(choice: Choice | None) -> Json:
    return {**variant_json(choice.variant), "reason": choice.reason} if choice else None


def variant_json(one: Variant) -> dict[str, Json]:
    """One file, or one repository, that holds the model."""
    fit: Json = None
    if one.answer is not None:
        fit = {
            "verdict": one.answer.verdict.value,
            "total_bytes": one.answer.memory.total,
            "context_tokens": one.answer.scenario.context_tokens,
            "decode_tokens_per_second": range_json(one.answer.speed.decode),
        }
    return {
        "repository": one.repo,
        "uploader": one.uploader,
        "format": one.format or None,
        "quantization": one.quantization,
        "files": list(one.files),
        "size_bytes": one.size_bytes,
        "bits_per_weight": one.bits_per_weight,
        "downloads": one.downloads,
        "engine": one.engine,
        "fit": fit,
        "note": one.remark,
    }


def license_json(
    model_id: str, terms: InheritedTerms, texts: tuple[LicenseText, ...], transfer: Transfer
) -> dict[str, Json]:
    """The object that ``license`` prints: what holds, the model's own terms, those of its lineage."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": model_id,
        "questions": [
            {"question": one.question, "verdict": one.verdict.value, "sentence": one.sentence}
            for one in questions(terms.whole)
        ],
        "inherits": terms.inherits,
        "imposed_by": [
            {
                "what": one.what,
                "permission": one.permission.value,
                "license": one.license,
                "model": one.model_id or None,
            }
            for one in terms.whole.imposed_by
        ],
        "license": terms_json(terms.whole),
        "own": terms_json(terms.own),
        "lineage": [terms_json(one) for one in terms.ancestors],
        "notes": list(terms.notes),
        "texts": [
            {"model": one.model_id, "path": one.path, "text": one.text, "cut": one.cut}
            for one in texts
        ],
        "transfer": transfer_json(transfer),
    }


def terms_json(terms: Terms) -> dict[str, Json]:
    """The terms of one license, or of several together."""
    return {
        "model": terms.model_id or None,
        "id": terms.id,
        "name": terms.name,
        "title": terms.title,
        "commercial": terms.commercial.value,
        "hosting": terms.hosting.value,
        "train_on_outputs": terms.train_on_outputs.value,
        "thresholds": terms.thresholds,
        "territory": terms.territory,
        "attribution": terms.attribution,
        "use_restrictions": terms.use_restrictions,
        "source": terms.source,
        "confidence": terms.confidence,
        "caveat": terms.caveat,
        "link": terms.link,
    }


def publisher_json(found: Publisher, transfer: Transfer) -> dict[str, Json]:
    """The object that ``publisher`` prints; sizes are counts of parameters."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": found.name,
        "more": found.more,
        "quarters": [dataclasses.asdict(one) for one in found.quarters],
        "models": [row_json(row) for row in found.rows],
        "transfer": transfer_json(transfer),
    }
