"""Room on the disk that downloads go to."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def download_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where ``hf download`` puts files, by the rules of huggingface_hub's ``constants.py``."""
    known = os.environ if environment is None else environment
    xdg = Path(known.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(known.get("HF_HOME") or xdg / "huggingface")
    return Path(known.get("HF_HUB_CACHE") or home / "hub").expanduser()


def free_bytes(folder: Path) -> int | None:
    """Bytes a user may still write below a folder, which need not exist yet; None if nobody can tell."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
