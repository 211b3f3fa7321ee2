"""Files that are whole, private, and inside of what they are confined to."""

STATE_FOLDER = ".batchrun"
"""Beside a spec: where its jobs keep their run directories. Here, as this module imports nothing (`fastpath`)."""
