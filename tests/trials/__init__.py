"""Trials: one fault in one run, and afterwards the promises are checked (docs/reliability.md)."""
