"""Turn the Jargon File's text into entries.csv: python prepare.py /usr/share/doc/jargon-text/jargon.txt.gz

An entry begins with `   :term: grammar`, its paragraphs are indented by three spaces, and the first line
that is not ends the glossary. Entries with coarse language are left out, the rest is as it was written.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

HEAD = re.compile(r"   :(?P<term>.+?): ?(?P<grammar>.*)$")
COARSE = re.compile(r"fuck|shit|\brape\b|bitch|asshole|\btits\b|wank|rasterbation", re.IGNORECASE)


def entries(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    head, text = None, list[str]()
    for line in lines:
        found = HEAD.match(line)
        if found or (line.strip() and not line.startswith("   ")):
            if head:
                yield head["term"], head["grammar"].strip(), "\n".join(text).strip()
            head, text = found, []
        else:
            text.append(line[3:].rstrip())


def main() -> None:
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as source:
        found = list(entries(source))
    with Path("entries.csv").open("w", encoding="utf-8", newline="") as target:
        table = csv.writer(target, lineterminator="\n")
        table.writerow(["term", "grammar", "text"])
        table.writerows(entry for entry in found if not COARSE.search(" ".join(entry)))


main()
