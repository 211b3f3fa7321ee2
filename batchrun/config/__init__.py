"""The operator's configuration, as values: its keys, the text of batchrun.toml, and what of it holds. Pure."""
