"""Joins sources and parsers with the judgements: a model opened shard by shard, a listing judged.

The only place that knows both where bytes come from and what they mean. Knows nothing of how
anything is shown.
"""

from explorer.inspection.fitting import Grid, answer, fit_grid
from explorer.inspection.model import Model
from explorer.inspection.opening import card, open_model, read_shards, retry_shards
from explorer.inspection.rows import Row, describe, judge_again, judge_row

__all__ = [
    "Grid",
    "Model",
    "Row",
    "answer",
    "card",
    "describe",
    "fit_grid",
    "judge_again",
    "judge_row",
    "open_model",
    "read_shards",
    "retry_shards",
]
