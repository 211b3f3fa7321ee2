"""(a) The official SDK and the csv module.    python -m benchmarks.plain.sdk tickets.csv answers.jsonl"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path

from anthropic import Anthropic
from anthropic.types.messages.batch_create_params import Request

from benchmarks.data import MAX_TOKENS, MODEL, PERCENT

BATCH = 100_000


def main(data: str, answers: str) -> None:
    client = Anthropic()
    requests: list[Request] = []
    with Path(data).open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            content = PERCENT % (row["subject"], row["body"])
            requests.append(
                {
                    "custom_id": row["ticket_id"],
                    "params": {
                        "model": MODEL,
                        "max_tokens": MAX_TOKENS,
                        "messages": [{"role": "user", "content": content}],
                    },
                }
            )
    ids = [
        client.messages.batches.create(requests=requests[start : start + BATCH]).id
        for start in range(0, len(requests), BATCH)
    ]
    while any(client.messages.batches.retrieve(id).processing_status != "ended" for id in ids):
        time.sleep(0.1)
    results = {r.custom_id: r.result for id in ids for r in client.messages.batches.results(id)}
    with Path(answers).open("w", encoding="utf-8") as out:
        for request in requests:
            result = results[request["custom_id"]]
            record: dict[str, object] = {"id": request["custom_id"], "status": result.type}
            if result.type == "succeeded":
                message = result.message
                record["text"] = "".join(block.text for block in message.content if block.type == "text")
                record["stop_reason"] = message.stop_reason
                record["usage"] = message.usage.to_dict()
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
