"""Weights Explorer: what is in open model weights, what they need, how fast they run, on what terms."""

__version__ = "0.1.0"
