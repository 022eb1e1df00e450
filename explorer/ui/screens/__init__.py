"""The screens: each asks the core for frozen values and hands them to its widgets."""
