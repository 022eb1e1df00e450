"""What people read: answers of the core as plain lines of text."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from explorer import units
from explorer.cli.report_show import active
from explorer.cli.table import Column, facts, lines
from explorer.fit.values import Verdict
from explorer.safetext import safe_line

if TYPE_CHECKING:
    from explorer.fit.values import Answer, Range, Scenario
    from explorer.hardware.machine import Device, Machine
    from explorer.hub.source import Source
    from explorer.inspection.model import Model
    from explorer.inspection.rows import Row
    from explorer.weights.checkpoint import Shard
    from explorer.weights.tensor_table import Row as TensorRow
    from explorer.weights.tensors import Header
    from explorer.weights.tree import Node


VERDICTS = {
    Verdict.FITS: "+ fits",
    Verdict.TIGHT: "~ fits, but under the reserve",
    Verdict.OFFLOAD: "o runs with a part of it on the host",
    Verdict.TOO_LARGE: "x does not fit",
}
BEYOND = "!"
FILES_SHOWN = 12
GLYPHS = {verdict: words[0] for verdict, words in VERDICTS.items()}


def print_lines(text: Iterable[str]) -> None:
    """Print lines on standard output."""
    for line in text:
        print(line)


def note(text: str) -> None:
    """Say something about the answer on stderr, apart from the data."""
    print(safe_line(text), file=sys.stderr)


def progress(text: str) -> None:
    """Replace the progress line on stderr; empty removes it."""
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def listing(rows: "Sequence[Row]") -> list[str]:
    """The rows of a listing."""
    columns = [
        Column("Model", flexible=True),
        Column("Params", right=True),
        Column("Active", right=True, spare=3),
        Column("Context", right=True, spare=1),
        Column("License", spare=2),
        Column("Best here"),
        Column("Engine", spare=6),
        Column("GiB", right=True),
        Column("Speed", right=True),
        Column("Downloads", right=True, spare=4),
        Column("Updated", right=True, spare=5),
    ]
    return lines(columns, [_listing_cells(row) for row in rows]) if rows else []


def _listing_cells(row: "Row") -> tuple[str, ...]:
    best, size, speed = judged_cells(row)
    return (
        row.listing.id,
        units.count(row.parameters),
        units.count(row.active),
        units.tokens(row.context_tokens) + BEYOND * _is_beyond(row),
        row.license,
        best,
        row.engine if row.answer is not None else "",
        size,
        speed,
        units.count(row.listing.downloads),
        units.age(row.listing.updated or row.listing.created),
    )


def _is_beyond(row: "Row") -> bool:
    return row.answer is not None and row.answer.is_beyond_limit


def judged_cells(row: "Row") -> tuple[str, str, str]:
    """Best quantization with its verdict, memory and speed of a row."""
    if row.answer is None:
        return "?", "", ""
    estimated = "≈" if row.estimated else " "
    best = f"{GLYPHS[row.answer.verdict]}{estimated}{row.answer.scenario.quantization or '?'}"
    decode = row.answer.speed.decode
    return (
        best,
        units.gib(row.answer.needed.total),
        units.speed(decode.expected) if decode else "?",
    )


def listing_footing(rows: "Sequence[Row]", machine: "Machine", source: str) -> str:
    """What the listing rests on."""
    legend = "+ fits  ~ tight  o offload  x too large"
    if any(row.estimated for row in rows):
        legend += "  ≈ estimated from the parameter count"
    if any(_is_beyond(row) for row in rows):
        legend += f"  {BEYOND} asked for more context than the model states"
    return f"{legend} | on {machine.name} | {source}"


def machine(value: "Machine") -> list[str]:
    """A machine and what is known of its devices."""
    pairs = [(f"device {i}", _device(device)) for i, device in enumerate(value.devices)]
    ram = (
        f"{units.memory(value.host_memory_bytes)}, {units.memory(value.host_available_bytes)} free"
    )
    if value.host_bandwidth_bytes_per_second:
        ram += f", {value.host_bandwidth_bytes_per_second / 1e9:.0f} GB/s"
    pairs += [("memory", ram), ("processor", value.processor)]
    pairs += [("note", text) for text in value.notes]
    return [safe_line(value.name), *facts(pairs)]


def _device(device: "Device") -> str:
    parts = [
        device.name,
        units.memory(device.memory_bytes),
        f"{units.memory(device.available_bytes)} free",
    ]
    if device.bandwidth_bytes_per_second:
        parts.append(f"{device.bandwidth_bytes_per_second / 1e9:.0f} GB/s")
    return ", ".join([*parts, device.kind])


def model(value: "Model", source: "Source", further: Sequence[tuple[str, str]] = ()) -> list[str]:
    """What the files of a model say; ``further`` are labels and values that stand among them."""
    counts, listing_ = value.checkpoint.counts, value.repo.listing
    bits = counts.bits_per_weight
    quantization = value.checkpoint.quantization
    pairs = [
        ("source", f"{source.title}{_commit(value)}{_stale(value)}"),
        *_counted(value),
        ("components", _shares(counts.by_component)),
        ("bits a weight", f"{bits:.2f}" if bits else ""),
        ("quantization", quantization.description if quantization else ""),
        *further,
        *_architecture(value),
        ("license", value.terms.name),
        ("gated", listing_.gated or ""),
        ("provenance", listing_.provenance),
    ]
    files = lines(
        [Column("file", flexible=True), Column("size", right=True), Column("tensors", right=True)],
        _files(sorted(value.checkpoint.shards, key=lambda shard: shard.path), value.absent),
    )
    warnings = [f"! {safe_line(text)}" for text in value.warnings]
    return [safe_line(listing_.id), *facts(pairs), "", *files, *warnings]


def _counted(value: "Model") -> list[tuple[str, str]]:
    """Parameters, dtypes and bytes: of the headers, or what the hub says where none could be read."""
    counts, published = value.checkpoint.counts, value.published_parameters
    if not value.unread:
        return [
            ("parameters", f"{counts.parameters:,} ({units.count(counts.parameters)})"),
            ("active", active(value)),
            ("dtypes", _shares(counts.by_dtype)),
            ("stored", f"{units.file_size(counts.stored_bytes)} in {counts.tensors:,} tensors"),
        ]
    if published is None:
        return [("parameters", "unknown"), ("stored", "unknown")]
    return [
        ("parameters", f"{published:,} ({units.count(published)}), the hub's figure"),
        ("dtypes", _shares(value.repo.listing.parameters_by_dtype)),
        ("stored", "unknown"),
    ]


def _files(shards: "Sequence[Shard]", absent: Sequence[str]) -> list[tuple[str, str, str]]:
    """A row a file; of many, the first ones, and the rest together."""
    shown = shards if len(shards) <= FILES_SHOWN else shards[: FILES_SHOWN - 1]
    rows = [
        (
            shard.path,
            "missing" if shard.path in absent else units.file_size(shard.size_bytes),
            _tensors_in(shard.header),
        )
        for shard in shown
    ]
    rest = shards[len(shown) :]
    if rest:
        tensors_ = sum(len(shard.header.tensors) for shard in rest if shard.header)
        size = units.file_size(sum(shard.size_bytes for shard in rest))
        rows.append((f"… {len(rest)} more files", size, f"{tensors_:,}"))
    return rows


def _commit(value: "Model") -> str:
    return f" @ {value.repo.commit[:12]}" if value.repo.commit else ""


def _stale(value: "Model") -> str:
    """How old an answer is that stands in for one that could not be had."""
    age = value.repo.age_seconds
    return f", as of {units.seconds(age)} ago" if value.repo.caveat and age else ""


def _tensors_in(header: "Header | None") -> str:
    return "?" if header is None else f"{len(header.tensors):,}"


def _shares(counts: Mapping[str, int]) -> str:
    """``BF16 8.03 B, F32 1.2 K``, largest first; nothing for a single part that is everything."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {units.count(number)}" for name, number in ordered if number)


