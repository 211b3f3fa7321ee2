"""The command line, struck by a signal just before one of its effects on the world.

    python dying.py MOMENT SIGNAL args…      SIGNAL as in KILL, TERM, INT
    python dying.py FILE LIST args…          struck by nothing; the effects are listed in FILE

An effect is a file opened for writing, a folder synced, a rename, a removal, a new folder, bytes sent.
MOMENT is `pattern@n`: before the nth effect that the regular expression finds.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_DIRECTORY
HERE = str(Path.cwd())


def effect_of(event: str, args: tuple[Any, ...]) -> str | None:
    match event, args:
        case "open", (str(path), _, int(flags)) if flags & WRITING:
            verb = "sync" if flags & os.O_DIRECTORY else "open"
        case (("os.rename" | "os.remove" | "os.mkdir"), (str(path), *_)):
            verb = event.removeprefix("os.")
        case "http.client.send", (_, bytes(data)):
            return f"send {data[:80].partition(b' HTTP')[0].decode(errors='replace')}"
        case _:
            return None
    return f"{verb} {Path(path).relative_to(HERE)}" if path.startswith(HERE) else None


def main() -> None:
    moment, what = sys.argv[1:3]
    del sys.argv[1:3]
    del sys.path[0]  # this folder; the package is installed
    pattern, _, number = moment.rpartition("@")
    effects: list[str] = []
    left = 0 if what == "LIST" else int(number)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        if (effect := effect_of(event, args)) is None:
            return
        effects.append(effect)
        if left and re.search(pattern, effect):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.Signals[f"SIG{what}"])

    from batchrun.cli import run

    sys.addaudithook(hook)
    code = run()
    if what == "LIST":
        found = "\n".join(effects)
        Path(moment).write_text(found)
    sys.exit(code)


if __name__ == "__main__":
    main()
