"""The keys of the Fit tab."""

from textual.binding import Binding, BindingType


def _key(
    key: str, action: str, label: str, name: str, tooltip: str, *, show: bool = False
) -> Binding:
    return Binding(key, action, label, show=show, id=f"fit.{name}", tooltip=tooltip)


KEYS: list[BindingType] = [
    _key("w", "why", "Why", "why", "Formula, inputs and source of every number", show=True),
    _key("y", "commands", "Copy", "commands", "The commands that download and run it", show=True),
    _key("x", "enough", "Enough", "enough", "What hardware would be enough", show=True),
    _key("a", "ask", "Ask llama.cpp", "ask", "What llama.cpp itself would allocate"),
    _key("e", "engine", "Engine", "engine", "The next engine that runs it"),
    _key("n", "set('sequences')", "Sequences", "sequences", "How many sequences at once"),
    _key("v", "set('KV')", "KV type", "kv", "Type of the KV cache"),
    _key("u", "unified", "Unified", "unified", "One cache for all sequences, or one each"),
    _key("d", "set('drafts')", "Drafts", "drafts", "Tokens drafted ahead by the model itself"),
    _key("f", "flash", "Flash attention", "flash", "With flash attention or without"),
    _key("r", "set('reserve')", "Reserve", "reserve", "Memory that is to stay free"),
]
