"""How many rows got which label: python count.py labels.jsonl"""

import json
import sys
from collections import Counter
from pathlib import Path

with Path(sys.argv[1]).open(encoding="utf-8", newline="\n") as lines:
    counts = Counter(json.loads(line)["json"]["label"] for line in lines)
for label, count in sorted(counts.items()):
    print(f"{count:6} {label}")
