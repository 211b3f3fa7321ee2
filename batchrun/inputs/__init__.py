"""From files to rows: csv, tsv, jsonl, json, text, parquet and ready-made requests, plain or gzipped."""

from batchrun.inputs.rows import Rows, open_rows, resolve

__all__ = ["Rows", "open_rows", "resolve"]
