"""README shows the accuracy that the report prints."""

import re
from pathlib import Path

import pytest

from explorer.engine.pinned import why_not
from tests.accuracy import readme
from tests.accuracy.report import every_error

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.engine
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_readme_shows_the_table_that_the_report_prints() -> None:
    section = re.search(
        r"<!-- accuracy -->\n(.*?)<!-- /accuracy -->", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert section is not None
    assert "\n".join(readme.lines(every_error())) in section.group(1)


def test_what_misses_its_target_is_named() -> None:
    good = [(("engine", "weights, CPU", "full"), 0.0)] * 10
    assert readme.lines(good)[-1] == "Missing its target: nothing."
    bad = [(("engine", "compute, CUDA", "full"), 0.25)]
    assert readme.lines([*good, *bad])[-1] == "- engine: compute, CUDA 1 of 1 (cause unknown)"
