"""vLLM's weights a rank and KV tokens, as public logs print them."""

from collections.abc import Iterable

import pytest

from tests.accuracy.vllm_logs import NEWER, OLDER, Compared, tokens, weights

EXACT = {165: 569_878, 185: 42_224, 186: 973_760, 195: 313_650}
"""Rows of KV tokens whose every setting is known: EXAONE 4, and Qwen's hybrids of three versions."""


def errors(figures: Iterable[Compared]) -> list[float]:
    return sorted(abs(figure.error) for figure in figures)


def test_weights_of_a_rank_are_within_one_percent_and_nine_in_ten_within_three() -> None:
    found = errors(weights())
    assert len(found) == 14
    assert found[len(found) // 2] < 0.01
    assert found[len(found) * 9 // 10] < 0.03


def test_kv_tokens_are_within_one_percent_and_nine_in_ten_within_three() -> None:
    found = errors(tokens())
    assert len(found) == len(NEWER) + len(OLDER) + 1
    assert found[len(found) // 2] < 0.01
    assert found[-1] < 0.03


@pytest.mark.parametrize("row", EXACT)
def test_kv_tokens_are_those_the_log_prints(row: int) -> None:
    figure = next(figure for figure in tokens() if figure.row == row)
    assert figure.ours == EXACT[row]
