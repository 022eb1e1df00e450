"""Terms of use."""
