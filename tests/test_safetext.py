"""Hostile text is shown, and does nothing else."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.safetext import safe_line, safe_text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("modèle 模型 モデル नमूना", "modèle 模型 モデル नमूना"),
        ("\x1b[2Jgone", "␛[2Jgone"),
        ("a\nb\rc\td", "a␊b␍c␉d"),
        ("\x7f\x9b31m", "␡<U+009B>31m"),
        ("safe\u202egpj.exe", "safe<U+202E>gpj.exe"),
        ("Qwen\u200b/Qwen3", "Qwen<U+200B>/Qwen3"),
        ("Qwen\u200d/Qwen3", "Qwen<U+200D>/Qwen3"),
        ("a\u00a0b\u3000c", "a b c"),
        ("👩\u200d💻", "👩💻"),
        ("❤\ufe0f\u200d🔥", "❤\ufe0f🔥"),
        ("\ud800", "<U+D800>"),
        ("[bold]x[/]", "[bold]x[/]"),
        ("", ""),
    ],
)
def test_what_is_shown(raw: str, shown: str) -> None:
    assert safe_line(raw) == shown


def test_a_heap_of_combining_marks_is_cut_to_what_scripts_use() -> None:
    assert safe_line("a" + "\u0301" * 500 + "b") == "a\u0301\u0301\u0301b"


def test_a_long_line_ends_in_an_ellipsis() -> None:
    assert safe_line("x" * 10_000, limit=8) == "xxxxxxx…"
    assert safe_line("x" * 8, limit=8) == "x" * 8


def test_lines_are_kept_in_a_text_of_many() -> None:
    assert safe_text("one\r\n\ttwo\x07\n") == "one\n    two␇\n"
    assert safe_text("x\n" * 100, limit=4) == "x\nx…"


@given(st.text())
def test_one_line_comes_out_and_everything_in_it_can_be_seen(text: str) -> None:
    shown = safe_line(text)
    assert all(c.isprintable() for c in shown)
    assert not any(
        unicodedata.bidirectional(c) in {"RLO", "LRO", "RLE", "LRE", "PDF"} for c in shown
    )


@given(st.text())
def test_showing_twice_changes_nothing(text: str) -> None:
    assert safe_line(safe_line(text)) == safe_line(text)
    assert safe_text(safe_text(text)) == safe_text(text)
