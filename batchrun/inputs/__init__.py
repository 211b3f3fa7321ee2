"""From files to rows: csv, tsv, jsonl, json, text, parquet and ready-made requests, plain or gzipped."""
