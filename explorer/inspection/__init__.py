"""Joins sources and parsers with the judgements: a model opened shard by shard, a listing judged.

The only place that knows both where bytes come from and what they mean. Knows nothing of how
anything is shown.
"""
