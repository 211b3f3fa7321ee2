"""(b) requests and json, everything in memory.    python -m benchmarks.plain.memory tickets.csv answers.jsonl"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from pathlib import Path

import requests

from benchmarks.data import MAX_TOKENS, MODEL, PERCENT

BATCH = 100_000


def main(data: str, answers: str) -> None:
    url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages/batches"
    session = requests.Session()
    session.headers.update({"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"})
    with Path(data).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    asked = [
        {
            "custom_id": row["ticket_id"],
            "params": {
                "model": MODEL,
                "max_tokens": MAX_TOKENS,
                "messages": [{"role": "user", "content": PERCENT % (row["subject"], row["body"])}],
            },
        }
        for row in rows
    ]
    results = {}
    for start in range(0, len(asked), BATCH):
        reply = session.post(url, json={"requests": asked[start : start + BATCH]}, timeout=600)
        reply.raise_for_status()
        batch = reply.json()
        while batch["processing_status"] != "ended":
            time.sleep(0.1)
            batch = session.get(f"{url}/{batch['id']}", timeout=60).json()
        for line in session.get(batch["results_url"], timeout=600).content.decode().split("\n"):
            if line:
                result = json.loads(line)
                results[result["custom_id"]] = result["result"]
    with Path(answers).open("w", encoding="utf-8") as out:
        for row in rows:
            result = results[row["ticket_id"]]
            record = {"id": row["ticket_id"], "status": result["type"]}
            if result["type"] == "succeeded":
                message = result["message"]
                record["text"] = "".join(b["text"] for b in message["content"] if b["type"] == "text")
                record["stop_reason"] = message["stop_reason"]
                record["usage"] = message["usage"]
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
