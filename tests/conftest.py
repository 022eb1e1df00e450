"""What holds for every test."""

from hypothesis import settings

# A busy machine stalls an example for longer than any deadline: times are for the benchmarks.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