def _architecture(value: "Model") -> list[tuple[str, str]]:
    shape = value.architecture
    if shape is None:
        return [("architecture", "unknown: no config.json with a shape, and no GGUF metadata")]
    kinds = ", ".join(f"{number} {kind}" for kind, number in shape.attention.items())
    experts = next((layer for layer in shape.layers if layer.experts), None)
    return [
        ("architecture", f"{shape.name} ({shape.model_type})"),
        ("layers", f"{len(shape.layers)}: {kinds}"),
        ("experts", f"{experts.experts_used} of {experts.experts}" if experts else ""),
        ("context", units.tokens(shape.context_tokens)),
    ]


def tensors(rows: "Sequence[TensorRow]") -> list[str]:
    """Tensors, a line each."""
    columns = [
        Column("tensor", flexible=True),
        Column("dtype"),
        Column("shape"),
        Column("parameters", right=True),
        Column("bytes", right=True, spare=1),
        Column("file", spare=2),
    ]
    cells = [
        (
            row.name,
            row.dtype,
            "x".join(map(str, row.shape)) or "scalar",
            f"{row.parameters:,}",
            f"{row.size_bytes:,}",
            row.path,
        )
        for row in rows
    ]
    return lines(columns, cells)


def groups(nodes: "Sequence[Node]") -> list[str]:
    """Totals by group, with each group's share of the bytes."""
    whole = sum(node.size_bytes for node in nodes)
    columns = [
        Column("group", flexible=True),
        Column("tensors", right=True),
        Column("parameters", right=True),
        Column("size", right=True),
        Column("share", right=True),
    ]
    cells = [
        (
            node.name,
            f"{node.tensors:,}",
            f"{node.parameters:,}",
            units.file_size(node.size_bytes),
            units.percent(node.size_bytes, whole),
        )
        for node in nodes
    ]
    return lines(columns, cells)


