"""The data: about 600 bytes a row, in several scripts, with quotes, commas and line ends inside cells."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import orjson

COLUMNS = ("ticket_id", "subject", "language", "body")
ROW_BYTES = 600
_WORDS = (
    "the parcel arrived late and the box was open",
    'she said "never again", twice',
    "l'écran est cassé, merci de me répondre",
    "die Überweisung fehlt seit Dienstag",
    "返品したいのですが、手続きを教えてください",
    "пожалуйста, верните деньги",
    "price 12,50 € — not 15,20 €",
    "first line\nsecond line",
    "🙂 thanks anyway",
)

PLAIN = "Subject: {{ subject }}\n\n{{ body }}\n\nName its topic in one word."
LOGIC = (
    "Subject: {{ subject | upper }}\n\n{% if language == 'en' %}{{ body }}{% else %}"
    "[{{ language }}] {{ body | trim }}{% endif %}\n\nName its topic in one word."
)
BARE = "{{ body }}"
"""The row's text and nothing else: each may be empty."""
PERCENT = "Subject: %s\n\n%s\n\nName its topic in one word."
MODEL = "claude-haiku-4-5"
MAX_TOKENS = 64


def rows(count: int, row_bytes: int = ROW_BYTES) -> Iterator[tuple[str, ...]]:
    """The same rows for the same arguments."""
    draw = random.Random(count)
    for number in range(1, count + 1):
        text, size = [], 0
        while size < row_bytes - 60:
            words = draw.choice(_WORDS)
            text.append(words)
            size += len(words.encode()) + 1
        language = draw.choice(("en", "fr", "de", "ja"))
        yield f"T-{number:07d}", f"Ticket {number}: {text[0][:20]}", language, " ".join(text)


def write_csv(path: Path, count: int, row_bytes: int = ROW_BYTES) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows(count, row_bytes))


def write_spec(
    path: Path, *, template: str = PLAIN, limits: dict[str, object] | None = None, **changes: object
) -> None:
    """The job that everyone here does: one message a row, the answers in input order. `changes` are whole keys
    of the spec."""
    spec: dict[str, object] = {
        "version": 1,
        "input": {"path": "tickets.csv", "id": "ticket_id"},
        "request": {
            "model": MODEL,
            "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": template}],
        },
        "output": {"path": "answers.jsonl"},
        "limits": {"max_cost_usd": 10_000, **(limits or {})},
        "poll": {"interval": "100ms"},
        **changes,
    }
    path.write_bytes(orjson.dumps(spec, option=orjson.OPT_INDENT_2))


def folder(place: Path, count: int, *, template: str = PLAIN, row_bytes: int = ROW_BYTES) -> Path:
    """A folder with the data and a spec, ready to run."""
    place.mkdir(parents=True)
    write_csv(place / "tickets.csv", count, row_bytes)
    write_spec(place / "job.yaml", template=template)
    return place
