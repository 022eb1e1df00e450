"""How a person wants one model run, beside the context and the machine that hold for every model."""

from dataclasses import dataclass, replace

from explorer.errors import UsageError
from explorer.fit.values import Engine, Scenario


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was chosen on the Fit tab; None leaves it to the engine."""

    engine: Engine | None = None
    sequences: int | None = None
    kv_dtype: str | None = None
    flash_attention: bool | None = None
    reserve_bytes: int | None = None

    def of(self, scenario: Scenario) -> Scenario:
        """A scenario with the choices in it."""
        attention = self.flash_attention
        reserve = self.reserve_bytes
        return replace(
            scenario,
            engine=self.engine or scenario.engine,
            sequences=self.sequences or scenario.sequences,
            kv_dtype=self.kv_dtype or scenario.kv_dtype,
            flash_attention=scenario.flash_attention if attention is None else attention,
            reserve_bytes=scenario.reserve_bytes if reserve is None else reserve,
        )

    def with_engine(self, engine: Engine) -> "Tuning":
        """Another engine, with its own type of cache and its own reserve."""
        return Tuning(engine, self.sequences)


def parse_sequences(text: str) -> int:
    """A number of sequences. Raises UsageError for anything else, and for none."""
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 6):
        raise UsageError(f"“{text}” is not a number of sequences", hint="write 1, 8 or 64")
    return int(text)
