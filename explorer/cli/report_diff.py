"""What ``weights diff`` prints for people."""

from collections.abc import Iterator, Mapping, Sequence

from explorer import units
from explorer.cli.table import Column, facts, lines
from explorer.inspection.model import Model
from explorer.inspection.structure import RoleTotal, Structure
from explorer.safetext import safe_line
from explorer.weights.difference import Change


def structure_lines(found: Structure) -> list[str]:
    """The two sides, then what differs, folded by layer."""
    return [*_sides(found), "", *_summary(found), *_changes(found), *_roles(found.roles)]


def _sides(found: Structure) -> list[str]:
    first, second = found.first, found.second
    before, after = found.difference.before, found.difference.after
    rows = [
        ("parameters", f"{before.parameters:,}", f"{after.parameters:,}"),
        ("tensors", f"{before.tensors:,}", f"{after.tensors:,}"),
        ("stored", units.file_size(before.stored_bytes), units.file_size(after.stored_bytes)),
        *_split("dtype", before.by_dtype, after.by_dtype),
        *_split("component", before.by_component, after.by_component),
    ]
    columns = [Column(""), Column("before", right=True), Column("after", right=True)]
    named = facts([("before", _named(first)), ("after", _named(second))])
    return [*named, "", *lines(columns, rows)]


def _named(model: Model) -> str:
    commit = f" @ {model.repo.commit[:12]}" if model.repo.commit else ""
    return f"{model.id}{commit} ({model.checkpoint.format})"


def _split(
    word: str, before: Mapping[str, int], after: Mapping[str, int]
) -> Iterator[tuple[str, str, str]]:
    """Parameters by dtype or component, where that tells more than the total."""
    names = [name for name in {**before, **after} if before.get(name) or after.get(name)]
    if len(names) > 1:
        for name in sorted(names, key=lambda name: -max(before.get(name, 0), after.get(name, 0))):
            yield f"  {word} {name}", f"{before.get(name, 0):,}", f"{after.get(name, 0):,}"


def _summary(found: Structure) -> Iterator[str]:
    difference = found.difference
    if not difference.comparable:
        same = " the same" if found.same else ""
        yield f"Not comparable name by name: a GGUF has names of its own. By purpose{same}:"
        return
    for one in difference.renamed:
        yield (
            f"{one.tensors:,} tensors under “{safe_line(one.before)}” in the first are under "
            f"“{safe_line(one.after)}” in the second"
        )
    for prefix in difference.ambiguous:
        yield f"Names under “{safe_line(prefix)}” would match in several ways: left apart"
    if found.same:
        yield f"The same structure: {difference.unchanged:,} weights agree in name, shape and dtype"
    else:
        yield f"{difference.unchanged:,} weights agree in name, shape and dtype"


def _changes(found: Structure) -> Iterator[str]:
    difference = found.difference
    parts = (
        ("added", difference.added),
        ("removed", difference.removed),
        ("reshaped", difference.reshaped),
        ("retyped", difference.retyped),
    )
    for title, changes in parts:
        if changes:
            yield ""
            tensors = sum(change.tensors for change in changes)
            parameters = units.count(sum(change.parameters for change in changes))
            yield f"{title}: {tensors:,} tensors, {parameters} parameters"
            yield from _table(changes)


def _table(changes: Sequence[Change]) -> list[str]:
    columns = [
        Column("  tensors", flexible=True),
        Column("number", right=True),
        Column("parameters", right=True),
        Column("dtype and shape"),
    ]
    rows = (
        (f"  {change.pattern}", f"{change.tensors:,}", f"{change.parameters:,}", _sorts(change))
        for change in changes
    )
    return lines(columns, list(rows))


def _sorts(change: Change) -> str:
    if change.before and change.after:
        return f"{change.before} -> {change.after}"
    return change.before or change.after


def _roles(roles: Sequence[RoleTotal]) -> Iterator[str]:
    if not roles:
        return
    columns = [
        Column("purpose"),
        Column("before", right=True),
        Column("after", right=True),
        Column("difference", right=True),
    ]
    rows = [
        (
            role.role,
            f"{role.before:,}",
            f"{role.after:,}",
            f"{role.after - role.before:+,}" if role.after != role.before else "=",
        )
        for role in roles
    ]
    yield from lines(columns, rows)
