"""The terminal UI. Shows what the core computed; computes no figure of its own."""
