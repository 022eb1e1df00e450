"""Text from a hub, a file or a header, made safe to show.

Names, cards and metadata are written by strangers. A control character can move the cursor or forge
a line, a bidirectional override can make a name read as another, a heap of combining marks can
smear over its neighbours. All of them are replaced by something visible and harmless; ordinary text
in any script is left as it is.
"""

import unicodedata

LINE_LIMIT = 4096
"""Characters of one line that are kept by default."""
TEXT_LIMIT = 200_000
"""Characters of a text of many lines that are kept by default."""

_MARKS = 3
"""Combining marks kept on one character: the most that living scripts stack."""
_JOINER = "\u200d"


def safe_line(text: str, limit: int = LINE_LIMIT) -> str:
    """The text on one line: nothing in it moves the cursor, hides or reverses other text.

    Control characters become their pictures (``␛``), invisible and unassigned ones their number
    (``<U+202E>``). What is longer than ``limit`` characters ends in ``…``.
    """
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _visible(text)


def safe_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """Like ``safe_line``, but line ends are kept and tabs become spaces."""
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    text = text.replace("\r\n", "\n").expandtabs(4)
    return "\n".join(safe_line(line, limit) for line in text.split("\n"))


def _visible(text: str) -> str:
    shown: list[str] = []
    marks = 0
    for index, character in enumerate(text):
        if unicodedata.combining(character):
            marks += 1
            if marks <= _MARKS:
                shown.append(character)
            continue
        marks = 0
        if character == _JOINER and _joins_symbols(text, index):
            continue  # a composed emoji: terminals disagree on its width, its parts are enough
        shown.append(_shown(character))
    return "".join(shown)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if unicodedata.category(character) == "Zs":
        return " "
    return f"<U+{code:04X}>"


def _joins_symbols(text: str, index: int) -> bool:
    """Whether a zero-width joiner stands between two symbols, rather than inside a word."""
    before = text[max(index - 2, 0) : index].rstrip("\ufe0f")[-1:]
    after = text[index + 1 : index + 2]
    return all(side and unicodedata.category(side) in {"So", "Sk"} for side in (before, after))