def answer(value: "Model", result: "Answer") -> list[str]:
    """Whether, how and how fast a model runs, with every part of the figure."""
    memory, scenario = result.memory, result.scenario
    parts = [
        ("weights", memory.weights),
        ("KV cache", memory.kv_cache),
        ("recurrent state", memory.recurrent_state),
        ("compute", memory.compute),
        ("overhead", memory.overhead),
    ]
    placed = [
        (
            f"  {part.device}",
            f"{units.memory(part.memory.total)} of {units.memory(part.capacity_bytes)}",
        )
        for part in result.placement
    ]
    pairs = [
        ("verdict", f"{VERDICTS[result.verdict]} on {result.machine.name}"),
        ("on the host", result.on_host),
        ("quantization", f"{scenario.quantization}{'' if result.exact else ' (planned size)'}"),
        ("engine", _engine(scenario)),
        ("context", _context(result)),
        ("needs", units.memory(memory.total)),
        *[(f"  {name}", units.memory(size)) for name, size in parts if size],
        *placed,
        (
            "most context",
            units.most_tokens(result.max_context_tokens, result.limit_tokens)
            if result.max_context_tokens and (memory.kv_cache or memory.recurrent_state)
            else "",
        ),
        *_speeds(result),
        *[("assumed", text) for text in result.assumptions],
    ]
    return [safe_line(value.repo.listing.id), *facts(pairs), ""]


def _context(result: "Answer") -> str:
    scenario = result.scenario
    if scenario.context_tokens is None:
        return ""
    parts = [units.tokens(scenario.context_tokens)]
    if scenario.sequences > 1:
        parts[0] += (
            f" shared by {scenario.sequences} sequences"
            if scenario.kv_unified
            else f" x {scenario.sequences}"
        )
    if result.is_beyond_limit:
        parts.append(f"beyond the model's {units.tokens(result.limit_tokens)}")
    parts.append(f"KV {scenario.kv_dtype}")
    if scenario.mtp:
        parts.append(f"{scenario.draft_tokens} tokens drafted ahead")
    return ", ".join(parts)


def _engine(scenario: "Scenario") -> str:
    """The engine, and over how many devices it shares the layers."""
    sizes = (
        ("tensor parallel", scenario.tensor_parallel or 1),
        ("pipeline parallel", scenario.pipeline_parallel or 1),
    )
    return ", ".join(
        [scenario.engine or "", *(f"{name} {size}" for name, size in sizes if size > 1)]
    )


def _speeds(result: "Answer") -> list[tuple[str, str]]:
    """Both speeds and what they rest on, or once why there is none."""
    speed = result.speed
    if speed.decode is None and speed.prefill is None:
        return [("speed", f"unknown: {speed.basis}")]
    return [
        ("decode", _speed(speed.decode)),
        ("prefill", _speed(speed.prefill)),
        ("basis", speed.basis),
    ]


def _speed(value: "Range | None") -> str:
    if value is None:
        return "unknown"
    return f"{units.speed(value.expected)} ({value.low:,.0f} to {value.high:,.0f})"
