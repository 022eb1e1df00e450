"""Tables and facts on terminals of any width."""

import pytest

from explorer.cli.table import Column, facts, lines

COLUMNS = (
    Column("Model", flexible=True),
    Column("Params", right=True),
    Column("License", spare=1),
    Column("Updated", right=True, spare=2),
)
ROWS = [("acme/a-model-with-a-long-name", "8.19 B", "Apache-2.0", "3 y")]


def test_without_a_terminal_nothing_is_cut() -> None:
    assert lines(COLUMNS, ROWS, width=0)[1] == (
        "acme/a-model-with-a-long-name  8.19 B  Apache-2.0      3 y"
    )


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (300, "acme/a-model-with-a-long-name  8.19 B  Apache-2.0      3 y"),
        (50, "acme/a-model-with-a-…  8.19 B  Apache-2.0      3 y"),
        (40, "acme/a-model-with-a…  8.19 B  Apache-2.0"),
        (30, "acme/a-model-with-a-l…  8.19 B"),
        (10, "acme/a-model-wi…  8.19 B"),
    ],
)
def test_names_are_cut_before_columns_are_left_out(width: int, expected: str) -> None:
    heading, row = lines(COLUMNS, ROWS, width=width)
    assert row == expected
    assert heading.split()[0] == "Model"


def test_long_facts_are_wrapped_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [("basis", "read a token at 51 GB/s"), ("path", "models/a/long/path/without/a/space")]
    monkeypatch.delenv("COLUMNS", raising=False)
    assert len(facts(pairs)) == 2
    monkeypatch.setenv("COLUMNS", "24")
    assert facts(pairs) == [
        "basis  read a token at",
        "       51 GB/s",
        "path   models/a/long/path/without/a/space",
    ]
