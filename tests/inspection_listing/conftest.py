"""Whoever runs these tests may have a token, a proxy and a hub of their own: none of it takes part."""

from tests.hub_sources.conftest import clean_surroundings

__all__ = ["clean_surroundings"]
