"""Turn the Elements Database into request lines: python prepare.py /usr/share/dictd/elements.dict.dz

An entry is the element's name, three lines of facts and a text. Elements beyond 103 are left out: their texts
are from elsewhere.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

ENTRY = re.compile(
    r"^(?P<name>[a-z]+)\nSymbol: (?P<symbol>\w+)\nAtomic number: (?P<number>\d+)\n(?P<rest>(?:.+\n)+)",
    re.MULTILINE,
)
SYSTEM = (
    "You write labels for the exhibits of a science museum, for visitors of twelve years and older. Write one "
    "paragraph of 30 to 50 words in plain English. Use only the facts in <facts>; where they look wrong or are "
    "unclear, leave them out. No headline, no greeting, no questions."
)


def main() -> None:
    with gzip.open(sys.argv[1], "rt", encoding="latin-1") as source:
        text = source.read()
    with Path("requests.jsonl").open("w", encoding="utf-8") as target:
        for entry in ENTRY.finditer(text):
            if int(entry["number"]) <= 103:
                params = {
                    "model": "claude-haiku-5-5",
                    "max_tokens": 150,
                    "system": SYSTEM,
                    "messages": [{"role": "user", "content": f"<facts>\n{entry[0].strip()}\n</facts>"}],
                }
                line = {"custom_id": entry["symbol"], "params": params}
                target.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
