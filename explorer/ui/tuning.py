"""How a person wants one model run, beside the context and the machine that hold for every model."""

from dataclasses import dataclass, replace

from explorer.errors import UsageError
from explorer.fit.values import Engine, Scenario

OFF = "off"
MOST_DRAFTS = 64


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was chosen on the Fit tab; None leaves it to the engine."""

    engine: Engine | None = None
    sequences: int | None = None
    kv_dtype: str | None = None
    flash_attention: bool | None = None
    reserve_bytes: int | None = None
    kv_unified: bool | None = None
    drafts: int | None = None
    """Tokens drafted ahead; 0 for none."""

    def of(self, scenario: Scenario) -> Scenario:
        """A scenario with the choices in it."""
        attention, unified = self.flash_attention, self.kv_unified
        reserve, drafts = self.reserve_bytes, self.drafts
        return replace(
            scenario,
            engine=self.engine or scenario.engine,
            sequences=self.sequences or scenario.sequences,
            kv_dtype=self.kv_dtype or scenario.kv_dtype,
            flash_attention=scenario.flash_attention if attention is None else attention,
            reserve_bytes=scenario.reserve_bytes if reserve is None else reserve,
            kv_unified=scenario.kv_unified if unified is None else unified,
            mtp=scenario.mtp if drafts is None else drafts > 0,
            draft_tokens=scenario.draft_tokens if drafts is None else drafts,
        )

    def with_engine(self, engine: Engine) -> "Tuning":
        """Another engine, with its own type of cache and its own reserve."""
        return Tuning(engine, self.sequences)


def parse_drafts(text: str) -> int:
    """A number of drafted tokens, 0 for ``off``. Raises UsageError for anything else."""
    if text == OFF:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= MOST_DRAFTS):
        raise UsageError(
            f"“{text}” is not a number of drafted tokens", hint=f"write 1 to {MOST_DRAFTS}"
        )
    return int(text)


def parse_sequences(text: str) -> int:
    """A number of sequences. Raises UsageError for anything else, and for none."""
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 6):
        raise UsageError(f"“{text}” is not a number of sequences", hint="write 1, 8 or 64")
    return int(text)
