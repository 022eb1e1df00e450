"""The facts at the head of a model card: YAML between two lines of dashes, as the hub reads it."""

import re
from collections.abc import Mapping
from typing import Any

_LARGEST = 64 << 10
_MARGIN = re.compile(r"^-{3,}[ \t\r]*$", re.MULTILINE)


def front_matter(text: str) -> Mapping[str, Any]:
    """What a card says of its model, as the hub's ``cardData``; empty if it says nothing that can be read."""
    start = _MARGIN.match(text.lstrip("\ufeff"))
    if start is None:
        return {}
    text = text.lstrip("\ufeff")[start.end() : start.end() + _LARGEST]
    end = _MARGIN.search(text)
    if end is None:
        return {}
    import yaml  # 20 ms, and only a model on disk has its card read for facts

    try:
        facts = yaml.safe_load(text[: end.start()])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
