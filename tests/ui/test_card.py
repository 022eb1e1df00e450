"""Cards: HTML, pictures and control characters go, words and code stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.ui.card import LIMIT, readable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("# Title\n\ntext", "# Title\n\ntext"),
        ("![a cat](https://evil.example/x.png)", "(image: a cat)"),
        ("![](https://tracker.example/p.gif)done", "done"),
        ('<img src="http://x/y.png" alt="logo" width=40>', "(image: logo)"),
        ('<p align="center">Hello <b>you</b></p>', "Hello you"),
        ('<a href="https://x.example">the site</a>', "[the site](https://x.example)"),
        ("<!-- hidden\nwords -->seen", "seen"),
        ("<script>alert(1)</script>seen", "seen"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("uses <|im_start|> and <think>", "uses <|im_start|> and <think>"),
        ("\x1b]0;title\x07text", "␛]0;title␇text"),
        ("a\u202eb", "a<U+202E>b"),
        ("one\n\n\n\n\ntwo", "one\n\ntwo"),
    ],
)
def test_what_becomes_of(raw: str, shown: str) -> None:
    assert readable(raw).strip() == shown


def test_code_is_left_as_it_was_written() -> None:
    code = "```html\n<p>kept</p>\n![kept](too)\n```"
    assert readable(f"<p>gone</p>\n{code}\n<b>gone</b>") == f"gone\n\n{code}\ngone\n"


def test_an_open_fence_runs_to_the_end() -> None:
    assert "<p>kept</p>" in readable("```\n<p>kept</p>")


def test_a_long_card_ends_and_says_so() -> None:
    shown = readable("word " * 100_000)
    assert len(shown) < LIMIT + 200
    assert "another 440,000 characters" in shown


@given(st.text(alphabet=st.sampled_from('<>![]()"=`~ \nabimgscript/-'), max_size=400))
def test_any_heap_of_brackets_is_read_to_its_end(text: str) -> None:
    assert readable(readable(text)) is not None
