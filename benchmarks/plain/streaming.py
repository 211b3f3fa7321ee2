"""(c) The best plain loop: csv reader, `%`, orjson, files.

python -m benchmarks.plain.streaming tickets.csv answers.jsonl
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import requests

from benchmarks.data import MAX_TOKENS, MODEL, PERCENT

BATCH = 100_000
CHUNK = 1 << 20


def main(data: str, answers: str) -> None:
    bodies = expand(Path(data))
    url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages/batches"
    session = requests.Session()
    session.headers.update(
        {
            "x-api-key": os.environ["ANTHROPIC_API_KEY"],
            "anthropic-version": "2023-06-01",
            "content-type": "application/json",
        }
    )
    places: dict[str, tuple[Path, int]] = {}
    for number, body in enumerate(bodies):
        with body.open("rb") as stream:
            reply = session.post(url, data=stream, timeout=600)
        reply.raise_for_status()
        batch = reply.json()
        while batch["processing_status"] != "ended":
            time.sleep(0.1)
            batch = session.get(f"{url}/{batch['id']}", timeout=60).json()
        results = Path(f"results-{number}.jsonl")
        with session.get(batch["results_url"], stream=True, timeout=600) as reply, results.open("wb") as out:
            for chunk in reply.iter_content(CHUNK):
                out.write(chunk)
        places.update(_places(results))
    with Path(answers).open("wb") as out:
        for name in _ids(Path(data)):
            out.write(orjson.dumps(_record(name, places[name]), option=orjson.OPT_APPEND_NEWLINE))


def expand(data: Path) -> list[Path]:
    """Rows to request bodies, straight to files."""
    bodies: list[Path] = []
    out = None
    with data.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        next(reader)
        for number, (name, subject, _, body) in enumerate(reader):
            request = {
                "custom_id": name,
                "params": {
                    "model": MODEL,
                    "max_tokens": MAX_TOKENS,
                    "messages": [{"role": "user", "content": PERCENT % (subject, body)}],
                },
            }
            if number % BATCH == 0:
                if out:
                    out.write(b"]}")
                    out.close()
                bodies.append(Path(f"body-{len(bodies)}.json"))
                out = bodies[-1].open("wb")
                out.write(b'{"requests":[')
            else:
                assert out
                out.write(b",")
            out.write(orjson.dumps(request))
    if out:
        out.write(b"]}")
        out.close()
    return bodies


def _ids(data: Path) -> Iterator[str]:
    with data.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        next(reader)
        for row in reader:
            yield row[0]


def _places(results: Path) -> Iterator[tuple[str, tuple[Path, int]]]:
    offset = 0
    with results.open("rb") as stream:
        for line in stream:
            yield orjson.loads(line)["custom_id"], (results, offset)
            offset += len(line)


_open: dict[Path, Any] = {}


def _record(name: str, place: tuple[Path, int]) -> dict[str, Any]:
    path, offset = place
    if path not in _open:
        _open[path] = path.open("rb")
    _open[path].seek(offset)
    result = orjson.loads(_open[path].readline())["result"]
    record: dict[str, Any] = {"id": name, "status": result["type"]}
    if result["type"] == "succeeded":
        message = result["message"]
        record["text"] = "".join(b["text"] for b in message["content"] if b["type"] == "text")
        record["stop_reason"] = message["stop_reason"]
        record["usage"] = message["usage"]
    return record


if __name__ == "__main__":
    main(*sys.argv[1:])
