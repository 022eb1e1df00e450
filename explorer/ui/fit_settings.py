"""The values of a setting to choose from, and the tuning that comes of a choice."""

from dataclasses import replace

from explorer.fit.values import Scenario
from explorer.inspection.choices import kv_choices
from explorer.ui.screens.choose import Choice, ChooseScreen
from explorer.ui.tuning import OFF, Tuning, parse_drafts, parse_sequences
from explorer.units import memory, parse_memory

SEQUENCES = (1, 2, 4, 8, 16, 32, 64, 128)
DRAFTS = (1, 2, 3, 4, 8, 12)
RESERVES = ("0", "512 MiB", "1 GiB", "2 GiB", "4 GiB")
DEFAULT = "default"


def chooser(name: str, now: Scenario) -> ChooseScreen:
    """The screen that asks for ``sequences``, ``KV``, ``drafts`` or ``reserve``, at its present value."""
    if name == "sequences":
        return ChooseScreen(
            "Sequences at once, each with its own context",
            [Choice(str(number), str(number)) for number in SEQUENCES],
            str(now.sequences),
            typed="or type 24",
            check=parse_sequences,
        )
    if name == "KV":
        return ChooseScreen(
            f"Type of the KV cache in {now.engine}",
            [Choice(dtype, dtype) for dtype in kv_choices(now.engine)],
            now.kv_dtype or "",
        )
    if name == "drafts":
        return ChooseScreen(
            "Tokens drafted ahead by the model's own multi-token prediction",
            [Choice(OFF, "none"), *(Choice(str(number), str(number)) for number in DRAFTS)],
            str(now.draft_tokens) if now.mtp else OFF,
            typed="or type 6",
            check=parse_drafts,
        )
    kept = memory(now.reserve_bytes or 0)
    sizes = [Choice(size, "nothing" if size == "0" else size) for size in RESERVES]
    return ChooseScreen(
        f"Memory to keep free on every device (now {kept})",
        [Choice(DEFAULT, f"what {now.engine} keeps"), *sizes],
        DEFAULT,
        typed="or type 1.5 GiB",
        check=parse_memory,
    )


def tuned(tuning: Tuning, name: str, value: str) -> Tuning:
    """The tuning with one setting at a value that was chosen or typed."""
    if name == "sequences":
        return replace(tuning, sequences=parse_sequences(value))
    if name == "KV":
        return replace(tuning, kv_dtype=value)
    if name == "drafts":
        return replace(tuning, drafts=parse_drafts(value))
    return replace(tuning, reserve_bytes=None if value == DEFAULT else parse_memory(value))
