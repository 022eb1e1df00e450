"""A model card as Markdown that is safe and calm to show in a terminal.

Cards are written by strangers for a browser: they carry HTML, badges, remote images. Pictures become
their description, HTML that is left becomes its text, and nothing is ever fetched. Code is not touched.
"""

import re
from html import unescape

from explorer.safetext import safe_text

LIMIT = 60_000
"""Characters of a card that are shown; the rest is named."""

_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_IMAGE = re.compile(r"!\[([^\]\n]{0,300})\]\([^()\s]{0,2000}(?:\s+\"[^\"\n]{0,300}\")?\)")
_HTML_IMAGE = re.compile(r"<img\b([^<>]{0,4000})>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*[\"']([^\"'\n]{1,300})[\"']", re.IGNORECASE)
_ANCHOR = re.compile(
    r"<a\b[^<>]{0,2000}?\bhref\s*=\s*[\"']([^\"'\s<>]{1,2000})[\"'][^<>]{0,2000}>(.{0,2000}?)</a\s*>",
    re.IGNORECASE | re.DOTALL,
)
_HIDDEN = re.compile(
    r"<!--.{0,20000}?-->|<(script|style)\b[^>]{0,2000}>.{0,50000}?</\1\s*>",
    re.IGNORECASE | re.DOTALL,
)
_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|h[1-6]|tr|li|summary)\s*>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|body|center|code|dd|del|details|div|dl|dt|em|figure|figcaption|font|"
    r"footer|h[1-6]|head|header|hr|html|i|iframe|ins|kbd|li|link|main|mark|meta|nav|object|ol|p|picture|pre|"
    r"q|s|section|small|source|span|strike|strong|sub|summary|sup|svg|table|tbody|td|tfoot|th|thead|tr|u|ul|"
    r"video)\b(?:\s[^<>]{0,4000})?/?>",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"\n{3,}")


def readable(card: str) -> str:
    """The card without its HTML and its pictures, safe and of bounded length."""
    text = card.replace("\r\n", "\n")
    whole = len(text)
    text = text[:LIMIT]
    shown = "".join(part if is_code else _plain(part) for part, is_code in _split_fences(text))
    if whole > LIMIT:
        shown += f"\n\n---\n\nThe card goes on for another {whole - LIMIT:,} characters.\n"
    return safe_text(_BLANKS.sub("\n\n", shown).strip() + "\n", limit=2 * LIMIT)


def _split_fences(text: str) -> list[tuple[str, bool]]:
    """The text in pieces, fenced code apart from the rest; an open fence runs to the end."""
    pieces: list[tuple[str, bool]] = []
    lines: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        closing = found is not None and bool(fence) and found[1].startswith(fence)
        if found and not fence:
            pieces.append(("".join(lines), False))
            lines, fence = [line], found[1]
        elif closing:
            pieces.append(("".join([*lines, line]), True))
            lines, fence = [], ""
        else:
            lines.append(line)
    pieces.append(("".join(lines), bool(fence)))
    return pieces


def _plain(text: str) -> str:
    """Prose without HTML and pictures."""
    text = _HIDDEN.sub("", text)
    text = _HTML_IMAGE.sub(_alternative, text)
    text = _IMAGE.sub(lambda found: f"(image: {found[1]})" if found[1] else "", text)
    text = _ANCHOR.sub(_link, text)
    text = _BREAK.sub("\n", text)
    return unescape(_TAG.sub("", text))


def _alternative(found: re.Match[str]) -> str:
    described = _ALT.search(found[1])
    return f"(image: {described[1]})" if described else ""


def _link(found: re.Match[str]) -> str:
    label = " ".join(_TAG.sub("", found[2]).split())
    return f"[{label}]({found[1]})" if label else ""
