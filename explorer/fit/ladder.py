"""The quantizations that can be chosen, best first, with what is known of their quality."""

from dataclasses import dataclass

from explorer.fit.values import Engine

LLAMA_3_8B = "llama-quantize's own table, llama.cpp: added perplexity of Llama-3-8B"
BITS_ALONE = "no published perplexity at hand: ranked by bits a weight and its neighbours"


@dataclass(frozen=True, slots=True)
class Rung:
    """One quantization, and how good it is."""

    name: str
    """As in ``Scenario.quantization``."""
    note: str
    """A few words for people."""
    engines: tuple[Engine, ...]
    """Which run it."""
    added_perplexity: float | None = None
    """Over 16 bits, where it was published."""
    basis: str = BITS_ALONE


_LLAMA: tuple[Engine, ...] = ("llama.cpp",)
_VLLM: tuple[Engine, ...] = ("vllm", "transformers")
_ALL: tuple[Engine, ...] = ("llama.cpp", "vllm", "transformers", "mlx")

LADDER: tuple[Rung, ...] = (
    Rung("BF16", "as published", _ALL, 0.0, "the checkpoint itself"),
    Rung("Q8_0", "as good as 16 bits", _LLAMA, 0.0026, LLAMA_3_8B),
    Rung("MLX-8bit", "as good as 16 bits", ("mlx",)),
    Rung("GPTQ-Int8", "as good as 16 bits", _VLLM),
    Rung("FP8", "close to 16 bits", ("vllm",)),
    Rung("Q6_K", "close to 16 bits", _LLAMA, 0.0217, LLAMA_3_8B),
    Rung("MLX-6bit", "close to 16 bits", ("mlx",)),
    Rung("Q5_K_M", "very good", _LLAMA, 0.0569, LLAMA_3_8B),
    Rung("Q5_K_S", "very good", _LLAMA, 0.1049, LLAMA_3_8B),
    Rung("Q4_K_M", "good, the usual choice", _LLAMA, 0.1754, LLAMA_3_8B),
    Rung("NVFP4", "good; fast on Blackwell", ("vllm",)),
    Rung("AWQ", "good", _VLLM),
    Rung("GPTQ-Int4", "good", _VLLM),
    Rung("MXFP4", "good where the model was trained for it", ("vllm",)),
    Rung("MLX-4bit", "good", ("mlx",)),
    Rung("NF4", "good, slower", ("transformers",)),
    Rung("Q4_K_S", "good", _LLAMA, 0.2689, LLAMA_3_8B),
    Rung("IQ4_XS", "good for its size, slower on processors", _LLAMA),
    Rung("Q3_K_L", "noticeable loss", _LLAMA, 0.5562, LLAMA_3_8B),
    Rung("Q3_K_M", "noticeable loss", _LLAMA, 0.6569, LLAMA_3_8B),
    Rung("Q3_K_S", "clear loss", _LLAMA, 1.6321, LLAMA_3_8B),
    Rung("IQ3_XXS", "clear loss; needs an importance matrix", _LLAMA),
    Rung("Q2_K", "heavy loss", _LLAMA, 3.5199, LLAMA_3_8B),
    Rung("IQ2_XS", "heavy loss; needs an importance matrix", _LLAMA),
    Rung("IQ2_XXS", "a last resort; needs an importance matrix", _LLAMA),
)
"""Best first. Real files of a repository stand beside these under their own names."""

_RANKS = {rung.name: rank for rank, rung in enumerate(LADDER)}


def offered(engine: Engine) -> tuple[Rung, ...]:
    """What can be chosen for an engine, best first."""
    return tuple(rung for rung in LADDER if engine in rung.engines)


def rank(quantization: str) -> int | None:
    """The place on the ladder, 0 the best; None for a quantization that is not on it."""
    return _RANKS.get(quantization)
