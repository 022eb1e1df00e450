"""``weights cache``: what is kept on disk of what the hub gave."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from explorer import units
from explorer.cli import contract, report
from explorer.cli.table import Column, facts, lines
from explorer.errors import ExplorerError
from explorer.hub.store import Share, Store

NAMES = {
    "page": "pages of listings",
    "repo": "models looked up",
    "listed": "rows of single models",
    "config": "config.json",
    "text": "small files",
    "header": "headers of sharded models",
    "ranges": "headers of single files",
    "refused": "refusals",
}


def run(options: argparse.Namespace) -> int:
    """``weights cache``. Raises ExplorerError if what is kept could not be forgotten."""
    store = Store()
    try:
        shares, size = store.shares(), store.file_bytes()
        if options.clear and shares:
            store.clear()
            if left := store.shares():
                problem = (
                    store.notices[-1] if store.notices else f"{left[0].entries} entries are left"
                )
                raise ExplorerError("The cache could not be cleared", problem, "try again later")
        notices = store.notices
    finally:
        store.close()
    if options.json:
        contract.emit(_json(store, shares, size, cleared=options.clear))
    else:
        report.print_lines(_lines(store, shares, size))
        if options.clear and shares:
            report.note(f"forgotten: {sum(share.entries for share in shares):,} entries")
    for notice in notices:
        report.note(notice)
    return 0


def _lines(store: Store, shares: Sequence[Share], size: int) -> list[str]:
    entries = sum(share.entries for share in shares)
    pairs = [
        ("path", str(store.path)),
        ("size", units.file_size(size) if size else "nothing is kept"),
        ("entries", f"{entries:,}" if entries else ""),
    ]
    columns = [
        Column("Kind", flexible=True),
        Column("Entries", right=True),
        Column("Size", right=True),
        Column("Oldest", right=True),
        Column("Newest", right=True),
    ]
    rows = [
        (
            NAMES.get(share.kind, share.kind),
            f"{share.entries:,}",
            units.file_size(share.size_bytes),
            units.age(_moment(share.oldest)),
            units.age(_moment(share.newest)),
        )
        for share in shares
    ]
    return [*facts(pairs), *(["", *lines(columns, rows)] if rows else [])]


def _json(
    store: Store, shares: Sequence[Share], size: int, *, cleared: bool
) -> dict[str, contract.Json]:
    return {
        "schema_version": contract.SCHEMA_VERSION,
        "path": str(store.path),
        "size_bytes": size,
        "cleared": cleared,
        "kinds": [
            {
                "kind": share.kind,
                "entries": share.entries,
                "size_bytes": share.size_bytes,
                "oldest": _moment(share.oldest).isoformat(),
                "newest": _moment(share.newest).isoformat(),
            }
            for share in shares
        ],
        "notices": list(store.notices),
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
